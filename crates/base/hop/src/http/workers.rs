//! A bounded pool of workers, and the bounded queue in front of it.
//!
//! In Tomcat a worker is a thread: expensive, so there are 200, and a request that finds none waits. Here a worker is only
//! a permit, but the bound is as useful: without one, a slow upstream makes the number of unfinished requests grow until
//! memory or file descriptors run out. The wait for a permit is part of every request's time, so it is measured for every
//! request, also where it is nothing.
//!
//! The limit around every handler is not enough here: work that has begun is finished without its caller, and the wait is a
//! span of its own.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use journey::semconv::name;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::exchange::Exchange;
use super::problem::{Fault, Problem};

/// The workers and their queue.
pub struct Workers {
    workers: Arc<Semaphore>,
    /// Everyone who is inside: working or waiting.
    inside: Arc<Semaphore>,
    limits: (usize, usize),
    tasks: TaskTracker,
}

impl Workers {
    /// So many at work, so many waiting.
    pub fn new(workers: usize, queue: usize) -> Self {
        Workers {
            workers: Arc::new(Semaphore::new(workers)),
            inside: Arc::new(Semaphore::new(workers + queue)),
            limits: (workers, queue),
            tasks: TaskTracker::new(),
        }
    }

    /// Does `work` on a worker and returns its result.
    ///
    /// Work that has begun is finished, even when the caller goes away or its time is up, as it would be
    /// in a thread: to stop between Redis and Kafka would leave an item in the cart of which no one is
    /// told. Whoever goes away while still waiting leaves the queue.
    ///
    /// # Errors
    /// 503 when the queue is full (RFC 9110 §15.6.4).
    pub async fn run<W, T>(&self, work: W) -> Result<T, Box<Problem>>
    where
        W: Future<Output = Result<T, Box<Problem>>> + Send + 'static,
        T: Send + 'static,
    {
        let exchange = Exchange::current();
        let queue = exchange.wait(name::QUEUE);
        let inside = Arc::clone(&self.inside).try_acquire_owned().map_err(|_| self.full())?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| self.full())?;
        drop(queue);
        // Another task: it works for this exchange only because it is told so.
        let task = self.tasks.spawn(exchange.scope(async move {
            let done = work.await;
            drop((worker, inside));
            done
        }));
        task.await.unwrap_or_else(|_| {
            // Only a cancelled task has no result, and these are not cancelled.
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(Problem::new(status, Fault::Ours, "internal-error", "the work was cancelled").into())
        })
    }

    fn full(&self) -> Box<Problem> {
        let (workers, queue) = self.limits;
        let detail = format!("all {workers} workers are busy and {queue} requests wait: try again later");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Problem::new(status, Fault::Ours, "overloaded", detail).retry_after(1).into()
    }

    /// Waits for work whose caller is gone already; says so when `limit` passes first.
    pub async fn finish(&self, limit: Duration) {
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), ?limit, "drain limit reached: unfinished work is lost");
        }
    }
}

#[cfg(test)]
mod tests;
