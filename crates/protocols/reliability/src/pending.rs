//! What requests leave for the background to do.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A bounded list. What does not fit is not lost: its note in Redis stays, and is found there.
pub(crate) struct Pending<T> {
    limit: usize,
    waiting: Mutex<Vec<T>>,
    some: Notify,
}

impl<T> Pending<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Pending { limit, waiting: Mutex::default(), some: Notify::new() }
    }

    /// Adds one; says whether there was room.
    pub(crate) fn push(&self, one: T) -> bool {
        let mut waiting = self.waiting.lock();
        let fits = waiting.len() < self.limit;
        if fits {
            waiting.push(one);
        }
        self.some.notify_one();
        fits
    }

    /// Takes all.
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.waiting.lock())
    }

    /// Returns when there is something to take.
    pub(crate) async fn some(&self) {
        self.some.notified().await;
    }
}
