//! Connections on which nothing happens any more, as the kernel's connection tracking ends them.
//!
//! A real Service forgets a connection whose packets stay away: `nf_conntrack_tcp_timeout_established` and
//! `nf_conntrack_tcp_timeout_close_wait` (Linux, Documentation/networking/nf_conntrack-sysctl.rst), for which
//! kube-proxy sets a day and an hour. Here two sockets would be held for ever, so both are reset.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hop::{Stamps, clock};
use tokio::sync::Notify;

/// How long a connection may move nothing.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// While both sides may speak.
    pub established: Duration,
    /// When one side has said everything.
    pub close_wait: Duration,
}

/// Watches the two connections of one connection through the Service.
pub(crate) struct IdleTimeout {
    client: Stamps,
    endpoint: Stamps,
    timeouts: Timeouts,
    /// When the first side had said everything, in nanoseconds of [`clock::now`]; 0 before.
    half_closed: AtomicU64,
    changed: Notify,
}

impl IdleTimeout {
    pub(crate) fn new(client: Stamps, endpoint: Stamps, timeouts: Timeouts) -> Self {
        IdleTimeout { client, endpoint, timeouts, half_closed: AtomicU64::new(0), changed: Notify::new() }
    }

    /// One side has said everything, and the other has been told.
    pub(crate) fn half_closed(&self) {
        self.half_closed.store(clock::now(), Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Waits until nothing has moved for too long, and says how long that is.
    pub(crate) async fn passed(&self) -> Duration {
        loop {
            let half_closed = self.half_closed.load(Ordering::Relaxed);
            let limit = if half_closed > 0 { self.timeouts.close_wait } else { self.timeouts.established };
            let silent = Duration::from_nanos(clock::now().saturating_sub(self.last().max(half_closed)));
            let Some(left) = limit.checked_sub(silent).filter(|left| !left.is_zero()) else { return limit };
            // Either the time passes, in which bytes may pass as well, or the limit is another.
            let _ = tokio::time::timeout(left, self.changed.notified()).await;
        }
    }

    /// When a byte moved last.
    fn last(&self) -> u64 {
        let (client, endpoint) = (&self.client, &self.endpoint);
        let moved = [client.last_read(), client.last_write(), endpoint.last_read(), endpoint.last_write()];
        moved.into_iter().map(|mark| mark.at).fold(endpoint.opened(), u64::max)
    }
}
