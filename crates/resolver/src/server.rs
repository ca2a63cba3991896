//! The sockets: read, hand to a task, write, and note when.
//!
//! Unlike a name server, a resolver has to wait for others, so every query gets a task of its own and
//! the loop goes on reading.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hop::listen::Pair;
use hop::stamped::kernel;
use hop::{Hop, Mark, Stamped, admin, clock};
use hyper::{Method, StatusCode};
use journey::{Direction, Flow, Transport};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::doh::Doh;
use crate::respond::Resolver;

/// How long a TCP client may be silent before its connection is closed (RFC 7766 §6.2.3 asks for
/// "a few seconds").
const IDLE: Duration = Duration::from_secs(10);
/// TCP connections served at once; the others wait in the kernel's queue.
const CONNECTIONS: usize = 256;

/// Serves until the hop is told to stop and what was asked before is answered.
///
/// # Errors
/// The sockets are gone.
pub async fn run(sockets: Pair, doh: Option<Doh>, resolver: Resolver, hop: Hop) -> anyhow::Result<()> {
    let address = sockets.address().context("ask for the bound address")?;
    let resolver = Arc::new(resolver);
    let flushed = Arc::clone(&resolver);
    hop.admin.route(Method::POST, "/flush", move |_| {
        let resolver = Arc::clone(&flushed);
        async move {
            match resolver.walker().flush() {
                Ok(()) => admin::text(StatusCode::OK, "flushed\n"),
                Err(error) => admin::text(StatusCode::INTERNAL_SERVER_ERROR, format!("flush: {error}\n")),
            }
        }
    });
    let udp = serve_datagrams(Arc::clone(&resolver), sockets.udp, address, &hop.shutdown, hop.drain);
    let tcp = hop::accept::run(sockets.tcp, CONNECTIONS, &hop.shutdown, hop.drain, |stream, stop| {
        serve_stream(Arc::clone(&resolver), stream, stop)
    });
    let https = async {
        match doh {
            Some(doh) => doh.serve(Arc::clone(&resolver), &hop).await,
            None => tracing::info!("no TLS_CERT and TLS_KEY: DNS over HTTPS is off"),
        }
    };
    hop.ready();
    tokio::join!(udp, tcp, https);
    Ok(())
}

/// UDP: one datagram in, one out, any number in between.
async fn serve_datagrams(
    resolver: Arc<Resolver>,
    socket: UdpSocket,
    address: SocketAddr,
    stop: &CancellationToken,
    drain: Duration,
) {
    let socket = Arc::new(socket);
    let tasks = TaskTracker::new();
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let received = tokio::select! {
            received = kernel::recv_from(&socket, &mut buffer) => received,
            () = stop.cancelled() => break,
        };
        match received {
            Ok((length, peer, read)) => {
                let flow = Flow { transport: Transport::Udp, client: peer, server: address };
                let query = buffer[..length].to_vec();
                tasks.spawn(answer_datagram(Arc::clone(&resolver), Arc::clone(&socket), query, flow, read));
            }
            Err(error) => {
                hop::warn_throttled!(%error, "receive a datagram");
                tokio::task::yield_now().await;
            }
        }
    }
    tasks.close();
    if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), ?drain, "drain limit reached: leaving queries unanswered");
    }
}

async fn answer_datagram(
    resolver: Arc<Resolver>,
    socket: Arc<UdpSocket>,
    query: Vec<u8>,
    flow: Flow,
    read: Mark,
) {
    let trip = resolver.trip();
    let Some(response) = resolver.respond(&query, Transport::Udp, &trip).await else { return };
    let tx = clock::now();
    if let Err(error) = socket.send_to(&response.bytes, flow.client).await {
        tracing::debug!(%error, peer = %flow.client, "send a response");
    }
    let offset = u64::from(response.id);
    let (read, written) = (Mark { offset, ..read }, Mark { offset, at: tx, ..Mark::default() });
    let stamps = read.received(flow, Direction::Request).chain([written.sent(flow, Direction::Response)]);
    resolver.report(&trip, &response, (read.at, tx), stamps.collect());
}

/// TCP: every message has its length before it, in two bytes (RFC 1035 §4.2.2), and a connection may
/// carry many (RFC 7766 §6.2.1). They are answered one after the other.
async fn serve_stream(resolver: Arc<Resolver>, stream: Stamped<TcpStream>, stop: CancellationToken) {
    let stamps = stream.stamps();
    let (reader, mut stream) = tokio::io::split(stream);
    let mut frames = dnswire::Frames::new(reader);
    loop {
        let query = tokio::select! {
            query = tokio::time::timeout(IDLE, frames.next()) => query,
            () = stop.cancelled() => return,
        };
        let Ok(Ok(Some(query))) = query else { return };
        let read = stamps.last_read();
        let trip = resolver.trip();
        let Some(response) = resolver.respond(&query, Transport::Tcp, &trip).await else { return };
        let Some(framed) = dnswire::framed(&response.bytes) else { return };
        match tokio::time::timeout(IDLE, stream.write_all(&framed)).await {
            Ok(Ok(())) => {
                let written = stamps.last_write();
                let passed = stamps.read_stamps(read).chain([stamps.write_stamp(written)]);
                resolver.report(&trip, &response, (read.at, written.at), passed.collect());
            }
            _ => return,
        }
    }
}
