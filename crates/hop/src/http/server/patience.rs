//! How long a connection may do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::Limits;
use crate::stamped::Stamps;

/// Counts a connection's requests; each one holds a clone until its response is handed over.
#[derive(Clone, Default)]
pub(super) struct Busy(Arc<AtomicU64>);

impl Busy {
    pub(super) fn request(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.clone()
    }
}

/// What a connection deserves; see [`Patience`].
pub(super) enum Verdict {
    Stays,
    /// No request for too long.
    Idle,
    /// A response is not being read, or nothing comes of a request: not a byte moved.
    Stalled,
}

/// Looks after what hyper has no limit for: a client that sends nothing at all, a silent HTTP/2
/// connection, a response that nobody reads.
pub(super) struct Patience {
    ticks: tokio::time::Interval,
    stamps: Stamps,
    busy: Busy,
    /// Requests begun and bytes moved at the previous look.
    seen: (u64, u64),
}

impl Patience {
    pub(super) fn new(limits: Limits, stamps: Stamps, busy: Busy) -> Self {
        let mut ticks =
            tokio::time::interval(limits.head_time.max(limits.request_time).max(Duration::from_millis(1)));
        ticks.reset_after(limits.head_time);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Patience { ticks, stamps, busy, seen: (0, 0) }
    }

    pub(super) async fn next(&mut self) -> Verdict {
        self.ticks.tick().await;
        let requests = self.busy.0.load(Ordering::Relaxed);
        let moved = self.stamps.last_read().offset + self.stamps.last_write().offset;
        let before = std::mem::replace(&mut self.seen, (requests, moved));
        // One clone is here and one in the connection's service.
        let in_progress = Arc::strong_count(&self.busy.0) > 2;
        match (in_progress, before) {
            (false, (same, _)) if same == requests => Verdict::Idle,
            (true, (_, same)) if same == moved => Verdict::Stalled,
            _ => Verdict::Stays,
        }
    }
}
