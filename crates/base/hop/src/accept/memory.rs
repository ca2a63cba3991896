//! Memory that many connections needed, given back to the kernel when few are left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

/// With fewer connections than this trimming the heap is not worth its time.
const MIN_PEAK: usize = 16;
/// At most one trim in this time.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The most connections since memory was last given back, and whether some have ended.
#[derive(Default)]
pub(super) struct Memory {
    peak: AtomicUsize,
    ended: Notify,
}

impl Memory {
    /// A connection has come: so many are open now.
    pub(super) fn opened(&self, open: usize) {
        self.peak.fetch_max(open, Ordering::Relaxed);
    }

    /// A connection has ended.
    pub(super) fn closed(&self) {
        self.ended.notify_one();
    }

    /// Gives memory back whenever half of the connections have ended.
    ///
    /// glibc returns freed memory by itself only from the top of its heap (mallopt(3), M_TRIM_THRESHOLD). One
    /// small block that lives long, such as that of a connection still open, keeps everything below it.
    pub(super) async fn trim(self: Arc<Self>, tasks: TaskTracker) {
        let mut ticks = tokio::time::interval(MIN_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.ended.notified().await;
            // What a connection held is freed by tasks that may end after it.
            ticks.reset();
            ticks.tick().await;
            let (open, peak) = (tasks.len(), self.peak.load(Ordering::Relaxed));
            if peak >= MIN_PEAK && open <= peak / 2 {
                self.peak.store(open, Ordering::Relaxed);
                trim();
            }
        }
    }
}

/// malloc_trim(3): every free page of the heap, wherever it lies, goes back to the kernel.
#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: malloc_trim takes no pointer and may be called at any time from any thread.
    #[allow(unsafe_code, reason = "no safe crate offers it")]
    let released = unsafe { libc::malloc_trim(0) };
    tracing::debug!(released = released == 1, "memory given back");
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}
