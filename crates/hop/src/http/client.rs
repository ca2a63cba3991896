//! Asking the next hop over HTTP/1.1: a pool of stamped connections.
//!
//! One request at a time per connection, so that its bytes can be told from all others. The
//! connection goes back to the pool when the response's last byte has been read.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;

use super::{Body, Exchange, Fault, Problem};
use crate::stamped::{Stamped, Stamps};
use crate::{clock, trace};

mod call;

use call::Call;

/// What asking may cost.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// How long a TCP handshake may take.
    pub connect: Duration,
    /// From the request handed over to the response's head, and then the longest pause within its body.
    pub response: Duration,
    /// Unused connections kept per address.
    pub idle: usize,
    /// How long an unused connection is kept: less than servers do (60 s in [`super::server::Limits`]), so
    /// that none is closed just when a request is on its way.
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

    /// What kind it is, in one word, as the CLIENT span's `error.type`.
    fn kind(&self) -> &'static str {
        match self {
            ClientError::Connect { .. } => "connect",
            ClientError::Broken { .. } => "broken",
            ClientError::Timeout { .. } => "timeout",
        }
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
    idle: Arc<Mutex<HashMap<SocketAddr, Idle>>>,
}

/// Unused connections to one address, the longest unused first.
type Idle = VecDeque<Connection>;

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
    /// Makes it a request in HTTP/1.1's origin form with a `Host` (RFC 9112 §3.2), adds `traceparent`, and
    /// records a CLIENT span once the response has been read to its end, or with an `error.type` when
    /// that never happens. Where a connection had to be made, `connect` is recorded too.
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
        exchange.propagate(request.headers_mut(), span_id);
        in_origin_form(&mut request, to);
        let call = Call::begin(exchange, to, span_id, &request);
        let waiting = exchange.waiting();
        let sent = tokio::time::timeout(self.limits.response, self.send_on_some(to, request, exchange));
        let sent = sent.await.unwrap_or(Err(ClientError::Timeout { to, limit: self.limits.response }));
        drop(waiting);
        let (connection, reused, response) = match sent {
            Ok(sent) => sent,
            Err(error) => {
                call.finish(error.kind());
                return Err(error);
            }
        };
        let (head, inner) = response.into_parts();
        let body = call.answered(connection, reused, head.status).body(inner, self.clone());
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

    fn idle(&self) -> MutexGuard<'_, HashMap<SocketAddr, Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most recently used connection that still works.
    async fn checkout(&self, to: SocketAddr) -> Option<Connection> {
        loop {
            let mut connection = self.idle().get_mut(&to).and_then(VecDeque::pop_back)?;
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
        self.forget_unused();
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

    /// Closes what nobody has used for too long, also at addresses that nobody asks any more.
    fn forget_unused(&self) {
        let limit = self.limits.idle_time;
        self.idle().retain(|_, idle| {
            idle.retain(|connection| {
                !connection.sender.is_closed() && clock::since(connection.used) <= limit
            });
            !idle.is_empty()
        });
    }

    fn give_back(&self, mut connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        connection.used = clock::monotonic();
        let limit = self.limits.idle_time;
        let mut idle = self.idle();
        let idle = idle.entry(connection.to).or_default();
        // After a burst, the connections that are not needed any more end here, one by one.
        if idle.front().is_some_and(|oldest| clock::since(oldest.used) > limit) {
            idle.pop_front();
        }
        if idle.len() < self.limits.idle {
            idle.push_back(connection);
        }
    }
}

/// HTTP/1.1 to a server that is no proxy: `GET /path`, the authority in `Host`, and this program's own
/// version of the protocol (RFC 9112 §3.2.1, RFC 9110 §6.2), whatever the request came in as.
fn in_origin_form(request: &mut Request<Body>, to: SocketAddr) {
    *request.version_mut() = Version::HTTP_11;
    if !request.headers().contains_key(header::HOST) {
        let authority = request.uri().authority().map_or_else(|| to.to_string(), ToString::to_string);
        if let Ok(host) = HeaderValue::try_from(authority) {
            request.headers_mut().insert(header::HOST, host);
        }
    }
    if request.uri().authority().is_some() {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
}
