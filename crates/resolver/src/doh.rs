//! DNS over HTTPS (RFC 8484): the same messages as over UDP, as the body of an HTTP exchange, so that
//! nobody on the way can read or change them, or even tell them from a web page.
//!
//! `curl --doh-url https://127.0.53.53:5443/dns-query --cacert ca.pem https://…` uses it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hop::http::server::{self, Limits, RequestBody, Server};
use hop::http::{Body, Fault, Problem, full};
use hop::{Hop, Telemetry, trace};
use http_body_util::{BodyExt as _, Limited};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use journey::{Kind, Transport};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::config::Settings;
use crate::respond::Resolver;
use crate::trip::Trip;

/// The media type of a DNS message (RFC 8484 §6).
const DNS_MESSAGE: &str = "application/dns-message";
/// The one path; it has no fixed value, but this is what everybody uses.
const PATH: &str = "/dns-query";
/// TLS connections at once; the others wait in the kernel's queue.
const CONNECTIONS: usize = 256;
/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The endpoint, bound, with its certificate loaded.
pub struct Doh {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl Doh {
    /// Binds the endpoint if there is a certificate for it.
    ///
    /// # Errors
    /// The files cannot be read or do not fit each other, or the address is taken.
    pub fn bind(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(None) };
        let tls = TlsAcceptor::from(Arc::new(tls(certificate, key)?));
        let listener = hop::listen::tcp(settings.doh_listen)?;
        Ok(Some(Doh { listener, tls }))
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the hop is told to stop.
    pub async fn serve(self, resolver: Arc<Resolver>, hop: &Hop) {
        let limits = Limits { requests: 512, request_time: Duration::from_secs(10), ..Limits::default() };
        let telemetry = hop.telemetry.clone();
        let name = Arc::clone(&hop.name);
        let http = Server::new(hop, limits, move |request| {
            let (resolver, telemetry, name) = (Arc::clone(&resolver), telemetry.clone(), Arc::clone(&name));
            async move {
                let answered = answer(&resolver, telemetry, request).await;
                answered.unwrap_or_else(|problem| problem.at(&name).into_response())
            }
        });
        hop::accept::run(self.listener, CONNECTIONS, &hop.shutdown, hop.drain, |stream, stop| {
            let (tls, http, stamps) = (self.tls.clone(), http.clone(), stream.stamps());
            async move {
                match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => http.serve(stream, stamps, stop).await,
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
                    Err(_) => tracing::debug!(limit = ?HANDSHAKE, "TLS handshake takes too long"),
                }
            }
        })
        .await;
    }
}

/// TLS as a DoH server has to offer it: both HTTP versions by ALPN, TLS 1.3 and 1.2.
fn tls(certificate: &Path, key: &Path) -> anyhow::Result<ServerConfig> {
    let read = |path: &Path| format!("read {}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| read(certificate))?;
    anyhow::ensure!(!chain.is_empty(), "{} holds no certificate", certificate.display());
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| read(key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("use TLS_CERT with TLS_KEY")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// One HTTP exchange: the question out of the request, the answer into the response.
async fn answer(
    resolver: &Resolver,
    telemetry: Telemetry,
    request: Request<RequestBody>,
) -> Result<Response<Body>, Problem> {
    let exchange = server::exchange(&request);
    let query = question(request).await?;
    // The questions asked on the way belong to the span of this exchange, and so to the caller's trace
    // if it sent a `traceparent`.
    let telemetry = if exchange.sampled() { telemetry } else { Telemetry::off() };
    let child = exchange.child(trace::new_span_id(), Kind::Internal, "", (0, 0));
    let trip = Trip::new(telemetry, child.trace_id, child.parent.unwrap_or_default());
    let response = resolver.respond(&query, Transport::Tcp, &trip).await;
    let response = response.ok_or_else(|| bad("the body is not a DNS query"))?;
    for (key, value) in response.facts().1 {
        exchange.attribute(key, value);
    }
    // HTTP caches may keep the answer exactly as long as DNS caches (RFC 8484 §5.1).
    let age = HeaderValue::from_str(&format!("max-age={}", response.ttl.unwrap_or(0)));
    let mut http = Response::new(full(response.bytes));
    http.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(DNS_MESSAGE));
    http.headers_mut().extend(age.ok().map(|age| (header::CACHE_CONTROL, age)));
    Ok(http)
}

/// The DNS message in a request: the body of a POST, or the parameter `dns` of a GET, which HTTP
/// caches like better (RFC 8484 §4.1).
async fn question(request: Request<RequestBody>) -> Result<Vec<u8>, Problem> {
    if request.uri().path() != PATH {
        let detail = format!("{} is not here; questions go to {PATH}", request.uri().path());
        return Err(Problem::new(StatusCode::NOT_FOUND, Fault::Client, "not-found", detail));
    }
    match *request.method() {
        Method::GET => {
            let pairs = request.uri().query().unwrap_or_default().split('&');
            let dns = pairs.filter_map(|pair| pair.strip_prefix("dns=")).next();
            let dns = dns.ok_or_else(|| bad("the parameter `dns` is missing (RFC 8484 §4.1)"))?;
            // Padding is forbidden (§6), but harmless.
            URL_SAFE_NO_PAD
                .decode(dns.trim_end_matches('='))
                .map_err(|error| bad(format!("decode `dns`: {error}")))
        }
        Method::POST => {
            let is_dns = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == DNS_MESSAGE);
            // Read first, refuse then: some clients miss a response that comes before they are done.
            let body = Limited::new(request.into_body(), usize::from(u16::MAX)).collect().await;
            if !is_dns {
                let detail = format!("the body must be {DNS_MESSAGE}");
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                return Err(Problem::new(status, Fault::Client, "unsupported-media-type", detail));
            }
            Ok(body.map_err(|error| bad(format!("read the body: {error}")))?.to_bytes().into())
        }
        _ => {
            let detail = "DNS over HTTPS knows GET and POST";
            Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, Fault::Client, "method-not-allowed", detail))
        }
    }
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, Fault::Client, "bad-dns-message", detail)
}
