//! The sockets: accept, shake hands, read requests, hand each to [`Forwarder::forward`].

use std::sync::Arc;

use anyhow::Context as _;
use hyper::{Method, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use hop::http::json;
use hop::http::server::{Protocol, Server};
use hop::{CancellationToken, Hop, Stamped};

use crate::checker::Checker;
use crate::config::Settings;
use crate::forward::Forwarder;
use crate::tls::{Certificates, Terminator};
use crate::upstreams::Upstreams;

/// Serves until the hop is told to stop, then lets running requests finish: HTTP/2 clients are sent
/// GOAWAY, HTTP/1.1 clients `Connection: close`.
///
/// # Errors
/// No randomness for ticket keys, or no handler for SIGHUP.
pub async fn run(
    listener: TcpListener,
    certificates: Arc<Certificates>,
    settings: Settings,
    hop: Hop,
) -> anyhow::Result<()> {
    let hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
    let limit = settings.handshake_timeout;
    let terminator = Terminator::new(Arc::clone(&certificates), limit, hop.telemetry.clone())?;
    let upstreams = Arc::new(Upstreams::new(&settings));
    let shown = Arc::clone(&upstreams);
    hop.admin
        .route(Method::GET, "/upstreams", move |_| std::future::ready(json(StatusCode::OK, &shown.report())));
    let forwarder = Arc::new(Forwarder::new(Arc::clone(&hop.name), Arc::clone(&upstreams), &settings));
    let server = Server::new(&hop, settings.limits(), move |request| Arc::clone(&forwarder).forward(request))
        .over_tls();

    // Check every upstream once before the first request is read: until then clients wait in the
    // kernel's queue instead of getting 503. Dropping `beside` ends what runs beside the accept loop.
    let mut beside = JoinSet::new();
    let checker = Arc::new(Checker::new(settings.health.clone()));
    for upstream in upstreams.iter() {
        let (checker, upstream) = (Arc::clone(&checker), Arc::clone(upstream));
        beside.spawn(async move { checker.check(&upstream).await });
    }
    while beside.join_next().await.is_some() {}
    for upstream in upstreams.iter() {
        beside.spawn(Arc::clone(&checker).run(Arc::clone(upstream)));
    }
    beside.spawn(reload_on(hangup, certificates));

    hop.ready();
    hop::accept::run(listener, settings.server.max_connections, &hop.shutdown, hop.drain, |stream, stop| {
        serve(stream, stop, terminator.clone(), server.clone())
    })
    .await;
    Ok(())
}

/// One connection: a handshake, then requests.
async fn serve(stream: Stamped<TcpStream>, stop: CancellationToken, terminator: Terminator, server: Server) {
    let stamps = stream.stamps();
    let peer = stamps.flow().client;
    // Also on shutdown: the kernel has promised the client a server, and its request is on its way.
    match terminator.handshake(stream).await {
        Ok(stream) => {
            let protocol = Protocol::from_alpn(stream.get_ref().1.alpn_protocol());
            server.serve(stream, protocol, stamps, stop).await;
        }
        // Anybody can send us garbage: worth no warning.
        Err(error) => tracing::debug!(%error, %peer, "TLS handshake"),
    }
}

/// On SIGHUP reads the certificate again; if it is broken, the old one stays.
async fn reload_on(mut hangup: Signal, certificates: Arc<Certificates>) {
    while hangup.recv().await.is_some() {
        match certificates.reload() {
            Ok(()) => tracing::info!("certificate reloaded"),
            Err(error) => tracing::error!("reload the certificate: {error:#}; the old one stays in service"),
        }
    }
}
