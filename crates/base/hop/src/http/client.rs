//! The client side: requests to the next hop over HTTP/1.1, by a pool of stamped connections.
//!
//! One request at a time per connection, so that its bytes can be told from all others. The
//! connection goes back to the pool when the response's last byte has been read.

use std::net::SocketAddr;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;

use super::{Body, Exchange, Fault, Interim, forward};
use crate::stamped::Stamped;
use crate::{clock, trace};

mod call;
mod error;
mod message;
mod pool;
mod upload;
mod wire;

pub use error::ClientError;
pub use pool::ClientLimits;

use call::Call;
use pool::{Connection, Pool};
use upload::Upload;
use wire::Wire;

/// The most that is read at once, and the longest head of a response, in bytes.
const READ: usize = 64 << 10;

/// So many connections are made for a request of which nothing could be sent.
const CONNECTS: usize = 3;

/// A pool of connections to any number of addresses. Cheap to clone.
#[derive(Clone)]
pub struct Client(Pool);

impl Client {
    /// An empty pool.
    pub fn new(limits: ClientLimits) -> Self {
        Client(Pool::new(limits))
    }

    /// Sends a request for [`Exchange::current`] and returns the response's head; its body follows as it comes.
    ///
    /// Makes it a request in HTTP/1.1's origin form with a `Host` (RFC 9112 §3.2), adds `traceparent`, and
    /// records a CLIENT span once the response has been read to its end, or with an `error.type` when
    /// that never happens. Where a connection had to be made, `connect` is recorded too.
    ///
    /// With `Expect: 100-continue`, the body is not read before the server says `100 Continue`, has responded, or
    /// was silent for a second. Interim responses go to the [`Interim`] in the request's extensions. A response
    /// that comes before the request has ended is returned as any other; when it ends first, too, the rest of the
    /// request is not sent.
    ///
    /// # Errors
    /// See [`ClientError`]. A re-used connection that turns out to be closed before anything was sent
    /// is replaced by a new one without a word.
    pub async fn send(
        &self,
        to: SocketAddr,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, ClientError> {
        let exchange = Exchange::current();
        let span_id = trace::new_span_id();
        exchange.propagate(request.headers_mut(), span_id);
        message::in_origin_form(&mut request, to);
        message::framed(&mut request);
        let (request, upload) = watched(request);
        let call = Call::begin(&exchange, to, span_id, &request);
        let waiting = exchange.waiting();
        let limit = self.0.limits.response;
        let sent = {
            let mut sending = std::pin::pin!(self.send_on_some(to, request, &exchange));
            loop {
                match tokio::time::timeout(limit, sending.as_mut()).await {
                    Ok(sent) => break sent,
                    // The request itself is not complete: its body has a pace and its handler a time limit.
                    Err(_) if exchange.awaited() == Some(Fault::Client) => {}
                    Err(_) => break Err(ClientError::Timeout { to, limit }),
                }
            }
        };
        drop(waiting);
        let (connection, reused, response) = match sent {
            Ok(sent) => sent,
            Err(error) => {
                call.finish(error.kind());
                return Err(error);
            }
        };
        let (head, inner) = response.into_parts();
        let body = call.responded(connection, reused, head.status, upload).body(inner, self.0.clone());
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    async fn send_on_some(
        &self,
        to: SocketAddr,
        mut request: Request<Body>,
        exchange: &Exchange,
    ) -> Result<(Connection, bool, Response<Incoming>), ClientError> {
        while let Some(mut connection) = self.0.checkout(to).await {
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok((connection, true, response)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(ClientError::Broken { to, source: error.into_error() }),
                },
            }
        }
        let mut connects = 0;
        loop {
            let mut connection = self.connect(to, exchange).await?;
            connects += 1;
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok((connection, false, response)),
                Err(mut error) => match error.take_message() {
                    // Closed as soon as it was made: by a server that stops, its successor may accept already.
                    Some(unsent) if connects < CONNECTS => request = unsent,
                    _ => return Err(ClientError::Broken { to, source: error.into_error() }),
                },
            }
        }
    }

    async fn connect(&self, to: SocketAddr, exchange: &Exchange) -> Result<Connection, ClientError> {
        self.0.forget_unused();
        let broken = |source| ClientError::Connect { to, source };
        let (stream, handshake) = tokio::time::timeout(self.0.limits.connect, Stamped::connect_timed(to))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(broken)?;
        exchange.record_connect(&handshake);
        let stamps = stream.stamps();
        let (sender, driver) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(READ)
            .handshake(TokioIo::new(Wire::new(stream)))
            .await
            .map_err(|source| ClientError::Broken { to, source })?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, %to, "upstream connection");
            }
        });
        Ok(Connection { to, sender, stamps, used: clock::monotonic() })
    }
}

/// Receives what comes before the response, and knows how far the request's body is, if it has one.
fn watched(request: Request<Body>) -> (Request<Body>, Option<Upload>) {
    let (mut head, body) = request.into_parts();
    let interim = head.extensions.remove::<Interim>();
    let expecting = head.headers.contains_key(header::EXPECT);
    let (upload, body) = match body.is_end_stream() {
        true => (None, body),
        false => {
            let (upload, sending) = Upload::new(body, expecting);
            (Some(upload), sending.boxed_unsync())
        }
    };
    let mut request = Request::from_parts(head, body);
    if expecting || interim.is_some() {
        let expected = upload.clone().filter(|_| expecting);
        hyper::ext::on_informational(&mut request, move |response| {
            match (response.status(), &expected, &interim) {
                (StatusCode::CONTINUE, Some(upload), _) => upload.go_on(),
                // Nobody expects it: this program's own server says it when a body is read.
                (StatusCode::CONTINUE, None, _) | (_, _, None) => {}
                (status, _, Some(interim)) => {
                    let mut headers = response.headers().clone();
                    forward::strip_hop_by_hop(&mut headers);
                    interim.send(status, &headers);
                }
            }
        });
    }
    (request, upload)
}
