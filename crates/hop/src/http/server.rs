//! Answering HTTP: connections in, one [`Exchange`] per request.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use journey::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::util::{BoxCloneSyncService, ServiceExt as _};
use tower::{ServiceBuilder, service_fn as tower_service_fn};

use super::{Body, BoxError, Exchange, Fault, Problem};
use crate::stamped::Stamps;
use crate::{Hop, Telemetry, clock};

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
            .max_buf_size(limits.head_bytes)
            .max_headers(100);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(Some(Duration::from_secs(20)));
        let peer = stamps.flow().client;
        let service = service_fn(move |request| {
            let server = self.clone();
            let stamps = stamps.clone();
            async move { Ok::<_, Infallible>(server.answer(request, stamps).await) }
        });
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "connection");
        }
    }

    async fn answer(&self, request: Request<Incoming>, stamps: Stamps) -> Response<ResponseBody> {
        let name = format!("{} {}", request.method(), request.uri().path());
        let exchange = Exchange::begin(&self.telemetry, request.headers(), name, stamps);
        if request.body().is_end_stream() {
            exchange.request_ended();
        }
        if exchange.sampled() {
            exchange.attribute("http.request.method", Value::from(request.method().to_string()));
            exchange.attribute("url.path", Value::from(request.uri().path().to_owned()));
            exchange.attribute("network.protocol.version", version(request.version()));
        }
        let mut watch = Watch { server: self, exchange: Some(exchange.clone()), begun: clock::monotonic() };
        self.admin.request_began();
        let mut request = request.map(|inner| RequestBody { inner, exchange: exchange.clone() });
        request.extensions_mut().insert(exchange.clone());
        let mut response = match self.handler.clone().oneshot(request).await {
            Ok(response) => response,
            Err(error) => overload(&error, self.limits).at(&self.name).into_response(),
        };
        watch.exchange = None;
        self.admin.request_ended(response.status(), clock::since(watch.begun));
        exchange.attribute("http.response.status_code", response.status().as_u16());
        exchange.server_timing(&self.name, response.headers_mut());
        response.map(|inner| ResponseBody { inner, exchange: Some(exchange) })
    }
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
fn overload(error: &BoxError, limits: Limits) -> Problem {
    if error.is::<tower::load_shed::error::Overloaded>() {
        let detail = format!("{} requests are already being answered: try again later", limits.requests);
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Ours, "overloaded", detail)
    } else if error.is::<tower::timeout::error::Elapsed>() {
        let detail = format!("no answer within {:?}", limits.request_time);
        Problem::new(StatusCode::GATEWAY_TIMEOUT, Fault::Ours, "timeout", detail)
    } else {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Fault::Ours, "internal-error", error.to_string())
    }
}

fn version(version: hyper::Version) -> &'static str {
    match version {
        hyper::Version::HTTP_2 => "2",
        hyper::Version::HTTP_10 => "1.0",
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
            self.server.admin.request_ended(status, clock::since(self.begun));
            exchange.abandoned();
        }
    }
}

/// A request's body that notes when its last byte was read.
pub struct RequestBody {
    inner: Incoming,
    exchange: Exchange,
}

impl hyper::body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || (polled.is_ready() && self.inner.is_end_stream()) {
            self.exchange.request_ended();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body that says when it has been handed over entirely.
pub struct ResponseBody {
    inner: Body,
    exchange: Option<Exchange>,
}

impl hyper::body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.response_ended();
        }
    }
}
