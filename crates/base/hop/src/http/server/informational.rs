//! 1xx responses (RFC 9110 §15.2): what a server says before its response.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hyper::{HeaderMap, Response, StatusCode};
use parking_lot::{Mutex, MutexGuard};

use crate::http::Interim;

/// No more than so many may wait to be sent; more are dropped, which RFC 9110 §15.2 allows a proxy to do.
const WAITING: usize = 16;

/// Sends 1xx responses to the client of one request: what is behind the [`Interim`] that handlers find.
///
/// What is sent after the final response's head, or to an HTTP/1.0 client (which RFC 9110 §15.2 forbids), is
/// dropped. Cheap to clone.
#[derive(Clone)]
pub(super) struct Informational {
    queue: Arc<Queue>,
    request: Option<u64>,
}

impl Informational {
    /// For the handler, unless the client is too old to understand.
    pub(super) fn interim(&self) -> Option<Interim> {
        let this = self.clone();
        self.request.map(|_| Interim::new(move |status, headers| this.send(status, headers.clone())))
    }

    /// Sends one, while the final response has not begun.
    pub(super) fn send(&self, status: StatusCode, headers: HeaderMap) {
        let mut state = self.queue.state();
        if self.request == Some(state.request) && state.open && state.waiting.len() < WAITING {
            let mut response = Response::new(());
            (*response.status_mut(), *response.headers_mut()) = (status, headers);
            state.waiting.push_back(response);
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
    }

    /// The final response comes: nothing else may be said before it.
    pub(super) fn close(&self) {
        self.queue.state().open = false;
    }
}

/// The 1xx responses that are to be written on an HTTP/1.1 connection or an HTTP/2 stream.
#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    /// The connection's request that is being answered.
    request: u64,
    open: bool,
    waiting: VecDeque<Response<()>>,
    waker: Option<Waker>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// For the next request; `understood` unless the client is too old for 1xx responses.
    pub(super) fn request(self: &Arc<Self>, understood: bool) -> Informational {
        let mut state = self.state();
        state.request += 1;
        state.open = true;
        Informational { queue: Arc::clone(self), request: understood.then_some(state.request) }
    }

    /// The next response to be written.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Response<()>> {
        let mut state = self.state();
        match state.waiting.pop_front() {
            Some(response) => Poll::Ready(response),
            None => {
                if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                    state.waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}
