//! What a connection is doing, and how long it may do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::time::{Interval, MissedTickBehavior};

use super::idle_timeout::IdleTimeout;
use super::limits::Limits;
use crate::clock;
use crate::stamped::Stamps;

/// What a connection is doing.
pub(super) struct Activity {
    begun: AtomicU64,
    running: AtomicUsize,
    /// HTTP/1.1: there is more of the response, and it is the client who must take something first.
    sending: AtomicBool,
    /// The share of one connection in the requests that go on before their bodies are whole.
    pub(super) streaming: Arc<Semaphore>,
}

impl Activity {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let share = (limits.streaming / 8).clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Activity {
            begun: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            sending: AtomicBool::new(false),
            streaming: Arc::new(Semaphore::new(share)),
        })
    }

    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    /// Requests so far.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Is a request being answered, or a response's body being handed over?
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }
}

/// One request, from its head to the last of its response handed over.
pub(super) struct Running(Arc<Activity>);

impl Running {
    /// Is it the client's turn to take something of the response?
    pub(super) fn sending(&self, sending: bool) {
        self.0.sending.store(sending, Ordering::Relaxed);
    }

    /// The connection it came on.
    pub(super) fn connection(&self) -> &Activity {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a look at an HTTP/1.1 connection says; see [`Watchdog`].
pub(super) enum Check {
    Stays,
    /// No request for too long.
    Idle,
    /// A response is not being read, or nothing comes of a request: not a byte moved.
    Stalled,
}

/// Looks after what hyper has no limit for on an HTTP/1.1 connection: a client that sends nothing at all, and a
/// response that nobody reads.
pub(super) struct Watchdog {
    limits: Limits,
    ticks: Interval,
    stamps: Stamps,
    activity: Arc<Activity>,
    idle_timeout: Arc<IdleTimeout>,
    /// Requests begun, bytes read, bytes written at the previous look.
    seen: (u64, u64, u64),
    /// When it last had a request, moved a byte, and wrote one or had nothing to write.
    times: (Instant, Instant, Instant),
}

impl Watchdog {
    pub(super) fn new(
        limits: Limits,
        stamps: Stamps,
        activity: Arc<Activity>,
        idle_timeout: Arc<IdleTimeout>,
    ) -> Self {
        let every = IdleTimeout::check_interval(limits.head_time.min(limits.min_rate.stall));
        let mut ticks = tokio::time::interval(every);
        ticks.reset();
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let now = clock::monotonic();
        Watchdog { limits, ticks, stamps, activity, idle_timeout, seen: (0, 0, 0), times: (now, now, now) }
    }

    pub(super) async fn next(&mut self) -> Check {
        self.ticks.tick().await;
        let now = clock::monotonic();
        let (begun, running) = (self.activity.begun(), self.activity.is_running());
        let (read, written) = (self.stamps.last_read().offset, self.stamps.last_write().offset);
        let before = std::mem::replace(&mut self.seen, (begun, read, written));
        let (requested, moved, wrote) = &mut self.times;
        if running || begun != before.0 {
            *requested = now;
        }
        if (read, written) != (before.1, before.2) {
            *moved = now;
        }
        if written != before.2 || !self.activity.sending.load(Ordering::Relaxed) {
            *wrote = now;
        }
        let limits = &self.limits;
        if now - *wrote >= limits.min_rate.stall
            || (running && now - *moved >= limits.head_time.max(limits.request_time))
        {
            Check::Stalled
        } else if now - *requested >= self.idle_timeout.time(limits.head_time) {
            *requested = now;
            Check::Idle
        } else {
            Check::Stays
        }
    }
}
