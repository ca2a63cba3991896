//! A body that can be sent once, and to whom is still open: an attempt that takes nothing of it gives it back.
//!
//! A connect that is refused has sent nothing, so the request may go to another upstream, whatever its method
//! and however large its body (RFC 9110 §9.2.2 is about requests that may have arrived).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use hop::http::{Body, empty};

/// Where the body is while nobody sends it.
#[derive(Clone)]
pub(crate) struct Untouched(Arc<Mutex<Option<Body>>>);

impl Untouched {
    pub(crate) fn new(body: Body) -> Self {
        Untouched(Arc::new(Mutex::new(Some(body))))
    }

    /// Is it here, as a whole?
    pub(crate) fn is_here(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The body; dropped before any of it was taken, it is here again. An empty one if it is not here.
    pub(crate) fn lend(&self) -> Body {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(body) = body else { return empty() };
        Lent { body: Some(body), touched: false, home: self.clone() }.boxed_unsync()
    }
}

struct Lent {
    /// There until this is dropped.
    body: Option<Body>,
    touched: bool,
    home: Untouched,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        this.touched |= frame.is_ready();
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.touched {
            *self.home.0.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
        }
    }
}

#[cfg(test)]
mod tests;
