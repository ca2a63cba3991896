//! How long a connection may be without a request: less when many connections are taken (Envoy's overload action
//! `reduce_timeouts`; nginx then reuses idle connections).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::limits::Limits;
use crate::clock;

/// How long a connection may be without a request when more than half of the connections are taken: enough for a
/// request on its way, too little for holding what others wait for.
const SHORT_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest time between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The time that a connection of a server may be without a request, shared by all of them.
#[derive(Debug)]
pub(super) struct IdleTimeout {
    open: AtomicUsize,
    limit: usize,
}

impl IdleTimeout {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(IdleTimeout { open: AtomicUsize::new(0), limit: limits.connections })
    }

    /// Counts a connection for as long as what is returned lives.
    pub(super) fn count(self: &Arc<Self>) -> Counted {
        self.open.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self))
    }

    /// `usual`, or less when more than half of the connections are taken.
    pub(super) fn time(&self, usual: Duration) -> Duration {
        let crowded = self.open.load(Ordering::Relaxed) > self.limit / 2;
        if crowded { usual.min(SHORT_TIMEOUT) } else { usual }
    }

    /// How often to look whether the time has passed.
    pub(super) fn check_interval(usual: Duration) -> Duration {
        (usual / 4).clamp(Duration::from_millis(1), CHECK_INTERVAL)
    }

    /// Waits until there was nothing for too long since `since`.
    pub(super) async fn passed(self: Arc<Self>, usual: Duration, since: Instant) {
        let mut ticks = tokio::time::interval(Self::check_interval(usual));
        while clock::since(since) < self.time(usual) {
            ticks.tick().await;
        }
    }
}

/// One connection, counted.
pub(super) struct Counted(Arc<IdleTimeout>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
