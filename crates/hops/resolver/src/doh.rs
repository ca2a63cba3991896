//! DNS over HTTPS (RFC 8484): the same messages as over UDP, as the body of an HTTP exchange, so that
//! nobody on the way can read or change them, or even tell them from a web page.
//!
//! `curl --doh-url https://127.0.53.53:5443/dns-query --cacert ca.pem https://…` uses it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hop::http::server::{BodyError, Limits, Protocol, RequestBody, Server};
use hop::http::{Body, Exchange, Fault, Problem, content_type, full};
use hop::{Hop, Telemetry, trace};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use journey::{Kind, Transport};
use recursion::QueryTrace;
use rustls::ServerConfig;
use rustls::sign::SingleCertAndKey;
use tlscrypto::pem;
use tokio::net::TcpListener;

use crate::config::Settings;
use crate::respond::{Responder, WAITING};

/// The media type of a DNS message (RFC 8484 §6).
const DNS_MESSAGE: &str = "application/dns-message";
/// The one path; it has no fixed value, but this is what everybody uses.
const PATH: &str = "/dns-query";
/// The methods of RFC 8484 §4.1, and HEAD, which goes with GET (RFC 9110 §9.1).
const METHODS: &str = "GET, HEAD, POST";
/// The most bytes of a DNS message, on any transport that has a length for it (RFC 1035 §4.2.2).
const LARGEST: usize = u16::MAX as usize;
/// TLS connections at once; the others wait in the kernel's queue.
const CONNECTIONS: usize = 256;
/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The endpoint, bound, with its certificate loaded.
pub struct Doh {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
}

impl Doh {
    /// Binds the endpoint if there is a certificate for it.
    ///
    /// # Errors
    /// The files cannot be read or do not fit each other, or the address is taken.
    pub fn bind(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(None) };
        let certificate = SingleCertAndKey::from(pem::certified_key(certificate, key)?);
        let tls = Arc::new(tlscrypto::server_config(Arc::new(certificate))?);
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
    pub async fn serve(self, responder: Arc<Responder>, hop: &Hop) {
        // Those that wait for name servers leave room for those that the cache answers.
        let limits = Limits {
            requests: 2 * WAITING,
            connections: CONNECTIONS,
            request_time: Duration::from_secs(10),
            ..Limits::default()
        };
        let telemetry = hop.telemetry.clone();
        let http = Server::new(hop, limits, move |request| {
            let (responder, telemetry) = (Arc::clone(&responder), telemetry.clone());
            async move { respond(&responder, telemetry, request).await }
        })
        .over_tls();
        hop::accept::run(self.listener, CONNECTIONS, &hop.shutdown, hop.drain, |stream, stop| {
            let (tls, http, stamps) = (Arc::clone(&self.tls), http.clone(), stream.stamps());
            async move {
                // A handshake before DNS is no part of any journey.
                let unrecorded = Telemetry::off();
                let handshake = tlscrypto::accept(tls, stream, &unrecorded);
                match tokio::time::timeout(HANDSHAKE, handshake).await {
                    Ok(Ok(stream)) => {
                        let protocol = Protocol::from_alpn(stream.get_ref().1.alpn_protocol());
                        http.serve(stream, protocol, stamps, stop).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
                    Err(_) => tracing::debug!(limit = ?HANDSHAKE, "TLS handshake takes too long"),
                }
            }
        })
        .await;
    }
}

/// One HTTP exchange: a query out of the request, its response into the other.
async fn respond(
    responder: &Responder,
    telemetry: Telemetry,
    request: Request<RequestBody>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::current();
    let query = query(request).await?;
    // The queries to name servers belong to the span of this exchange, and so to the caller's trace
    // if it sent a `traceparent`.
    let recorder = if exchange.sampled() { telemetry.sender() } else { Telemetry::off().sender() };
    let child = exchange.child(trace::new_span_id(), Kind::Internal, "", (0, 0));
    let trace = QueryTrace::new(recorder, child.trace_id, child.parent.unwrap_or_default());
    let response = responder.respond(&query, Transport::Tcp, &trace).await;
    let response = response.ok_or_else(|| bad("the body is not a DNS query"))?;
    for (key, value) in response.attributes() {
        exchange.attribute(key, value);
    }
    // HTTP caches may keep the response exactly as long as DNS caches (RFC 8484 §5.1).
    let age = HeaderValue::from_str(&format!("max-age={}", response.resolved.ttl.unwrap_or(0)));
    let mut http = Response::new(full(response.bytes));
    http.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(DNS_MESSAGE));
    http.headers_mut().extend(age.ok().map(|age| (header::CACHE_CONTROL, age)));
    Ok(http)
}

/// The DNS message in a request: the body of a POST, or the parameter `dns` of a GET, which HTTP
/// caches like better (RFC 8484 §4.1).
async fn query(request: Request<RequestBody>) -> Result<Vec<u8>, Problem> {
    if request.uri().path() != PATH {
        let detail = format!("{} is not here; queries go to {PATH}", request.uri().path());
        return Err(Problem::new(StatusCode::NOT_FOUND, Fault::Client, "not-found", detail));
    }
    match *request.method() {
        // HEAD is GET without the content (RFC 9110 §9.3.2), which the server leaves out.
        Method::GET | Method::HEAD => {
            let pairs = request.uri().query().unwrap_or_default().split('&');
            let dns = pairs.filter_map(|pair| pair.strip_prefix("dns=")).next();
            let dns = dns.ok_or_else(|| bad("the parameter `dns` is missing (RFC 8484 §4.1)"))?;
            // Padding is forbidden (§6), but harmless.
            let message = URL_SAFE_NO_PAD
                .decode(dns.trim_end_matches('='))
                .map_err(|error| bad(format!("decode `dns`: {error}")))?;
            if message.len() > LARGEST { Err(too_large()) } else { Ok(message) }
        }
        Method::POST => {
            let is_dns = content_type::require(request.headers(), DNS_MESSAGE);
            // Read first, refuse then: some clients miss a response that comes before they are done.
            let body = request.into_body().read(LARGEST as u64).await;
            is_dns?;
            match body {
                Ok(body) => Ok(body.into()),
                Err(BodyError::TooLarge { .. }) => Err(too_large()),
                Err(error) => Err(bad(format!("read the body: {error}"))),
            }
        }
        _ => {
            let detail = format!("DNS over HTTPS knows {METHODS}");
            let status = StatusCode::METHOD_NOT_ALLOWED;
            Err(Problem::new(status, Fault::Client, "method-not-allowed", detail).allow(METHODS))
        }
    }
}

fn too_large() -> Problem {
    let detail = format!("a DNS message has at most {LARGEST} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, Fault::Client, "content-too-large", detail)
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, Fault::Client, "bad-dns-message", detail)
}
