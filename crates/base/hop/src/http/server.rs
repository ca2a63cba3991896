//! Answering HTTP: connections in, one [`Exchange`] per request.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Body as _;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use journey::Value;
use journey::semconv::attribute;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::util::{BoxCloneSyncService, ServiceExt as _};
use tower::{ServiceBuilder, service_fn as tower_service_fn};

use super::{Body, BoxError, Exchange, Fault, HandlerResult, Problem, acceptable};
use crate::stamped::Stamps;
use crate::{Hop, Telemetry, clock};

mod activity;
mod crowd;
mod http1;
mod http2;
mod informational;
mod pace;
mod request_body;
mod response_body;
mod second;
mod wire;

use activity::Running;
use crowd::Crowd;
use informational::Informational;
pub use pace::Pace;
pub(super) use pace::Waiting;

use request_body::Source;
pub use request_body::{BodyError, RequestBody};
pub use response_body::ResponseBody;

/// What a client may cost. The table of all limits is in `docs/limits.md`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests answered at the same time, each from its body held (see [`Limits::hold`]) to its response's
    /// head; more are refused with 503.
    pub requests: usize,
    /// From the handler called to the response's head.
    pub request_time: Duration,
    /// Connections at the same time, as the accept loop allows them: when more than half are taken, one without a
    /// request is closed after a second instead of [`Limits::head_time`].
    pub connections: usize,
    /// From the connection, or the previous response, to a complete request head.
    pub head_time: Duration,
    /// Bytes of a request's head, counted as HTTP/1.1 writes it.
    pub head_bytes: usize,
    /// Fields of a request's head.
    pub headers: usize,
    /// Streams of one HTTP/2 connection at the same time.
    pub streams: u32,
    /// How slowly bodies may pass, in both directions.
    pub pace: Pace,
    /// Bytes of a request's body that are held before its handler is called: a body that comes slowly then
    /// holds nothing but these. Nothing is held of a body that is announced to be longer than
    /// [`Limits::body`], that waits for `100 Continue`, or of gRPC, where the two sides talk in turns.
    pub hold: usize,
    /// Requests at the same time whose handlers are called before their bodies are whole; more wait. One
    /// connection gets an eighth of them.
    pub streaming: usize,
    /// The longest request body that the handler wants, in bytes. The handler itself refuses longer ones.
    pub body: u64,
}

impl Default for Limits {
    /// For a hop inside: its heads are those of the edge and what the hops before it have added.
    fn default() -> Self {
        Limits {
            requests: 4096,
            connections: 4096,
            request_time: Duration::from_secs(30),
            head_time: Duration::from_secs(60),
            head_bytes: 128 << 10,
            headers: 160,
            streams: 128,
            pace: Pace::default(),
            hold: 64 << 10,
            streaming: 128,
            body: u64::MAX,
        }
    }
}

/// What is spoken on a connection. Over TLS, ALPN has decided it (RFC 7301, RFC 9113 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, and HTTP/1.0 to those who speak no more.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// What was negotiated: HTTP/2 for `h2`, else HTTP/1.1, also where the client did not negotiate.
    pub fn from_alpn(negotiated: Option<&[u8]>) -> Self {
        if negotiated == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 }
    }
}

/// A handler with its protection around it; see [`protect`].
type Handler = BoxCloneSyncService<Request<RequestBody>, Response<Body>, BoxError>;

/// Puts the overload protection around a handler: the one place where it is assembled.
///
/// From the outside in: refuse at once when full, count the requests inside, end those that take too long.
fn protect<H, R>(hop: Arc<str>, limits: Limits, handler: H) -> Handler
where
    H: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output: HandlerResult> + Send + 'static,
{
    let handler = tower_service_fn(move |request: Request<RequestBody>| {
        let (handler, hop) = (handler.clone(), Arc::clone(&hop));
        // Within the time limit, so that its end does not hide who was waited for.
        exchange(&request).scope(async move { Ok::<_, BoxError>(handler(request).await.response_of(&hop)) })
    });
    BoxCloneSyncService::new(
        ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(limits.requests)
            .timeout(limits.request_time)
            .service(handler),
    )
}

/// The HTTP side of a hop: serves connections, each request through one [`Handler`].
#[derive(Clone)]
pub struct Server {
    name: Arc<str>,
    telemetry: Telemetry,
    admin: crate::Admin,
    limits: Limits,
    streaming: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    handler: Handler,
}

impl Server {
    /// A server for `hop` that answers with `handler`.
    pub fn new<H, R>(hop: &Hop, limits: Limits, handler: H) -> Self
    where
        H: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output: HandlerResult> + Send + 'static,
    {
        Server {
            name: Arc::clone(&hop.name),
            telemetry: hop.telemetry.clone(),
            admin: hop.admin.clone(),
            limits,
            streaming: Arc::new(Semaphore::new(limits.streaming.min(Semaphore::MAX_PERMITS))),
            crowd: Crowd::new(limits),
            handler: protect(Arc::clone(&hop.name), limits, handler),
        }
    }

    /// Serves one connection until it ends; when `stop` is cancelled, running requests finish first.
    ///
    /// `io` may be the stamped socket itself or TLS on top of it.
    pub async fn serve<I>(self, io: I, protocol: Protocol, stamps: Stamps, stop: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _inside = self.crowd.enter();
        match protocol {
            Protocol::Http1 => http1::serve(self, io, stamps, stop).await,
            Protocol::Http2 => http2::serve(self, io, stamps, stop).await,
        }
    }

    async fn answer(
        &self,
        request: Request<Source>,
        stamps: Stamps,
        running: Running,
        informational: Informational,
    ) -> Response<ResponseBody> {
        let exchange = Exchange::begin(&self.telemetry, request.headers(), String::new(), stamps);
        if request.body().is_end_stream() {
            exchange.request_ended();
        }
        if exchange.sampled() {
            exchange.name(|| format!("{} {}", request.method(), request.uri().path()));
            exchange.attribute(attribute::HTTP_REQUEST_METHOD, method(request.method()));
            exchange.attribute(attribute::URL_PATH, Value::from(request.uri().path().to_owned()));
            exchange.attribute(attribute::NETWORK_PROTOCOL_VERSION, version(request.version()));
        }
        let mut watch = Watch { server: self, exchange: Some(exchange.clone()), begun: clock::monotonic() };
        self.admin.metrics().request_began();
        let without_body = request.method() == Method::HEAD;
        let http1 = request.version() <= Version::HTTP_11;
        let expects = request.headers().contains_key(header::EXPECT) && request.version() > Version::HTTP_10;
        let go_on = (expects && !http1).then(|| informational.clone());
        let mut request = request
            .map(|source| RequestBody::new(source, exchange.clone(), self.limits.pace, expects, go_on));
        request.extensions_mut().insert(exchange.clone());
        if let Some(interim) = informational.interim() {
            request.extensions_mut().insert(interim);
        }
        let mut response = match self.admit(&mut request, &running).await {
            Ok(()) if acceptable::is_about_the_server(request.uri()) => acceptable::about_the_server(),
            Ok(()) => {
                // Kept until it is known who was waited for.
                let mut call = std::pin::pin!(self.handler.clone().oneshot(request));
                match call.as_mut().await {
                    Ok(response) => response,
                    Err(error) => refusal(&error, self.limits, &exchange).at(&self.name).into_response(),
                }
            }
            Err(problem) => problem.at(&self.name).into_response(),
        };
        informational.close();
        match response.status() {
            // RFC 9110 §10.2.3, in seconds.
            StatusCode::SERVICE_UNAVAILABLE => {
                let retry = || HeaderValue::from_static("1");
                response.headers_mut().entry(header::RETRY_AFTER).or_insert_with(retry);
            }
            // RFC 9110 §15.5.9: what is left of the body would be taken for the next request.
            StatusCode::REQUEST_TIMEOUT if http1 => {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        watch.exchange = None;
        let took = clock::since(watch.begun);
        self.admin.metrics().request_ended(response.status(), took, exchange.recorded());
        exchange.attribute(attribute::HTTP_RESPONSE_STATUS_CODE, response.status().as_u16());
        exchange.server_timing(&self.name, response.headers_mut());
        let without_body = without_body
            || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || response.status().is_informational();
        // On HTTP/1.1 hyper knows that; on HTTP/2 it would send the body, and the peer reset the stream.
        if without_body && !http1 {
            response = without_content(response);
        }
        let length = if http1 { known_length(&response) } else { None };
        response.map(|inner| ResponseBody::new(inner, without_body, length, exchange, running))
    }

    /// Is this request acceptable, and has enough of it come for its handler to be called?
    async fn admit(&self, request: &mut Request<RequestBody>, running: &Running) -> Result<(), Box<Problem>> {
        let limits = &self.limits;
        let (bytes, fields) = head_size(request);
        if bytes > limits.head_bytes || fields > limits.headers {
            let detail = format!(
                "the request's head has {bytes} bytes and {fields} fields: at most {} and {} are read",
                limits.head_bytes, limits.headers
            );
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(Box::new(Problem::new(status, Fault::Client, "head-too-large", detail)));
        }
        acceptable::check(request)?;
        if limits.hold == 0 || request.body().is_whole() || request.body().size_hint().lower() > limits.body {
            return Ok(());
        }
        if !talks(request.headers()) {
            request.body_mut().hold(limits.hold).await.map_err(|error| Box::new(error.problem()))?;
        }
        if !request.body().is_whole() {
            let permits = async {
                // First the connection's share, so that who has used it up stands in nobody's way.
                let share = Arc::clone(&running.connection().streaming).acquire_owned().await.ok()?;
                Some([share, Arc::clone(&self.streaming).acquire_owned().await.ok()?])
            };
            match tokio::time::timeout(limits.request_time, permits).await {
                Ok(Some(permits)) => request.body_mut().streams_by(permits),
                _ => return Err(Box::new(overloaded(limits.streaming, "long bodies are being read"))),
            }
        }
        Ok(())
    }
}

/// Only the head of a response: its `Content-Length` stays that of the content (RFC 9110 §8.6), which is not
/// sent (§9.3.2; RFC 9113 §8.1.1).
fn without_content(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = known_length(&response).filter(|length| *length > 0) {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| super::empty())
}

/// How many bytes an HTTP/1.1 response will have, if that is known beforehand.
fn known_length(response: &Response<Body>) -> Option<u64> {
    let header = || response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.body().size_hint().exact().or_else(header)
}

/// The exchange that [`Server`] put into a request's extensions, on its way through the protection.
fn exchange<B>(request: &Request<B>) -> Exchange {
    #[allow(clippy::expect_used, reason = "the server puts it there")]
    request.extensions().get::<Exchange>().cloned().expect("requests come through hop::http::Server")
}

/// Bytes of a head as HTTP/1.1 writes it (RFC 9112 §3, §5), and its fields.
fn head_size<B>(request: &Request<B>) -> (usize, usize) {
    let target = request.uri().path_and_query().map_or(1, |target| target.as_str().len());
    let line = request.method().as_str().len() + target + " HTTP/1.1\r\n\r\n".len() + 1;
    let fields =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    (line + fields.sum::<usize>(), request.headers().len())
}

/// Do the two sides talk in turns, so that the rest of the body comes only after something was answered?
fn talks(headers: &hyper::HeaderMap) -> bool {
    let grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    headers.contains_key(header::EXPECT) || headers.get(header::CONTENT_TYPE).is_some_and(grpc)
}

fn overloaded(limit: usize, what: &str) -> Problem {
    let detail = format!("{limit} {what} already: try again later");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Ours, "overloaded", detail)
}

/// What tower's protection says, as a problem, and who is to blame for it.
fn refusal(error: &BoxError, limits: Limits, exchange: &Exchange) -> Problem {
    let problem = |status, fault, kind, detail| Problem::new(status, fault, kind, detail);
    let time = limits.request_time;
    if error.is::<tower::load_shed::error::Overloaded>() {
        overloaded(limits.requests, "requests are being answered")
    } else if error.is::<tower::timeout::error::Elapsed>() {
        match exchange.awaited() {
            Some(Fault::Client) => {
                let detail = format!("the request's body did not come within {time:?}");
                problem(StatusCode::REQUEST_TIMEOUT, Fault::Client, "body-slow", detail)
            }
            Some(Fault::Upstream) => {
                let detail = format!("the programs that this one asks gave no answer within {time:?}");
                problem(StatusCode::GATEWAY_TIMEOUT, Fault::Upstream, "upstream-timeout", detail)
            }
            _ => {
                let detail = format!("no answer within {time:?}");
                problem(StatusCode::GATEWAY_TIMEOUT, Fault::Ours, "timeout", detail)
            }
        }
    } else {
        problem(StatusCode::INTERNAL_SERVER_ERROR, Fault::Ours, "internal-error", error.to_string())
    }
}

fn method(method: &Method) -> Value {
    match *method {
        Method::GET => Value::from("GET"),
        Method::POST => Value::from("POST"),
        Method::PUT => Value::from("PUT"),
        Method::DELETE => Value::from("DELETE"),
        _ => Value::from(method.to_string()),
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// Notices a client that goes away before its response: hyper then drops the future.
struct Watch<'a> {
    server: &'a Server,
    exchange: Option<Exchange>,
    begun: std::time::Instant,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            // 499 is nginx's code for this; no client sees it.
            let status = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
            let took = clock::since(self.begun);
            self.server.admin.metrics().request_ended(status, took, exchange.recorded());
            exchange.cut_off("cancelled");
        }
    }
}
