//! Asking the next hop over HTTP/1.1: a pool of stamped connections.
//!
//! One request at a time per connection, so that its bytes can be told from all others. The
//! connection goes back to the pool when the response's last byte has been read.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use journey::{Kind, SpanId};

use super::{Body, BoxError, Exchange, Fault, Problem};
use crate::stamped::{Mark, Stamped, Stamps};
use crate::{clock, trace};

/// What asking may cost.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// How long a TCP handshake may take.
    pub connect: Duration,
    /// From the request handed over to the response's head.
    pub response: Duration,
    /// Unused connections kept per address.
    pub idle: usize,
    /// How long an unused connection is kept.
    pub idle_time: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            connect: Duration::from_secs(1),
            response: Duration::from_secs(20),
            idle: 256,
            idle_time: Duration::from_secs(30),
        }
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection: nothing was sent, so asking someone else is safe.
    #[error("connect to {to}")]
    Connect {
        /// Who was asked.
        to: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The connection broke after the request may have been seen.
    #[error("{to} broke off the exchange")]
    Broken {
        /// Who was asked.
        to: SocketAddr,
        /// What hyper said.
        source: hyper::Error,
    },
    /// The response did not begin in time.
    #[error("no response from {to} within {limit:?}")]
    Timeout {
        /// Who was asked.
        to: SocketAddr,
        /// [`ClientLimits::response`].
        limit: Duration,
    },
}

impl ClientError {
    /// Is it certain that the request had no effect?
    pub fn nothing_was_sent(&self) -> bool {
        matches!(self, ClientError::Connect { .. })
    }

    /// The answer to the caller: 502 or 504, the next hop's fault (RFC 9110 §15.6.3, §15.6.5).
    pub fn problem(&self) -> Problem {
        let (status, kind) = match self {
            ClientError::Connect { .. } => (StatusCode::BAD_GATEWAY, "upstream-unreachable"),
            ClientError::Broken { .. } => (StatusCode::BAD_GATEWAY, "upstream-broke-off"),
            ClientError::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "upstream-timeout"),
        };
        let mut detail = self.to_string();
        if let Some(source) = std::error::Error::source(self) {
            detail = format!("{detail}: {source}");
        }
        Problem::new(status, Fault::Upstream, kind, detail)
    }
}

/// A pool of connections to any number of addresses. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    limits: ClientLimits,
    idle: Arc<Mutex<HashMap<SocketAddr, Vec<Connection>>>>,
}

struct Connection {
    to: SocketAddr,
    sender: SendRequest<Body>,
    stamps: Stamps,
    used: Instant,
}

impl Client {
    /// An empty pool.
    pub fn new(limits: ClientLimits) -> Self {
        Client { limits, idle: Arc::default() }
    }

    /// Sends a request and returns the response's head; its body follows as it comes.
    ///
    /// Adds `traceparent`, and records a CLIENT span (and `connect`, when a connection had to be made)
    /// once the response has been read to its end.
    ///
    /// # Errors
    /// See [`ClientError`]. A re-used connection that turns out to be closed before anything was sent
    /// is replaced by a new one without a word.
    pub async fn send(
        &self,
        to: SocketAddr,
        mut request: Request<Body>,
        exchange: &Exchange,
    ) -> Result<Response<Body>, ClientError> {
        let span_id = trace::new_span_id();
        if let Ok(value) = HeaderValue::from_str(&exchange.traceparent(span_id).to_string()) {
            request.headers_mut().insert(trace::TRACEPARENT, value);
        }
        let name = format!("{} {}", request.method(), request.uri().path());
        let begun = clock::now();
        let sent = tokio::time::timeout(self.limits.response, self.send_on_some(to, request, exchange));
        let sent = sent.await.unwrap_or(Err(ClientError::Timeout { to, limit: self.limits.response }));
        exchange.waited(clock::now().saturating_sub(begun));
        let (connection, reused, response) = sent?;
        let (head, inner) = response.into_parts();
        let body = ClientBody {
            done: Some(Done {
                pool: self.clone(),
                requested: connection.stamps.last_write(),
                connection,
                exchange: exchange.clone(),
                span_id,
                name,
                begun,
                reused,
                status: head.status,
            }),
            inner,
        };
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    async fn send_on_some(
        &self,
        to: SocketAddr,
        mut request: Request<Body>,
        exchange: &Exchange,
    ) -> Result<(Connection, bool, Response<Incoming>), ClientError> {
        while let Some(mut connection) = self.checkout(to).await {
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok((connection, true, response)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(ClientError::Broken { to, source: error.into_error() }),
                },
            }
        }
        let mut connection = self.connect(to, exchange).await?;
        match connection.sender.send_request(request).await {
            Ok(response) => Ok((connection, false, response)),
            Err(source) => Err(ClientError::Broken { to, source }),
        }
    }

    /// The most recently used connection that still works.
    async fn checkout(&self, to: SocketAddr) -> Option<Connection> {
        loop {
            let mut connection =
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&to).and_then(Vec::pop)?;
            if clock::since(connection.used) > self.limits.idle_time {
                continue;
            }
            // Ready at once, unless the previous request's body is still being sent.
            let ready = tokio::time::timeout(Duration::from_millis(5), connection.sender.ready()).await;
            if matches!(ready, Ok(Ok(()))) {
                return Some(connection);
            }
        }
    }

    async fn connect(&self, to: SocketAddr, exchange: &Exchange) -> Result<Connection, ClientError> {
        let begun = clock::now();
        let broken = |source| ClientError::Connect { to, source };
        let stream = tokio::time::timeout(self.limits.connect, Stamped::connect(to))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(broken)?;
        let stamps = stream.stamps();
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| ClientError::Broken { to, source })?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, %to, "upstream connection");
            }
        });
        exchange.record("connect", begun, clock::now());
        Ok(Connection { to, sender, stamps, used: clock::monotonic() })
    }

    fn give_back(&self, mut connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        connection.used = clock::monotonic();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.entry(connection.to).or_default();
        if idle.len() < self.limits.idle {
            idle.push(connection);
        }
    }
}

/// What remains to be done when the response's last byte has been read.
struct Done {
    pool: Client,
    connection: Connection,
    exchange: Exchange,
    span_id: SpanId,
    name: String,
    begun: u64,
    reused: bool,
    status: StatusCode,
    requested: Mark,
}

impl Done {
    fn finish(self, complete: bool) {
        let stamps = &self.connection.stamps;
        if self.exchange.sampled() {
            let answered = stamps.last_read();
            let flow = stamps.flow();
            let mut span = self
                .exchange
                .child(self.span_id, Kind::Client, self.name, (self.begun, answered.at))
                .with("http.response.status_code", self.status.as_u16())
                .with("server.address", flow.server.ip().to_string())
                .with("server.port", flow.server.port())
                .with("journey.connection.reused", self.reused);
            span.stamps.push(stamps.write_stamp(self.requested));
            span.stamps.push(stamps.read_stamp(answered));
            self.exchange.emit(span);
        }
        if complete {
            self.pool.give_back(self.connection);
        }
    }
}

struct ClientBody {
    inner: Incoming,
    done: Option<Done>,
}

impl hyper::body::Body for ClientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let complete = match &polled {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => self.inner.is_end_stream(),
            _ => false,
        };
        if complete && let Some(done) = self.done.take() {
            done.finish(true);
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        let complete = self.inner.is_end_stream();
        if let Some(done) = self.done.take() {
            done.finish(complete);
        }
    }
}
