//! How long a connection may be without a request, which depends on how many there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Limits;
use crate::clock;

/// How long a connection may be without a request when more than half of the connections are taken: enough for a
/// request on its way, too little for holding what others wait for.
const CROWDED: Duration = Duration::from_secs(1);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// The connections of a server.
#[derive(Debug)]
pub(super) struct Crowd {
    open: AtomicUsize,
    limit: usize,
}

impl Crowd {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Crowd { open: AtomicUsize::new(0), limit: limits.connections })
    }

    /// Counts a connection for as long as what is returned lives.
    pub(super) fn enter(self: &Arc<Self>) -> Inside {
        self.open.fetch_add(1, Ordering::Relaxed);
        Inside(Arc::clone(self))
    }

    /// `usual`, or less when more than half of the connections are taken.
    pub(super) fn time(&self, usual: Duration) -> Duration {
        let crowded = self.open.load(Ordering::Relaxed) > self.limit / 2;
        if crowded { usual.min(CROWDED) } else { usual }
    }

    /// How often to look whether the time has passed.
    pub(super) fn look(usual: Duration) -> Duration {
        (usual / 4).clamp(Duration::from_millis(1), LOOK)
    }

    /// Waits until there was nothing for too long since `since`.
    pub(super) async fn passed(self: Arc<Self>, usual: Duration, since: Instant) {
        let mut looks = tokio::time::interval(Self::look(usual));
        while clock::since(since) < self.time(usual) {
            looks.tick().await;
        }
    }
}

/// One connection among the others.
pub(super) struct Inside(Arc<Crowd>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
