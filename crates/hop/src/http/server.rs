//! Answering HTTP: connections in, one [`Exchange`] per request.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use journey::Value;
use journey::semconv::attribute;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::util::{BoxCloneSyncService, ServiceExt as _};
use tower::{ServiceBuilder, service_fn as tower_service_fn};

use super::{Body, BoxError, Exchange, Fault, Problem};
use crate::stamped::Stamps;
use crate::{Hop, Telemetry, clock};

mod body;
mod patience;

pub use body::{RequestBody, ResponseBody};
use patience::{Busy, Patience, Verdict};

/// What a client may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests answered at the same time; more are refused with 503.
    pub requests: usize,
    /// From the request's head to the response's head.
    pub request_time: Duration,
    /// From the connection, or the previous response, to a complete request head.
    pub head_time: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Streams of one HTTP/2 connection at the same time.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            requests: 4096,
            request_time: Duration::from_secs(30),
            head_time: Duration::from_secs(60),
            head_bytes: 64 << 10,
            streams: 128,
        }
    }
}

/// A handler with its protection around it; see [`protect`].
pub type Handler = BoxCloneSyncService<Request<RequestBody>, Response<Body>, BoxError>;

/// Puts the overload protection around a handler: the one place where it is assembled.
///
/// From the outside in: refuse at once when full, count the requests inside, end those that take too long.
pub fn protect<H, R>(limits: Limits, handler: H) -> Handler
where
    H: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let handler = tower_service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, BoxError>(answer.await) }
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
    handler: Handler,
}

impl Server {
    /// A server for `hop` that answers with `handler`.
    pub fn new<H, R>(hop: &Hop, limits: Limits, handler: H) -> Self
    where
        H: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        Server {
            name: Arc::clone(&hop.name),
            telemetry: hop.telemetry.clone(),
            admin: hop.admin.clone(),
            limits,
            handler: protect(limits, handler),
        }
    }

    /// Serves one connection until it ends; when `stop` is cancelled, running requests finish first.
    ///
    /// `io` may be the stamped socket itself or TLS on top of it; HTTP/1.1 and HTTP/2 are told apart by
    /// their first bytes.
    pub async fn serve<I>(self, io: I, stamps: Stamps, stop: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = self.limits;
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_time)
            // hyper reads no less than 8 KiB at a time.
            .max_buf_size(limits.head_bytes.max(8 << 10))
            .max_headers(100);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            // Held back per stream for a client that does not read; hyper's own figure is 400 KiB.
            .max_send_buf_size(64 << 10)
            .keep_alive_interval(Some(Duration::from_secs(20)));
        let peer = stamps.flow().client;
        let busy = Busy::default();
        let mut patience = Patience::new(limits, stamps.clone(), busy.clone());
        let server = Arc::new(self);
        let service = service_fn(move |request| {
            let (server, stamps, busy) = (Arc::clone(&server), stamps.clone(), busy.request());
            async move { Ok::<_, Infallible>(server.answer(request, stamps, busy).await) }
        });
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
        let mut stopped = std::pin::pin!(stop.cancelled());
        let mut ending = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, %peer, "connection");
                    }
                    return;
                }
                () = stopped.as_mut(), if !ending => {
                    connection.as_mut().graceful_shutdown();
                    ending = true;
                }
                verdict = patience.next() => match verdict {
                    Verdict::Stays => {}
                    Verdict::Idle if !ending => {
                        connection.as_mut().graceful_shutdown();
                        ending = true;
                    }
                    Verdict::Idle | Verdict::Stalled => {
                        tracing::debug!(%peer, "connection cut: nothing moved for too long");
                        return;
                    }
                },
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>, stamps: Stamps, busy: Busy) -> Response<ResponseBody> {
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
        let mut response = if request.headers().get_all(header::HOST).iter().nth(1).is_some() {
            // RFC 9112 §3.2; two programs might choose differently.
            let detail = "the request names more than one Host";
            let problem = Problem::new(StatusCode::BAD_REQUEST, Fault::Client, "bad-request", detail);
            problem.field("Host").at(&self.name).into_response()
        } else {
            let mut request = request.map(|inner| RequestBody::new(inner, exchange.clone()));
            request.extensions_mut().insert(exchange.clone());
            match self.handler.clone().oneshot(request).await {
                Ok(response) => response,
                Err(error) => overload(&error, self.limits, &self.name),
            }
        };
        watch.exchange = None;
        let took = clock::since(watch.begun);
        self.admin.metrics().request_ended(response.status(), took, exchange.recorded());
        exchange.attribute(attribute::HTTP_RESPONSE_STATUS_CODE, response.status().as_u16());
        exchange.server_timing(&self.name, response.headers_mut());
        let without_body = without_body
            || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || response.status().is_informational();
        let length = if http1 { known_length(&response) } else { None };
        response.map(|inner| ResponseBody::new(inner, without_body, length, exchange, busy))
    }
}

/// How many bytes an HTTP/1.1 response will have, if that is known beforehand.
fn known_length(response: &Response<Body>) -> Option<u64> {
    let header = || response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.body().size_hint().exact().or_else(header)
}

/// The exchange of a request, as every handler finds it.
///
/// # Panics
/// Never for requests that came through a [`Server`].
pub fn exchange<B>(request: &Request<B>) -> Exchange {
    #[allow(clippy::expect_used, reason = "the server puts it there")]
    request.extensions().get::<Exchange>().cloned().expect("requests come through hop::http::Server")
}

/// What tower's protection says, as a problem.
fn overload(error: &BoxError, limits: Limits, hop: &str) -> Response<Body> {
    if error.is::<tower::load_shed::error::Overloaded>() {
        let detail = format!("{} requests are already being answered: try again later", limits.requests);
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Ours, "overloaded", detail);
        let mut response = problem.at(hop).into_response();
        // RFC 9110 §10.2.3, in seconds.
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    } else if error.is::<tower::timeout::error::Elapsed>() {
        let detail = format!("no answer within {:?}", limits.request_time);
        Problem::new(StatusCode::GATEWAY_TIMEOUT, Fault::Ours, "timeout", detail).at(hop).into_response()
    } else {
        let (status, detail) = (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
        Problem::new(status, Fault::Ours, "internal-error", detail).at(hop).into_response()
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
