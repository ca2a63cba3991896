//! The server side: connections in, one [`Exchange`](super::Exchange) per request.

use std::sync::Arc;

use hyper::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::HandlerResult;
use crate::Hop;
use crate::stamped::Stamps;

mod activity;
mod deferred;
mod dispatch;
mod http1;
mod http2;
mod idle_timeout;
mod informational;
mod limits;
mod min_rate;
mod protection;
mod request_body;
mod response_body;
mod wire;

pub use limits::Limits;
pub use min_rate::MinRate;
pub(super) use min_rate::RateWatch;
pub use request_body::{BodyError, RequestBody};
pub use response_body::ResponseBody;

use dispatch::Dispatcher;
use idle_timeout::IdleTimeout;
use protection::Protected;

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

/// The HTTP side of a hop: serves connections, each request through one handler.
#[derive(Clone)]
pub struct Server(Dispatcher);

impl Server {
    /// A server for `hop` whose requests `handler` gets.
    pub fn new<H, R>(hop: &Hop, limits: Limits, handler: H) -> Self
    where
        H: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output: HandlerResult> + Send + 'static,
    {
        Server(Dispatcher {
            name: Arc::clone(&hop.name),
            scheme: "http",
            telemetry: hop.telemetry.clone(),
            admin: hop.admin.clone(),
            limits,
            streaming: Arc::new(Semaphore::new(limits.streaming.min(Semaphore::MAX_PERMITS))),
            idle_timeout: IdleTimeout::new(limits),
            handler: Protected::new(Arc::clone(&hop.name), limits, handler),
        })
    }

    /// The same for connections that come in over TLS.
    pub fn over_tls(mut self) -> Self {
        self.0.scheme = "https";
        self
    }

    /// Serves one connection until it ends; when `stop` is cancelled, running requests finish first.
    ///
    /// `io` may be the stamped socket itself or TLS on top of it.
    pub async fn serve<I>(self, io: I, protocol: Protocol, stamps: Stamps, stop: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _counted = self.0.idle_timeout.count();
        match protocol {
            Protocol::Http1 => http1::serve(self.0, io, stamps, stop).await,
            Protocol::Http2 => http2::serve(self.0, io, stamps, stop).await,
        }
    }
}
