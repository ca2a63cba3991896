//! A request's body on its way out: when it may begin, and when nobody wants the rest.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Sleep;

use crate::http::{Body, BoxError};
use crate::wait;

/// How long a request that expects `100 Continue` waits for it: a server may never send one, and a client must
/// not wait for ever (RFC 9110 §10.1.1). curl waits as long.
const CONTINUE: Duration = Duration::from_secs(1);

/// How far a request's body is; the end of it that the call holds.
#[derive(Clone)]
pub(super) struct Upload(Arc<Mutex<State>>);

struct State {
    phase: Phase,
    /// The connection, while it waits for more of the body.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not before `100 Continue`.
    Expecting,
    Flowing,
    /// The response is whole: the rest is for nobody.
    Unwanted,
    /// All of it has been handed over, or the connection is gone.
    Over,
}

/// There was a complete response before the request was complete.
#[derive(Debug, thiserror::Error)]
#[error("the rest of the request is not wanted: its response is complete")]
pub(super) struct NotWanted;

impl Upload {
    /// The body to send, and what is known of its way. With `expecting`, it begins when it is told to.
    pub(super) fn new(inner: Body, expecting: bool) -> (Self, Sending) {
        let phase = if expecting { Phase::Expecting } else { Phase::Flowing };
        let upload = Upload(Arc::new(Mutex::new(State { phase, waker: None })));
        let limit = expecting.then(|| Box::pin(wait::deadline(CONTINUE)));
        (upload.clone(), Sending { inner, upload, limit })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// The server said `100 Continue`.
    pub(super) fn go_on(&self) {
        self.change(Phase::Expecting, Phase::Flowing);
    }

    /// The response is complete. Was the request, too, so that its connection can be used again?
    ///
    /// If not, what is left of it is not sent: RFC 9112 §9.3 lets a client close the connection then.
    pub(super) fn settle(&self) -> bool {
        self.change(Phase::Expecting, Phase::Unwanted);
        self.change(Phase::Flowing, Phase::Unwanted);
        self.state().phase == Phase::Over
    }

    fn change(&self, from: Phase, to: Phase) {
        let mut state = self.state();
        if state.phase == from {
            state.phase = to;
            let waker = state.waker.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

/// The body, as the connection reads it.
pub(super) struct Sending {
    inner: Body,
    upload: Upload,
    limit: Option<Pin<Box<Sleep>>>,
}

impl hyper::body::Body for Sending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let waited = self.limit.as_mut().is_some_and(|limit| limit.as_mut().poll(context).is_ready());
        if waited {
            self.limit = None;
            self.upload.go_on();
        }
        {
            let mut state = self.upload.state();
            match state.phase {
                Phase::Expecting | Phase::Flowing => state.waker = Some(context.waker().clone()),
                Phase::Unwanted => return Poll::Ready(Some(Err(NotWanted.into()))),
                Phase::Over => return Poll::Ready(None),
            }
            if state.phase == Phase::Expecting {
                return Poll::Pending;
            }
        }
        self.limit = None;
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || (polled.is_ready() && self.inner.is_end_stream()) {
            self.upload.state().phase = Phase::Over;
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

impl Drop for Sending {
    fn drop(&mut self) {
        self.upload.state().phase = Phase::Over;
    }
}
