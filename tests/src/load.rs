//! A load generator: users whom the lab knows nothing of, over HTTP/2.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use hop::clock;
use hyper::{Request, StatusCode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_rustls::TlsConnector;

/// The chapter's request.
const BODY: &[u8] = br#"{"productId":"PROD-123","quantity":1}"#;

/// Who asks whom for what.
#[derive(Clone)]
pub struct Load {
    edge: SocketAddr,
    name: ServerName<'static>,
    tls: TlsConnector,
    request: Request<()>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers {
    /// So many requests were answered 201.
    pub created: u64,
    /// So many were not.
    pub failed: u64,
    /// How long that took.
    pub seconds: f64,
}

impl Load {
    /// The chapter's request at `edge`, whose certificate `authority` vouches for.
    ///
    /// # Errors
    /// The authority's certificate cannot be read.
    pub fn new(edge: SocketAddr, host: &str, authority: &Path, token: &str) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).context("read the authority")?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let request = Request::post(format!("https://{host}/cart/items"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(())?;
        let name = host.to_owned().try_into().context("a name that a certificate may have")?;
        Ok(Load { edge, name, tls: Arc::new(tls).into(), request })
    }

    /// Sends requests for so long on so many streams of so many connections: each the next one when it has its answer,
    /// or, with a rate, at even times, if the answers come in time.
    ///
    /// # Errors
    /// No connection can be made.
    pub async fn run(
        &self,
        (connections, streams): (u32, u32),
        rate: Option<f64>,
        time: Duration,
    ) -> anyhow::Result<Answers> {
        let mut drivers = JoinSet::new();
        let mut senders = Vec::new();
        for _ in 0..connections {
            senders.push(self.connect(&mut drivers).await?);
        }
        let begun = clock::monotonic();
        let mut users = JoinSet::new();
        for stream in 0..streams {
            for (connection, sender) in (0..).zip(&senders) {
                let turn = f64::from(stream * connections + connection) / f64::from(streams * connections);
                let paced = rate.map(|rate| paced(begun, turn, f64::from(streams * connections) / rate));
                users.spawn(send_until(self.request.clone(), sender.clone(), paced, begun + time));
            }
        }
        let mut answers = Answers::default();
        while let Some(user) = users.join_next().await {
            let (created, failed) = user.context("a user panicked")?;
            answers.created += created;
            answers.failed += failed;
        }
        answers.seconds = clock::since(begun).as_secs_f64();
        ensure!(answers.created > 0, "not one request was answered 201");
        Ok(answers)
    }

    async fn connect(&self, drivers: &mut JoinSet<()>) -> anyhow::Result<SendRequest<Bytes>> {
        let stream = TcpStream::connect(self.edge).await.context("connect to the edge")?;
        stream.set_nodelay(true)?;
        let stream =
            self.tls.connect(self.name.clone(), stream).await.context("shake hands with the edge")?;
        let (sender, connection) = h2::client::handshake(stream).await?;
        drivers.spawn(async move {
            let _ended = connection.await;
        });
        Ok(sender)
    }
}

/// One of many who take turns within `period` seconds, at this part of it.
fn paced(begun: Instant, turn: f64, period: f64) -> Interval {
    let first = begun + Duration::from_secs_f64(period * turn);
    let mut interval = tokio::time::interval_at(first.into(), Duration::from_secs_f64(period));
    interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
    interval
}

/// How many requests were answered 201, and how many were not.
async fn send_until(
    request: Request<()>,
    sender: SendRequest<Bytes>,
    mut paced: Option<Interval>,
    until: Instant,
) -> (u64, u64) {
    let (mut created, mut failed) = (0, 0);
    loop {
        if let Some(interval) = &mut paced {
            interval.tick().await;
        }
        if clock::monotonic() >= until {
            return (created, failed);
        }
        match answer(request.clone(), sender.clone()).await {
            Ok(StatusCode::CREATED) => created += 1,
            Ok(_) => failed += 1,
            // The connection is gone.
            Err(_) => return (created, failed + 1),
        }
    }
}

async fn answer(request: Request<()>, sender: SendRequest<Bytes>) -> Result<StatusCode, h2::Error> {
    let (response, mut body) = sender.ready().await?.send_request(request, false)?;
    body.send_data(Bytes::from_static(BODY), true)?;
    let (head, mut body) = response.await?.into_parts();
    while let Some(bytes) = body.data().await {
        body.flow_control().release_capacity(bytes?.len())?;
    }
    Ok(head.status)
}
