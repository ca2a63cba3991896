//! The sockets: read, answer, write, and note when.
//!
//! A query is answered where it is read, without a task of its own: the answer is in memory, so it
//! takes microseconds, and there is nothing to wait for.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use dnswire::{Connections, Details, Exchange, Reply};
use hop::datagrams::{BATCH, Datagram, ReceiveBatch, SendBatch};
use hop::listen::Pair;
use hop::telemetry::Recorder;
use hop::{Ends, Hop, Mark, Side, Stamped, clock};
use journey::{Flow, Transport};
use parking_lot::RwLock;
use tokio::net::{TcpStream, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::respond::{Response, describe, respond, write_response};
use crate::zone::{Zones, shown};

/// TCP connections served at once; the others wait in the kernel's queue.
const CONNECTIONS: usize = 256;

/// What every query needs: the zones of the moment, and where spans go.
struct Server {
    zones: RwLock<Arc<Zones>>,
    connections: Connections,
    recorder: Recorder<Exchange>,
}

/// Serves until the hop is told to stop.
///
/// # Errors
/// The signal handler for reloads cannot be installed.
pub async fn run(sockets: Pair, zones: Zones, settings: Settings, hop: Hop) -> anyhow::Result<()> {
    let hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
    let address = sockets.address().context("read the bound address")?;
    for zone in zones.iter() {
        tracing::info!(zone = %shown(zone.origin()), records = zone.record_count(), "serving");
    }
    let server = Arc::new(Server {
        zones: RwLock::new(Arc::new(zones)),
        connections: Connections::new(CONNECTIONS),
        recorder: hop.telemetry.recorder(),
    });
    let tcp = hop::accept::run(sockets.tcp, CONNECTIONS, &hop.shutdown, hop.drain, |stream, stop| {
        serve_stream(Arc::clone(&server), stream, stop)
    });
    hop.ready();
    tokio::select! {
        ((), ()) = async { tokio::join!(serve_datagrams(&server, sockets.udp, address, &hop.shutdown), tcp) } => {}
        () = reload_on(hangup, &server, &settings) => {}
    }
    Ok(())
}

/// On SIGHUP reads the zone files again. The new zones replace the old in one step between two
/// queries; if a file is broken, the old ones stay.
async fn reload_on(mut hangup: tokio::signal::unix::Signal, server: &Server, settings: &Settings) {
    while hangup.recv().await.is_some() {
        match settings.load_zones() {
            Ok(zones) => {
                let records: usize = zones.iter().map(crate::zone::Zone::record_count).sum();
                server.replace(zones);
                tracing::info!(records, "zones reloaded");
            }
            Err(error) => tracing::error!("reload the zones: {error:#}; the old ones stay in service"),
        }
    }
    std::future::pending().await
}

impl Server {
    fn zones(&self) -> Arc<Zones> {
        Arc::clone(&self.zones.read())
    }

    fn replace(&self, zones: Zones) {
        *self.zones.write() = Arc::new(zones);
    }

    /// Records the question, how it went, and when the two messages passed the socket.
    fn record(&self, response: Response, ends: Ends, query: Mark, sent: Mark) {
        let Response { question, id, code, .. } = response;
        let (code, response) = (Some(code), Ok(sent));
        let context = None;
        self.recorder.record(Exchange {
            ends,
            context,
            question,
            id,
            code,
            query,
            response,
            details: Details::None,
        });
    }
}

/// UDP: what has come is answered and sent in one batch.
async fn serve_datagrams(server: &Server, socket: UdpSocket, address: SocketAddr, stop: &CancellationToken) {
    let (mut queries, mut responses) = (ReceiveBatch::default(), SendBatch::default());
    let mut answered = Vec::with_capacity(BATCH);
    loop {
        let received = tokio::select! {
            biased; // first what has already arrived: nothing that was accepted is dropped
            received = queries.receive(&socket) => received,
            () = stop.cancelled() => return,
        };
        if let Err(error) = received {
            hop::warn_throttled!(%error, "receive datagrams");
            tokio::task::yield_now().await;
            continue;
        }
        let zones = server.zones();
        for Datagram { bytes, peer, read } in queries.iter() {
            let response = responses.add(peer, |buffer| {
                let code = write_response(&zones, bytes, Transport::Udp, buffer)?;
                Some(server.recorder.enabled().then(|| describe(buffer, code)))
            });
            answered.extend(response.flatten().map(|response| (response, peer, read)));
        }
        let tx = clock::now();
        responses.send(&socket).await;
        for (response, peer, read) in answered.drain(..) {
            let flow = Flow { transport: Transport::Udp, client: peer, server: address };
            let ends = Ends::of_datagrams(flow, Side::Server);
            let [read, sent] = dnswire::datagram_marks(response.id, read, tx);
            server.record(response, ends, read, sent);
        }
        // Whoever sends without end must not keep the other tasks waiting.
        if queries.is_full() {
            tokio::task::yield_now().await;
        }
    }
}

/// TCP: a connection may carry many queries, and several at once (RFC 7766 §6.2.1).
async fn serve_stream(server: Arc<Server>, stream: Stamped<TcpStream>, stop: CancellationToken) {
    let stamps = stream.stamps();
    let respond = |query: Vec<u8>| {
        let read = stamps.last_read();
        let response = respond(&server.zones(), &query, Transport::Tcp);
        async move { response.map(|response| Reply { bytes: response.bytes.clone(), about: (response, read) }) }
    };
    let sent = |(response, read): (Response, Mark)| {
        server.record(response, stamps.ends(), read, stamps.last_write());
    };
    dnswire::serve(stream, &server.connections, stop.cancelled(), respond, sent).await;
}
