//! A balancer, an upstream and a client, each on a port of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use clap::Parser as _;
use hop::http::server::{Limits, Protocol, RequestBody, Server};
use hop::http::{Body, full};
use hop::{CancellationToken, Hop, Stamped, Stamps, Telemetry};
use http_body_util::BodyExt as _;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use journey::{Kind, Span};
use lb::config::Settings;
use lb::tls::Certificates;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);
pub(crate) const NAME: &str = "api.myshop.com";

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = hop::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address at which nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    listener().await.1
}

/// A program behind the balancer.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    pub(crate) telemetry: Telemetry,
    stop: CancellationToken,
    task: JoinHandle<()>,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Stub {
    /// Answers with what it saw, as JSON.
    pub(crate) async fn echo() -> Self {
        Self::answering(|seen| async move { Response::new(full(seen.to_string())) }).await
    }

    /// Answers health checks with 200, and everything else with what `answer` makes of what was seen.
    pub(crate) async fn answering<F, R>(answer: F) -> Self
    where
        F: Fn(Value) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        let (listener, address) = listener().await;
        Self::on(listener, address, answer)
    }

    pub(crate) fn on<F, R>(listener: TcpListener, address: SocketAddr, answer: F) -> Self
    where
        F: Fn(Value) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        let (stop, telemetry) = (CancellationToken::new(), Telemetry::memory("stub"));
        let hop = Hop::for_tests("stub", telemetry.clone(), stop.clone());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let server = Server::new(&hop, Limits::default(), move |request: Request<RequestBody>| {
            let (answer, log) = (answer.clone(), Arc::clone(&log));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let headers: Vec<_> = head
                    .headers
                    .iter()
                    .map(|(name, value)| json!([name.as_str(), value.to_str().unwrap_or("?")]))
                    .collect();
                let seen = json!({
                    "method": head.method.as_str(),
                    "target": head.uri.to_string(),
                    "headers": headers,
                    "body": String::from_utf8_lossy(&body),
                });
                log.lock().unwrap().push(seen.clone());
                if head.uri.path() == "/healthz" { Response::new(full("ok")) } else { answer(seen).await }
            }
        });
        let task = tokio::spawn(async move {
            hop::accept::run(listener, 100, &hop.shutdown, hop.drain, |stream, stop| {
                let stamps = stream.stamps();
                server.clone().serve(stream, Protocol::Http1, stamps, stop)
            })
            .await;
        });
        Stub { address, telemetry, stop, task, seen }
    }

    /// What came, health checks aside.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.seen.lock().unwrap().iter().filter(|seen| seen["target"] != "/healthz").cloned().collect()
    }

    pub(crate) fn health_checks(&self) -> Vec<Value> {
        self.seen.lock().unwrap().iter().filter(|seen| seen["target"] == "/healthz").cloned().collect()
    }

    pub(crate) async fn kill(self) -> SocketAddr {
        self.stop.cancel();
        self.task.await.unwrap();
        self.address
    }
}

/// The values of a header in what a [`Stub`] saw.
pub(crate) fn header<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = seen["headers"].as_array().unwrap();
    headers.iter().filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
}

pub(crate) struct Lb {
    pub(crate) address: SocketAddr,
    pub(crate) telemetry: Telemetry,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<anyhow::Result<()>>,
    pub(crate) folder: tempfile::TempDir,
    spans: Mutex<Vec<Span>>,
}

pub(crate) fn write_certificate(folder: &tempfile::TempDir) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

impl Lb {
    pub(crate) async fn start(upstreams: &[SocketAddr], flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = write_certificate(&folder);
        let upstreams: Vec<_> = upstreams.iter().map(ToString::to_string).collect();
        let upstreams = upstreams.join(",");
        let files = [certificate.to_str().unwrap(), key.to_str().unwrap()];
        let needed = ["lb", "--upstreams", &upstreams, "--tls-cert", files[0], "--tls-key", files[1]];
        let quick = ["--health-interval-ms", "50"];
        let mut all = [&needed[..], flags].concat();
        if !flags.contains(&quick[0]) {
            all.extend(quick);
        }
        let settings = Settings::try_parse_from(all).unwrap();
        let (listener, address) = listener().await;
        let (telemetry, stop) = (Telemetry::memory("lb"), CancellationToken::new());
        let hop = Hop::for_tests("lb", telemetry.clone(), stop.clone());
        let certificates = Certificates::load(&settings.tls_cert, &settings.tls_key).unwrap();
        let admin = hop.admin.clone();
        let task = tokio::spawn(lb::server::run(listener, certificates, settings, hop));
        let ready = async || admin.is_ready().then_some(());
        hop::wait::until("the balancer to be ready", LIMIT, ready).await.unwrap();
        Lb { address, telemetry, stop, task, folder, spans: Mutex::default() }
    }

    /// A client's settings that trust this balancer, with a session store of its own.
    pub(crate) fn client(&self, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Tls {
        self.client_with(tlscrypto::provider(), versions, alpn)
    }

    /// The same, with other cryptography.
    pub(crate) fn client_with(
        &self,
        provider: rustls::crypto::CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> Tls {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.folder.path().join("cert.pem")).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Tls { to: self.address, config: Arc::new(config) }
    }

    /// Sends bytes over TLS and returns everything that comes back until the connection is closed.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let (mut stream, _) = self.client(rustls::ALL_VERSIONS, &["http/1.1"]).connect().await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
        let _ = read.expect("the connection is closed");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A raw GET with more header lines, and the status and body of its answer.
    pub(crate) async fn get(&self, path: &str, lines: &str) -> (StatusCode, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n{lines}\r\n");
        let answer = self.raw(&request).await;
        (status(&answer), body(&answer).to_owned())
    }

    /// Waits for spans of a kind and name.
    pub(crate) async fn spans(&self, kind: Kind, name: &str, count: usize) -> Vec<Span> {
        let look = async || {
            let mut spans = self.spans.lock().unwrap();
            spans.extend(self.telemetry.take());
            let found: Vec<_> =
                spans.iter().filter(|span| span.kind == kind && span.name == name).cloned().collect();
            (found.len() >= count).then_some(found)
        };
        hop::wait::until(format!("{count} {kind:?} span(s) {name:?}"), LIMIT, look).await.unwrap()
    }
}

pub(crate) fn status(answer: &str) -> StatusCode {
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("not an HTTP answer: {answer:?}"))
}

pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The problem in an answer's body: status, type, fault.
pub(crate) fn problem(body: &str) -> (u64, String, String) {
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no problem: {body:?}"));
    assert_eq!(problem["hop"], "lb");
    let kind = problem["type"].as_str().unwrap().rsplit(':').next().unwrap();
    (problem["status"].as_u64().unwrap(), kind.to_owned(), problem["fault"].as_str().unwrap().to_owned())
}

/// One TLS client: its sessions are its own.
#[derive(Clone)]
pub(crate) struct Tls {
    to: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Tls {
    pub(crate) async fn connect(&self) -> std::io::Result<(TlsStream<Stamped>, Stamps)> {
        let stream = Stamped::connect(self.to).await?;
        let stamps = stream.stamps();
        Ok((self.over(stream).await?, stamps))
    }

    pub(crate) async fn over(&self, stream: Stamped) -> std::io::Result<TlsStream<Stamped>> {
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }

    pub(crate) async fn h2(&self) -> hyper::client::conn::http2::SendRequest<Body> {
        let (stream, _) = self.connect().await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, driver) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(driver);
        sender
    }

    pub(crate) async fn h1(&self) -> hyper::client::conn::http1::SendRequest<Body> {
        let (stream, _) = self.connect().await.unwrap();
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        sender
    }
}

pub(crate) async fn read<B>(response: Response<B>) -> Bytes
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    response.into_body().collect().await.unwrap().to_bytes()
}
