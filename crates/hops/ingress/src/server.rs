//! The socket: accept, read requests, hand each to [`Forwarder::answer`].

use hop::Hop;
use hop::http::Client;
use hop::http::server::{Protocol, Server};
use tokio::net::TcpListener;

use crate::config::Settings;
use crate::forward::Forwarder;
use crate::routes::Routes;

/// Serves until the hop is told to stop, then lets running requests finish.
///
/// # Errors
/// None so far.
pub async fn run(listener: TcpListener, routes: Routes, settings: Settings, hop: Hop) -> anyhow::Result<()> {
    if routes.is_empty() && settings.default_backend.is_none() {
        tracing::warn!("no rule and no default backend: every request will get 404 (see --rule)");
    }
    tracing::info!(rules = routes.len(), "routing");
    let forwarder =
        Forwarder::new(hop.name.clone(), routes, Client::new(settings.client_limits()), settings.pace());
    let server = Server::new(&hop, settings.limits(), move |request| forwarder.clone().answer(request));
    hop.ready();
    hop::accept::run(listener, settings.max_connections, &hop.shutdown, hop.drain, |stream, stop| {
        let stamps = stream.stamps();
        server.clone().serve(stream, Protocol::Http1, stamps, stop)
    })
    .await;
    Ok(())
}
