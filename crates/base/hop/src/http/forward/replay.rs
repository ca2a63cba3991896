//! A request's body that may have to be sent a second time, to another upstream.
//!
//! What is small is held until there is a response, and can be sent as often as one likes. What is large streams through:
//! a connect that is refused has taken nothing of it, so it may still go to another upstream, whatever its method and
//! however large it is (RFC 9110 §9.2.2 is about requests that may have arrived).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header;
use hyper::http::request;
use parking_lot::Mutex;

use super::trailers;
use crate::http::server::{BodyError, RequestBody};
use crate::http::{Body, empty, full};

/// The body of one request, on its way to one upstream or more.
pub enum ReplayBody {
    /// All of it, with its trailers.
    Held(Bytes, Option<HeaderMap>),
    /// Gone with the first attempt that takes any of it.
    Streaming(Unsent),
}

impl ReplayBody {
    /// Holds a body of at most `hold` bytes; lets a longer one stream, up to `limit` bytes.
    ///
    /// # Errors
    /// A body that was to be held did not come.
    pub async fn new(
        head: &request::Parts,
        body: RequestBody,
        hold: u64,
        limit: u64,
    ) -> Result<Self, BodyError> {
        // The server has held what is small and comes. None that waits for the upstream to call for it.
        let small = body.is_whole() || body.size_hint().exact().is_some_and(|length| length <= hold);
        if small && !head.headers.contains_key(header::EXPECT) {
            let collected = body.collect().await?;
            let trailers = collected.trailers().cloned().map(|fields| trailers::keep(fields, true));
            return Ok(ReplayBody::Held(collected.to_bytes(), trailers.filter(|fields| !fields.is_empty())));
        }
        let body = body.at_most(limit).map_err(Into::into).boxed_unsync();
        Ok(ReplayBody::Streaming(Unsent::new(trailers::pass(body, true))))
    }

    /// Can all of it be sent (again)?
    pub fn is_whole(&self) -> bool {
        match self {
            ReplayBody::Held(..) => true,
            ReplayBody::Streaming(body) => body.is_here(),
        }
    }

    /// The body for the next attempt.
    pub fn body(&self) -> Body {
        match self {
            ReplayBody::Held(bytes, Some(trailers)) => {
                let trailers = std::future::ready(Some(Ok(trailers.clone())));
                full(bytes.clone()).with_trailers(trailers).boxed_unsync()
            }
            ReplayBody::Held(bytes, None) if !bytes.is_empty() => full(bytes.clone()),
            ReplayBody::Held(_, None) => empty(),
            ReplayBody::Streaming(body) => body.attempt(),
        }
    }
}

/// A body of which nothing has been sent: an attempt that takes nothing of it gives it back.
#[derive(Clone)]
pub struct Unsent(Arc<Mutex<Option<Body>>>);

impl Unsent {
    fn new(body: Body) -> Self {
        Unsent(Arc::new(Mutex::new(Some(body))))
    }

    fn is_here(&self) -> bool {
        self.0.lock().is_some()
    }

    /// The body; dropped before any of it was taken, it is here again. An empty one if it is not here.
    fn attempt(&self) -> Body {
        let Some(body) = self.0.lock().take() else { return empty() };
        AttemptBody { body: Some(body), touched: false, home: self.clone() }.boxed_unsync()
    }
}

struct AttemptBody {
    /// There until this is dropped.
    body: Option<Body>,
    touched: bool,
    home: Unsent,
}

impl HttpBody for AttemptBody {
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

impl Drop for AttemptBody {
    fn drop(&mut self) {
        if !self.touched {
            *self.home.0.lock() = self.body.take();
        }
    }
}

#[cfg(test)]
mod tests;
