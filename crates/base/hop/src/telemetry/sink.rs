//! Spans that wait to be sent.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use journey::Span;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::roots::Roots;
use crate::{Admin, clock};

/// How many spans one program holds back (some 30 MB) before it drops new ones (and counts them).
pub(super) const CAPACITY: usize = 32_768;
/// How many spans go in one message: encoding them takes well under a millisecond of the only thread.
pub(super) const BATCH: usize = 512;
/// No new span for this long: the requests that caused them are over, so sending disturbs nobody.
const QUIET: Duration = Duration::from_millis(4);
/// How long a collector may take to accept a batch.
pub(super) const SEND_LIMIT: Duration = Duration::from_secs(2);

/// What a program has recorded and not yet sent.
pub(super) struct Sink {
    pub(super) service: &'static str,
    pub(super) sampler: Sampler,
    /// Which of the requests that begin a trace are recorded.
    pub(super) roots: Roots,
    /// How many exchanges without trace context are kept instead of sent; 0: they are sent.
    pub(super) recorder: usize,
    /// Whose metrics time what the spans report.
    pub(super) timed_by: OnceLock<Admin>,
    /// Is there a task that sends?
    pub(super) exported: bool,
    pub(super) spans: Mutex<Vec<Span>>,
    pub(super) lost: AtomicU64,
    /// Taken from `spans`, and neither sent nor given up yet.
    pub(super) in_flight: AtomicUsize,
    /// The last attempt to send failed.
    pub(super) unreachable: AtomicBool,
    pub(super) first: Notify,
    pub(super) flush: Notify,
    /// Each attempt to send ends with this.
    pub(super) attempted: Notify,
}

/// Which requests are recorded, in the words of `OTEL_TRACES_SAMPLER`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampler {
    /// What the caller says; without a caller, yes.
    ParentOrOn,
    /// What the caller says; without a caller, no.
    ParentOrOff,
    /// Yes, whatever the caller says.
    Always,
}

impl Sink {
    pub(super) fn new(service: &str, sampler: Sampler, exported: bool) -> Self {
        Sink {
            // Once per process, and then every span names it without a copy.
            service: Box::leak(service.to_owned().into_boxed_str()),
            sampler,
            roots: Roots::new(None),
            recorder: 0,
            timed_by: OnceLock::new(),
            exported,
            spans: Mutex::default(),
            lost: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            unreachable: AtomicBool::new(false),
            first: Notify::new(),
            flush: Notify::new(),
            attempted: Notify::new(),
        }
    }

    /// Records a span; drops and counts it when the collector has not kept up.
    pub(super) fn emit(&self, mut span: Span) {
        span.hop = Cow::Borrowed(self.service);
        if let Some(admin) = self.timed_by.get() {
            admin.metrics().span(&span);
        }
        let mut spans = self.spans();
        if spans.len() + self.in_flight.load(Ordering::Relaxed) >= CAPACITY {
            drop(spans);
            return self.lost(1);
        }
        spans.push(span);
        let count = spans.len();
        drop(spans);
        if count == 1 {
            self.first.notify_one();
        } else if count == BATCH {
            self.flush.notify_one();
        }
    }

    pub(super) fn spans(&self) -> MutexGuard<'_, Vec<Span>> {
        self.spans.lock()
    }

    pub(super) fn unsent(&self) -> usize {
        self.spans().len() + self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn take_all(&self) -> Vec<Span> {
        let mut queue = self.spans();
        self.in_flight.store(queue.len(), Ordering::Relaxed);
        std::mem::take(&mut *queue)
    }

    /// The collector never saw these: they go back to the front of the queue, as far as there is room.
    pub(super) fn put_back(&self, mut spans: Vec<Span>) {
        let mut queue = self.spans();
        spans.append(&mut queue);
        self.lost(spans.len().saturating_sub(CAPACITY));
        spans.truncate(CAPACITY);
        *queue = spans;
    }

    pub(super) fn lost(&self, count: usize) {
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Returns when it is time to send: quiet for [`QUIET`], a full batch, or `longest` after the first.
    pub(super) async fn wait_for_quiet(&self, longest: Duration) {
        let begun = clock::monotonic();
        let mut seen = self.spans().len();
        while seen < BATCH && clock::since(begun) < longest {
            if tokio::time::timeout(QUIET, self.flush.notified()).await.is_ok() {
                return;
            }
            let now = self.spans().len();
            if now == seen {
                return;
            }
            seen = now;
        }
    }
}
