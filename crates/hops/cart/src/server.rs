//! Connections in; what runs in the background; how it ends.

use std::sync::Arc;

use hop::http::server::{Limits, Protocol, Server};
use hop::{CancellationToken, Hop};
use tokio::net::TcpListener;

use crate::config::Settings;
use crate::routes;
use crate::shop::Shop;

/// Connections served at once. More would be idle: with HTTP/1.1 each carries one request, and only so many of those find
/// a worker or a place in the queue.
const CONNECTIONS: usize = 1024;

/// Serves until the hop is told to stop and its work is done.
pub async fn run(listener: TcpListener, shop: Arc<Shop>, settings: &Settings, hop: Hop) {
    let handler = {
        let shop = Arc::clone(&shop);
        move |request| routes::handle(Arc::clone(&shop), request)
    };
    // The workers' queue is the one that refuses; the outer limit only has to be wider. The body is read by the handler:
    // nobody's before its sender has proved who it is.
    let requests = usize::from(settings.workers) + usize::from(settings.queue) + CONNECTIONS;
    let limits = Limits { requests, connections: CONNECTIONS, hold: 0, ..Limits::default() };
    let server = Server::new(&hop, limits, handler);
    let stop = CancellationToken::new();
    let relay = tokio::spawn(shop.relay(settings).run(stop.clone()));
    hop.ready();
    hop::accept::run(listener, CONNECTIONS, &hop.shutdown, hop.drain, |stream, stop| {
        let stamps = stream.stamps();
        server.clone().serve(stream, Protocol::Http1, stamps, stop)
    })
    .await;
    shop.workers.finish(hop.drain).await;
    stop.cancel();
    if tokio::time::timeout(hop.drain, relay).await.is_err() {
        tracing::debug!("the relay did not finish: another pod's will");
    }
}
