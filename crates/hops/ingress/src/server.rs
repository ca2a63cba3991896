//! The socket: accept, read requests, hand each to [`Forwarder::forward`].

use hop::Hop;
use hop::http::Client;
use hop::http::server::{Protocol, Server};
use tokio::net::TcpListener;

use crate::config::Settings;
use crate::forward::Forwarder;
use crate::routes::Routes;

/// Serves until the hop is told to stop, then lets running requests finish.
pub async fn run(listener: TcpListener, routes: Routes, settings: Settings, hop: Hop) {
    if routes.is_empty() && settings.default_backend.is_none() {
        tracing::warn!("no rule and no default backend: every request will get 404 (see --rule)");
    }
    tracing::info!(rules = routes.len(), "routing");
    let (client, min_rate) = (Client::new(settings.client.limits()), settings.server.min_rate());
    let forwarder = Forwarder::new(hop.name.clone(), routes, client, min_rate);
    let server =
        Server::new(&hop, settings.server.limits(), move |request| forwarder.clone().forward(request));
    hop.ready();
    hop::accept::run(listener, settings.server.max_connections, &hop.shutdown, hop.drain, |stream, stop| {
        let stamps = stream.stamps();
        server.clone().serve(stream, Protocol::Http1, stamps, stop)
    })
    .await;
}
