//! The request's body, which notes when its last byte left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hop::{Mark, Stamps};
use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;

/// A request body that notes when its last byte left.
///
/// On HTTP/2 the last write before the response may be an acknowledgement of settings: only the
/// first flush after the body's end is the request.
pub(crate) struct MarkedBody {
    bytes: Option<Bytes>,
    stamps: Stamps,
    sent: Sent,
}

/// Where [`MarkedBody`] puts what it noted.
#[derive(Clone, Default)]
pub(crate) struct Sent(Arc<Mutex<Mark>>);

impl Sent {
    /// When the request's last byte left.
    pub(crate) fn mark(&self) -> Mark {
        *self.0.lock()
    }
}

impl MarkedBody {
    pub(crate) fn new(bytes: Bytes, stamps: Stamps) -> (Self, Sent) {
        let (bytes, sent) = (Some(bytes).filter(|bytes| !bytes.is_empty()), Sent::default());
        (MarkedBody { bytes, stamps, sent: sent.clone() }, sent)
    }
}

impl Body for MarkedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl Drop for MarkedBody {
    fn drop(&mut self) {
        let sent = self.sent.clone();
        self.stamps.after_flush(move |mark| *sent.0.lock() = mark);
    }
}
