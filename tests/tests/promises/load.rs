//! Requests that are sent at their times, whatever became of those before: nobody waits for a server that is slow
//! or dead, and each customer tries until the item is acknowledged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use super::check::Op;
use super::stage::{Add, Customers};

/// A running load.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    task: JoinHandle<Vec<Op>>,
}

impl Load {
    /// Sends `rate` requests a second to `to`, for these users and products in turn, until it is finished.
    pub(crate) fn start(
        customers: Customers,
        to: SocketAddr,
        rate: u32,
        users: Vec<String>,
        products: Vec<String>,
    ) -> Load {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let task = tokio::spawn(async move {
            // Ticks that were missed are made up for: the n-th request is due n steps after the first.
            let mut due = tokio::time::interval(Duration::from_secs(1) / rate);
            let mut asked = JoinSet::new();
            for number in 0.. {
                due.tick().await;
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let user = &users[number % users.len()];
                let product = &products[number / users.len() % products.len()];
                let quantity = u32::try_from(number % 3 + 1).unwrap_or(1);
                let add = Add::new(user, product, quantity).key(&format!("load-{number}"));
                let (customers, counter) = (customers.clone(), Arc::clone(&counter));
                asked.spawn(async move {
                    let sent = hop::clock::now();
                    let outcome = customers.until_added(to, &add).await;
                    let acknowledged = outcome.as_ref().ok().map(|_| hop::clock::now());
                    match outcome {
                        Ok(_) => drop(counter.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => eprintln!("given up: {error:#}"),
                    }
                    let Add { user, product, quantity, trace, .. } = add;
                    Op { trace, user, product, quantity: quantity.into(), sent, acknowledged }
                });
            }
            asked.join_all().await
        });
        Load { stop, acknowledged, task }
    }

    /// How many were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Sends no more, and waits for those that are under way.
    pub(crate) async fn finish(self) -> Vec<Op> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the load does not panic")
    }
}
