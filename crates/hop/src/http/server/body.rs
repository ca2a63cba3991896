//! Bodies that say when their last byte has passed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use super::patience::Busy;
use crate::http::{Body, BoxError, Exchange};

/// A request's body that notes when its last byte was read.
pub struct RequestBody {
    inner: Incoming,
    exchange: Exchange,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, exchange: Exchange) -> Self {
        RequestBody { inner, exchange }
    }
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

/// A response's body that says when it has been handed over entirely, or that it never was.
pub struct ResponseBody {
    inner: Body,
    /// All of it has been handed over.
    whole: bool,
    /// HTTP/1.1 with a known length: what is left of it. hyper asks [`ResponseBody::is_end_stream`] right
    /// after the last bytes, before it writes them; a body that only knows its end afterwards would be
    /// noticed too late, when those bytes are gone.
    left: Option<u64>,
    /// Bytes handed over so far.
    sent: u64,
    /// Bytes that the connection had written before this response.
    before: u64,
    exchange: Option<Exchange>,
    _busy: Busy,
}

impl ResponseBody {
    /// `unsent` where HTTP sends no body whatever there is (HEAD, 204, 304).
    pub(super) fn new(
        inner: Body,
        unsent: bool,
        length: Option<u64>,
        exchange: Exchange,
        busy: Busy,
    ) -> Self {
        ResponseBody {
            whole: unsent || inner.is_end_stream(),
            inner,
            left: length,
            sent: 0,
            before: exchange.stamps().last_write().offset,
            exchange: Some(exchange),
            _busy: busy,
        }
    }
}

impl hyper::body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => self.whole = true,
            Poll::Ready(Some(Ok(frame))) => {
                let count = frame.data_ref().map_or(0, Bytes::len) as u64;
                // What exceeds the announced length is never sent.
                let count = self.left.map_or(count, |left| left.min(count));
                self.sent += count;
                self.left = self.left.map(|left| left.saturating_sub(count));
                self.whole = frame.is_trailers() || self.is_end_stream();
            }
            Poll::Ready(Some(Err(_))) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.cut_off("response_body");
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() || (self.sent > 0 && self.left == Some(0))
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take() else { return };
        if self.whole {
            exchange.response_ended(self.before + self.sent);
        } else {
            exchange.cut_off("cancelled");
        }
    }
}
