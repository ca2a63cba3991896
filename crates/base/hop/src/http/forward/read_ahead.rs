//! Reading a response ahead of its reader, so that a slow reader holds nothing behind this program.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, SizeHint};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::clock;
use crate::http::server::{MinRate, RateWatch};
use crate::http::{Body, BoxError};

/// No more is read ahead while so many bytes wait for the reader; one read (64 KiB at most, see
/// [`Client`](crate::http::Client)) may go beyond.
pub const AHEAD: usize = 16 << 10;

/// A reader who has taken nothing for so long gives way when others wait for what its response holds.
pub const GIVES_WAY: Duration = Duration::from_millis(500);

/// So many turns of the scheduler it takes until the connection's task has handed over a body that is there.
const TURNS: usize = 4;

/// Where those who wait call when there is too little for all; see [`read_ahead`].
pub type Contested = Arc<Notify>;

/// Reads `body` ahead of its reader and lets `held` go with its last byte, whoever has read what by then.
///
/// A short body that comes with its head is there when this returns, and leaves with the head as well, in one write.
/// (curl ends its upload as soon as it sees the head of an error; over HTTP/2 that contradicts its Content-Length, for
/// which the stream has to be reset (RFC 9113 §8.1.1), and a body that is not on its way by then never arrives.)
///
/// Any other is read in a task of its own. Up to [`AHEAD`] bytes are off the upstream at once. Of a larger response the rest
/// follows as the reader takes it, no slower than `min_rate`; when `contested` calls, a reader who has taken nothing for
/// [`GIVES_WAY`] has to give way. A reader who is too slow finds an error in the body.
pub async fn read_ahead<H: Send + 'static>(
    mut body: Body,
    min_rate: MinRate,
    contested: Contested,
    held: H,
) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let length = body.size_hint().exact();
    let mut state = State::default();
    if length.is_some_and(|length| length <= AHEAD as u64) {
        read_what_is_there(&mut body, &mut state).await;
    }
    let ended = state.ended;
    let shared = Arc::new(Shared(Mutex::new(state)));
    if !ended {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let pump = Pump { body, shared, watch: RateWatch::new(min_rate), since: None };
            pump.run(&contested).await;
            drop(held);
        });
    }
    Reader { shared, length }.boxed_unsync()
}

/// To the body's end, or for a few turns.
async fn read_what_is_there(body: &mut Body, state: &mut State) {
    for _ in 0..TURNS {
        while let Poll::Ready(frame) =
            std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *body).poll_frame(context))).await
        {
            state.add(frame, body);
            if state.ended {
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    frames: VecDeque<Frame<Bytes>>,
    /// Bytes in `frames`, and bytes that the reader took since the pump last looked.
    waiting: usize,
    taken: usize,
    /// Nothing more will come, for this reason if there is one.
    ended: bool,
    error: Option<BoxError>,
    reader_gone: bool,
    reader: Option<Waker>,
    pump: Option<Waker>,
}

impl State {
    /// What the body had next.
    fn add(&mut self, frame: Option<Result<Frame<Bytes>, BoxError>>, body: &Body) {
        match frame {
            Some(Ok(frame)) => {
                let frame = frame.map_data(own);
                self.waiting += frame.data_ref().map_or(0, Bytes::len);
                self.ended = frame.is_trailers() || body.is_end_stream();
                self.frames.push_back(frame);
            }
            Some(Err(error)) => {
                self.error = Some(error);
                self.ended = true;
            }
            None => self.ended = true,
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

/// The side of the upstream.
struct Pump {
    body: Body,
    shared: Arc<Shared>,
    watch: RateWatch,
    /// Since when the reader has taken nothing although it could.
    since: Option<Instant>,
}

enum Step {
    Next(Option<Result<Frame<Bytes>, BoxError>>),
    Gone,
    Late,
}

impl Pump {
    async fn run(mut self, contested: &Notify) {
        loop {
            let called = contested.notified();
            let step = tokio::select! {
                biased;
                step = std::future::poll_fn(|context| self.poll_step(context)) => step,
                () = called => {
                    let patient = |since: Instant| clock::since(since) < GIVES_WAY;
                    if self.since.is_none_or(patient) { continue } else { Step::Late }
                }
            };
            let mut state = self.shared.state();
            match step {
                Step::Gone => return,
                Step::Late => {
                    let text = "the client takes nothing of the response";
                    state.error = Some(std::io::Error::new(std::io::ErrorKind::TimedOut, text).into());
                    state.ended = true;
                }
                Step::Next(frame) => state.add(frame, &self.body),
            }
            if let Some(reader) = state.reader.take() {
                reader.wake();
            }
            if state.ended {
                return;
            }
        }
    }

    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        let mut state = self.shared.state();
        if state.reader_gone {
            return Poll::Ready(Step::Gone);
        }
        state.pump = Some(context.waker().clone());
        let taken = std::mem::take(&mut state.taken);
        let full = state.waiting >= AHEAD;
        drop(state);
        if taken > 0 {
            self.watch.moved(taken);
            self.since = None;
        }
        if full {
            self.since.get_or_insert_with(clock::monotonic);
            return self.watch.poll_late(context).map(|()| Step::Late);
        }
        self.watch.stop();
        self.since = None;
        Pin::new(&mut self.body).poll_frame(context).map(Step::Next)
    }
}

/// A few bytes for themselves: they were read into a buffer of 8 KiB or more, all of which would stay with them
/// until the reader has taken them.
fn own(data: Bytes) -> Bytes {
    if data.len() < AHEAD / 4 { Bytes::copy_from_slice(&data) } else { data }
}

/// The side of the client.
struct Reader {
    shared: Arc<Shared>,
    /// What is left, where that is known.
    length: Option<u64>,
}

impl hyper::body::Body for Reader {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if let Some(frame) = state.frames.pop_front() {
            let count = frame.data_ref().map_or(0, Bytes::len);
            state.waiting -= count;
            state.taken += count;
            if let Some(pump) = state.pump.take() {
                pump.wake();
            }
            self.length = self.length.map(|length| length.saturating_sub(count as u64));
            return Poll::Ready(Some(Ok(frame)));
        }
        if state.ended {
            return Poll::Ready(state.error.take().map(Err));
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let state = self.shared.state();
        state.frames.is_empty() && state.ended && state.error.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.reader_gone = true;
        if let Some(pump) = state.pump.take() {
            pump.wake();
        }
    }
}

#[cfg(test)]
mod tests;
