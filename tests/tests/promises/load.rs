//! Requests that are sent at their times, whatever became of those before: nobody waits for a server that is slow
//! or dead, and each customer tries until the item is acknowledged. Only when very many wait already, nobody joins
//! them: on a machine that is busy with others the load would never end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use super::check::Op;
use super::stage::{Add, Customers};

/// So many customers wait at once. The longest outage of one engine is a few seconds.
const WAITING: usize = 250;

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
            let mut sent = JoinSet::new();
            let given_up = Arc::new(Once::new());
            let mut ops = Vec::new();
            for number in 0.. {
                due.tick().await;
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                while let Some(op) = sent.try_join_next() {
                    ops.push(op.expect("a customer does not panic"));
                }
                if sent.len() >= WAITING {
                    continue;
                }
                let user = &users[number % users.len()];
                let product = &products[number / users.len() % products.len()];
                let quantity = u32::try_from(number % 3 + 1).unwrap_or(1);
                let add = Add::new(user, product, quantity).key(&format!("load-{number}"));
                let (customers, counter) = (customers.clone(), Arc::clone(&counter));
                let given_up = Arc::clone(&given_up);
                sent.spawn(async move {
                    let sent = hop::clock::now();
                    let outcome = customers.until_added(to, &add).await;
                    let acknowledged = outcome.as_ref().ok().map(|_| hop::clock::now());
                    match outcome {
                        Ok(_) => drop(counter.fetch_add(1, Ordering::Relaxed)),
                        // One is enough to know why.
                        Err(error) => given_up.call_once(|| eprintln!("given up: {error:#}")),
                    }
                    let Add { user, product, quantity, trace, .. } = add;
                    Op { trace, user, product, quantity: quantity.into(), sent, acknowledged }
                });
            }
            ops.extend(sent.join_all().await);
            ops
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
