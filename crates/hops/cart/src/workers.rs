//! A bounded pool of workers, and the bounded queue in front of it.
//!
//! In Tomcat a worker is a thread: expensive, so there are 200, and a request that finds none waits. Here
//! a worker is only a place, but the bound is as useful: without one, a slow neighbour makes the number of
//! unfinished requests grow until memory or file descriptors run out. The wait for a place is part of
//! every request's time, so it is measured for every request, also where it is nothing.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hop::http::{Exchange, Fault, Problem};
use hyper::StatusCode;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::refusal::Refusal;

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
    pub async fn run<W, T>(&self, exchange: &Exchange, work: W) -> Result<T, Refusal>
    where
        W: Future<Output = Result<T, Refusal>> + Send + 'static,
        T: Send + 'static,
    {
        let queue = exchange.wait(journey::semconv::name::QUEUE);
        let inside = Arc::clone(&self.inside).try_acquire_owned().map_err(|_| self.full())?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| self.full())?;
        drop(queue);
        let task = self.tasks.spawn(async move {
            let done = work.await;
            drop((worker, inside));
            done
        });
        task.await.unwrap_or_else(|_| {
            // Only a cancelled task has no result, and these are not cancelled.
            let problem = Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                Fault::Ours,
                "internal-error",
                "the work was cancelled",
            );
            Err(problem.into())
        })
    }

    fn full(&self) -> Refusal {
        let (workers, queue) = self.limits;
        let detail = format!("all {workers} workers are busy and {queue} requests wait: try again later");
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Ours, "overloaded", detail);
        Refusal::from(problem).retry_after(1)
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
