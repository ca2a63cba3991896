//! Connections that wait for their next request.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;
use parking_lot::Mutex;

use crate::clock;
use crate::http::Body;
use crate::stamped::Stamps;

/// What a request to an upstream may cost.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// How long a TCP handshake may take.
    pub connect: Duration,
    /// From the request handed over to the response's head, and then the longest pause within its body.
    pub response: Duration,
    /// Unused connections kept per address.
    pub idle: usize,
    /// How long an unused connection is kept: less than servers do (60 s in [`Limits`](crate::http::server::Limits)), so
    /// that none is closed just when a request is on its way.
    pub idle_time: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            connect: Duration::from_secs(1),
            response: Duration::from_secs(20),
            idle: 256,
            idle_time: Duration::from_secs(30),
        }
    }
}

/// Unused connections, by address. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    pub(super) limits: ClientLimits,
    idle: Arc<Mutex<HashMap<SocketAddr, Idle>>>,
}

/// Unused connections to one address, the longest unused first.
type Idle = VecDeque<Connection>;

pub(super) struct Connection {
    pub(super) to: SocketAddr,
    pub(super) sender: SendRequest<Body>,
    pub(super) stamps: Stamps,
    pub(super) used: Instant,
}

impl Pool {
    pub(super) fn new(limits: ClientLimits) -> Self {
        Pool { limits, idle: Arc::default() }
    }

    /// The most recently used connection that still works.
    pub(super) async fn checkout(&self, to: SocketAddr) -> Option<Connection> {
        loop {
            let mut connection = self.idle.lock().get_mut(&to).and_then(VecDeque::pop_back)?;
            if clock::since(connection.used) > self.limits.idle_time {
                continue;
            }
            // Ready at once, unless the previous request's body is still being sent.
            let ready = tokio::time::timeout(Duration::from_millis(5), connection.sender.ready()).await;
            // Closed by the server, but not yet noticed here? The request would be lost, and one that is not
            // idempotent must not be sent again (RFC 9112 §9.3.1).
            if matches!(ready, Ok(Ok(()))) && !connection.stamps.is_unusable_for_a_request() {
                return Some(connection);
            }
        }
    }

    /// Closes what nobody has used for too long, also at addresses that nobody uses any more.
    pub(super) fn forget_unused(&self) {
        let limit = self.limits.idle_time;
        self.idle.lock().retain(|_, idle| {
            idle.retain(|connection| {
                !connection.sender.is_closed() && clock::since(connection.used) <= limit
            });
            !idle.is_empty()
        });
    }

    pub(super) fn put_back(&self, mut connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        connection.used = clock::monotonic();
        let limit = self.limits.idle_time;
        let mut idle = self.idle.lock();
        let idle = idle.entry(connection.to).or_default();
        // After a burst, the connections that are not needed any more end here, one by one.
        if idle.front().is_some_and(|oldest| clock::since(oldest.used) > limit) {
            idle.pop_front();
        }
        if idle.len() < self.limits.idle {
            idle.push_back(connection);
        }
    }
}
