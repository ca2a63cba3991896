//! Accepting connections and serving requests on them.

use std::sync::Arc;

use hop::Hop;
use hop::http::server::{Limits, Protocol, Server};
use tokio::net::TcpListener;

use crate::handlers::Handlers;
use crate::stock::Stock;

/// Connections served at once: a process commonly has 1024 descriptors, and the database needs some.
const CONNECTIONS: usize = 900;

/// Serves until the hop is told to stop and its requests have their responses.
pub async fn run(listener: TcpListener, stock: Stock, hop: Hop) -> anyhow::Result<()> {
    let handlers = Arc::new(Handlers::new(stock));
    let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
    let server = Server::new(&hop, limits, move |request| {
        let handlers = Arc::clone(&handlers);
        async move { handlers.handle(request).await }
    });
    hop.ready();
    hop::accept::run(listener, CONNECTIONS, &hop.shutdown, hop.drain, |stream, stop| {
        let stamps = stream.stamps();
        server.clone().serve(stream, Protocol::Http1, stamps, stop)
    })
    .await;
    Ok(())
}
