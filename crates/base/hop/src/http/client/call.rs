//! One request to the next hop, from its beginning to its response's last byte.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::{Method, Request, StatusCode};
use journey::semconv::attribute;
use journey::{Kind, SpanId};
use tokio::time::Sleep;

use super::pool::{Connection, Pool};
use super::upload::Upload;
use crate::http::{Body, BoxError, Exchange, attributes};
use crate::{clock, wait};

/// One request under way: becomes a CLIENT span when it is over, however it ends.
pub(super) struct Call {
    exchange: Exchange,
    to: SocketAddr,
    span_id: SpanId,
    requested: Option<Requested>,
    begun: u64,
    response: Option<Head>,
    over: bool,
}

/// What the span says of a request that is recorded.
struct Requested {
    name: String,
    method: Method,
    url: String,
}

/// The response's head has come.
struct Head {
    connection: Connection,
    reused: bool,
    status: StatusCode,
    upload: Option<Upload>,
}

impl Call {
    pub(super) fn begin(
        exchange: &Exchange,
        to: SocketAddr,
        span_id: SpanId,
        request: &Request<Body>,
    ) -> Self {
        let requested = exchange.sampled().then(|| {
            let (method, uri) = (request.method().clone(), request.uri());
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            let url = attributes::url("http", to, target);
            Requested { name: format!("{method} {}", uri.path()), method, url }
        });
        let exchange = exchange.clone();
        Call { exchange, to, span_id, requested, begun: clock::now(), response: None, over: false }
    }

    /// The response's head has come.
    pub(super) fn responded(
        mut self,
        connection: Connection,
        reused: bool,
        status: StatusCode,
        upload: Option<Upload>,
    ) -> Self {
        self.response = Some(Head { connection, reused, status, upload });
        self
    }

    /// The response's body, after which the connection goes back to `pool`.
    pub(super) fn body(self, inner: Incoming, pool: Pool) -> ClientBody {
        let mut body = ClientBody { inner, call: Some(self), pool, silence: None };
        if body.inner.is_end_stream() {
            body.complete();
        }
        body
    }

    /// The response has been read to its end: the connection is free again, unless it is in the middle of
    /// a request that the server did not wait for.
    fn complete(mut self) -> Option<Connection> {
        self.report(None);
        let head = self.response.take()?;
        head.upload.is_none_or(|upload| upload.settle()).then_some(head.connection)
    }

    /// There is no response, or only a part of one.
    pub(super) fn finish(mut self, error: &'static str) {
        self.report(Some(error));
    }

    fn report(&mut self, error: Option<&'static str>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let Some(Requested { name, method, url }) = self.requested.take() else { return };
        let stamps = self.response.as_ref().map(|head| &head.connection.stamps).filter(|_| error.is_none());
        // One request at a time: the connection's last bytes are this exchange's.
        let last = stamps.map(|stamps| (stamps.last_write(), stamps.last_read()));
        let times = (self.begun, last.map_or_else(clock::now, |(_, read)| read.at));
        let mut span = self.exchange.child(self.span_id, Kind::Client, name, times);
        span.attributes.reserve_exact(8);
        span = attributes::client_request(span, &method, url, self.to.ip().to_string(), self.to.port());
        if let Some(error) = error {
            span = span.with(attribute::ERROR_TYPE, error);
        }
        if let Some(Head { status, reused, .. }) = &self.response {
            span = match error {
                None => attributes::client_response(span, *status),
                Some(_) => span.with(attribute::HTTP_RESPONSE_STATUS_CODE, status.as_u16()),
            };
            span = span.with(attribute::CONNECTION_REUSED, *reused);
        }
        if let (Some(stamps), Some((written, read))) = (stamps, last) {
            if written.held {
                span = span.with(attribute::SEND_HELD, true);
            }
            span.stamps.reserve_exact(3);
            span.stamps.push(stamps.write_stamp(written));
            span.stamps.extend(stamps.read_stamps(read));
        }
        self.exchange.emit(span);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Nobody wants the response any more. Its connection, if any, is dropped with it.
        self.report(Some("cancelled"));
    }
}

/// A response's body; at its end, the connection goes back to the pool.
pub(super) struct ClientBody {
    inner: Incoming,
    call: Option<Call>,
    pool: Pool,
    /// Set while nothing comes.
    silence: Option<Pin<Box<Sleep>>>,
}

impl ClientBody {
    fn complete(&mut self) {
        if let Some(connection) = self.call.take().and_then(Call::complete) {
            self.pool.put_back(connection);
        }
    }

    fn fail(&mut self, error: &'static str) {
        if let Some(call) = self.call.take() {
            call.finish(error);
        }
    }

    /// Has nothing come for too long? If not, `context` is woken when that is so.
    fn silent(&mut self, context: &mut Context<'_>) -> bool {
        let limit = self.pool.limits.response;
        self.silence.get_or_insert_with(|| Box::pin(wait::deadline(limit))).as_mut().poll(context).is_ready()
    }
}

impl hyper::body::Body for ClientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Pending => {
                if self.silent(context) {
                    self.fail("timeout");
                    let text = format!("nothing more of the body for {:?}", self.pool.limits.response);
                    let error = std::io::Error::new(std::io::ErrorKind::TimedOut, text);
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
            Poll::Ready(None) => self.complete(),
            Poll::Ready(Some(Ok(_))) => {
                self.silence = None;
                if self.inner.is_end_stream() {
                    self.complete();
                }
            }
            Poll::Ready(Some(Err(_))) => self.fail("broken"),
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
