//! How many requests one upstream gets at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::read_ahead::{Contested, GIVES_WAY};
use crate::http::Exchange;

/// The requests that may be with one upstream; more wait, first come, first served (HAProxy's `maxconn` of a server, and
/// its queue).
pub struct Permits {
    free: Arc<Semaphore>,
    /// Notified when somebody waits.
    contested: Contested,
    active: AtomicUsize,
}

impl Permits {
    /// For so many requests at a time.
    pub fn new(count: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Arc::new(Permits { free, contested: Contested::default(), active: AtomicUsize::new(0) })
    }

    /// Requests that have chosen this upstream: those that wait, and those that have a permit.
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// A request has chosen this upstream; it counts until what is returned is dropped.
    pub fn begin(self: &Arc<Self>) -> ActiveRequest {
        self.active.fetch_add(1, Ordering::Relaxed);
        ActiveRequest { permits: Arc::clone(self), permit: None }
    }
}

/// A request that waits for a permit, or has one.
pub struct ActiveRequest {
    permits: Arc<Permits>,
    permit: Option<OwnedSemaphorePermit>,
}

impl ActiveRequest {
    /// Where those who wait call; for [`read_ahead`](super::read_ahead::read_ahead), whose reader then gives way.
    pub fn contested(&self) -> Contested {
        Contested::clone(&self.permits.contested)
    }

    /// Waits for the permit. The wait is recorded as `queue`, where there was one; how long it may last is the request's own
    /// limit.
    pub async fn permit(&mut self) {
        let Permits { free, contested, .. } = &*self.permits;
        if let Ok(permit) = Arc::clone(free).try_acquire_owned() {
            self.permit = Some(permit);
            return;
        }
        let _queued = Exchange::current().wait(journey::semconv::name::QUEUE);
        let mut permit = std::pin::pin!(Arc::clone(free).acquire_owned());
        self.permit = loop {
            // Who holds a permit and does not read its response has to give way.
            contested.notify_waiters();
            if let Ok(permit) = tokio::time::timeout(GIVES_WAY / 4, permit.as_mut()).await {
                break permit.ok();
            }
        };
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.permits.active.fetch_sub(1, Ordering::Relaxed);
    }
}
