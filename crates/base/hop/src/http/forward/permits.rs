//! How many requests one upstream gets at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::read_ahead::{Contested, GIVES_WAY};
use crate::http::Exchange;

/// The requests that may be with one upstream; more wait, first come, first served (HAProxy's `maxconn` of a server, and
/// its queue).
pub struct Permits {
    free: Arc<Semaphore>,
    /// Notified when somebody waits.
    contested: Contested,
}

impl Permits {
    /// For so many requests at a time.
    pub fn new(count: usize) -> Self {
        let free = Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Permits { free, contested: Contested::default() }
    }

    /// Where those who wait call; for [`read_ahead`](super::read_ahead::read_ahead), whose reader then gives way.
    pub fn contested(&self) -> Contested {
        Contested::clone(&self.contested)
    }

    /// Waits for a permit. The wait is recorded as `queue`, where there was one; how long it may last is the request's own
    /// limit.
    pub async fn acquire(&self, exchange: &Exchange) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(permit);
        }
        let _queued = exchange.wait(journey::semconv::name::QUEUE);
        let mut permit = std::pin::pin!(Arc::clone(&self.free).acquire_owned());
        loop {
            // Who holds a permit and does not read its response has to give way.
            self.contested.notify_waiters();
            if let Ok(permit) = tokio::time::timeout(GIVES_WAY / 4, permit.as_mut()).await {
                return permit.ok();
            }
        }
    }
}
