//! A response's body that says when its last byte has passed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use journey::semconv::name;

use super::activity::Running;
use crate::clock;
use crate::http::{Body, BoxError, Exchange};

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
    /// Some of what was handed over waits for the client to take it.
    undelivered: bool,
    running: Running,
}

impl ResponseBody {
    /// `unsent` where HTTP sends no body whatever there is (HEAD, 204, 304).
    pub(super) fn new(
        inner: Body,
        unsent: bool,
        length: Option<u64>,
        exchange: Exchange,
        running: Running,
    ) -> Self {
        let whole = unsent || inner.is_end_stream();
        running.sending(!whole);
        ResponseBody {
            whole,
            inner,
            left: length,
            sent: 0,
            before: exchange.stamps().last_write().offset,
            exchange: Some(exchange),
            undelivered: false,
            running,
        }
    }

    /// Is there nothing (more) to send?
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Does some of what was handed over still wait for the client to take it?
    pub(super) fn undelivered(&mut self, waits: bool) {
        self.undelivered = waits;
    }

    /// The client gave no window from then until now.
    pub(super) fn waited_for_window(&self, begun: u64) {
        if let Some(exchange) = &self.exchange {
            exchange.record_wait(name::FLOW_CONTROL_WINDOW, begun, clock::now());
        }
    }

    /// The client took nothing for too long.
    pub(super) fn stalled(mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.cut_off("stalled");
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
        self.running.sending(polled.is_ready());
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
        self.running.sending(false);
        let Some(exchange) = self.exchange.take() else { return };
        if self.whole && !self.undelivered {
            exchange.response_ended(self.before + self.sent);
        } else {
            exchange.cut_off("cancelled");
        }
    }
}
