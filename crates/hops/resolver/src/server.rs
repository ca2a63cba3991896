//! The sockets: read, hand to a task, write, and note when.
//!
//! Unlike a name server, a resolver may have to wait for others: a query that the cache has no answer for gets a task
//! of its own, and the loop goes on reading.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use dnswire::{Connections, Reply};
use hop::datagrams::{BATCH, Datagram, ReceiveBatch, SendBatch};
use hop::listen::Pair;
use hop::{Ends, Hop, Mark, Side, Stamped, clock};
use hyper::{Method, StatusCode};
use journey::{Flow, Transport};
use recursion::QueryTrace;
use tokio::net::{TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::doh::Doh;
use crate::respond::{Responder, Response};

/// TCP connections served at once; the others wait in the kernel's queue.
const LIMIT: usize = 256;
static CONNECTIONS: Connections = Connections::new(LIMIT);

/// Serves until the hop is told to stop and the queries received before have their responses.
///
/// # Errors
/// The sockets are gone.
pub async fn run(sockets: Pair, doh: Option<Doh>, responder: Responder, hop: Hop) -> anyhow::Result<()> {
    let address = sockets.address().context("read the bound address")?;
    let responder = Arc::new(responder);
    let flushed = Arc::clone(&responder);
    hop.admin.route(Method::POST, "/flush", move |_| {
        flushed.flush();
        async { hop::http::text(StatusCode::OK, "flushed\n") }
    });
    let udp = serve_datagrams(Arc::clone(&responder), sockets.udp, address, &hop.shutdown, hop.drain);
    let tcp = hop::accept::run(sockets.tcp, LIMIT, &hop.shutdown, hop.drain, |stream, stop| {
        serve_stream(Arc::clone(&responder), stream, stop)
    });
    let https = async {
        match doh {
            Some(doh) => doh.serve(Arc::clone(&responder), &hop).await,
            None => tracing::info!("no TLS_CERT and TLS_KEY: DNS over HTTPS is off"),
        }
    };
    hop.ready();
    tokio::join!(udp, tcp, https);
    Ok(())
}

/// UDP: what the cache knows is answered and sent in one batch; the rest goes to tasks.
async fn serve_datagrams(
    responder: Arc<Responder>,
    socket: UdpSocket,
    address: SocketAddr,
    stop: &CancellationToken,
    drain: Duration,
) {
    let socket = Arc::new(socket);
    let tasks = TaskTracker::new();
    let (mut queries, mut responses) = (ReceiveBatch::default(), SendBatch::default());
    let mut answered = Vec::with_capacity(BATCH);
    loop {
        let received = tokio::select! {
            received = queries.receive(&socket) => received,
            () = stop.cancelled() => break,
        };
        if let Err(error) = received {
            hop::warn_throttled!(%error, "receive datagrams");
            tokio::task::yield_now().await;
            continue;
        }
        for Datagram { bytes, peer, read } in queries.iter() {
            let flow = Flow { transport: Transport::Udp, client: peer, server: address };
            match responses.add(peer, |buffer| responder.respond_from_cache(bytes, buffer)) {
                Some(response) => answered.push((response, flow, read)),
                None => {
                    let (responder, socket) = (Arc::clone(&responder), Arc::clone(&socket));
                    tasks.spawn(respond_to_datagram(responder, socket, bytes.to_vec(), flow, read));
                }
            }
        }
        let tx = clock::now();
        responses.send(&socket).await;
        for (response, flow, read) in answered.drain(..) {
            record_datagrams(&responder, None, response, flow, read, tx);
        }
        // What waits for others has its turn, also while queries come without end.
        if queries.is_full() {
            tokio::task::yield_now().await;
        }
    }
    tasks.close();
    if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), ?drain, "drain limit reached: leaving queries unanswered");
    }
}

async fn respond_to_datagram(
    responder: Arc<Responder>,
    socket: Arc<UdpSocket>,
    query: Vec<u8>,
    flow: Flow,
    read: Mark,
) {
    let trace = responder.query_trace();
    let Some(response) = responder.respond(&query, Transport::Udp, &trace).await else { return };
    let tx = clock::now();
    if let Err(error) = socket.send_to(&response.bytes, flow.client).await {
        tracing::debug!(%error, peer = %flow.client, "send a response");
    }
    record_datagrams(&responder, Some(&trace), response, flow, read, tx);
}

fn record_datagrams(
    responder: &Responder,
    trace: Option<&QueryTrace>,
    response: Response,
    flow: Flow,
    read: Mark,
    tx: u64,
) {
    let [query, sent] = dnswire::datagram_marks(response.id, read, tx);
    responder.record(trace, response, Ends::of_datagrams(flow, Side::Server), query, sent);
}

/// TCP: a connection carries many queries, and each response leaves when it is ready (RFC 7766 §6.2.1.1).
async fn serve_stream(responder: Arc<Responder>, stream: Stamped<TcpStream>, stop: CancellationToken) {
    let stamps = stream.stamps();
    let respond = |query: Vec<u8>| {
        // A message's last byte is the last that was read: nothing is read ahead.
        let read = stamps.last_read();
        let responder = Arc::clone(&responder);
        async move {
            let trace = responder.query_trace();
            let mut response = responder.respond(&query, Transport::Tcp, &trace).await?;
            let bytes = std::mem::take(&mut response.bytes);
            Some(Reply { bytes, about: (trace, response, read) })
        }
    };
    dnswire::serve(stream, &CONNECTIONS, stop.cancelled(), respond, |(trace, response, read)| {
        responder.record(Some(&trace), response, stamps.ends(), read, stamps.last_write());
    })
    .await;
}
