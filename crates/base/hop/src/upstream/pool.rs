//! Connections that one request has to itself while it needs them.
//!
//! Many clients let all requests share one connection. That is cheaper, but then a response's time depends on
//! whatever was requested before it, and nobody can say whose bytes are on the wire. Here a connection carries one
//! request at a time. Who gets none waits, and that wait has a name of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::connection::Connection;
use super::failure::Failure;
use crate::clock;
use crate::http::Exchange;

/// Connections to one or several addresses of one upstream, of which at most so many are in use at once.
pub struct Pool<C> {
    system: &'static str,
    /// The name of the wait, such as `redis.pool`.
    wait: &'static str,
    permits: Semaphore,
    idle: Mutex<HashMap<SocketAddr, Vec<C>>>,
}

/// The right to one connection; it ends when this is dropped.
pub struct Permit<'a>(#[allow(dead_code, reason = "held for its Drop")] SemaphorePermit<'a>);

impl<C: AsRef<Connection>> Pool<C> {
    /// An empty pool: the first requests make the connections.
    pub fn new(system: &'static str, wait: &'static str, connections: usize) -> Self {
        Pool { system, wait, permits: Semaphore::new(connections), idle: Mutex::default() }
    }

    /// Waits for the right to a connection; a wait is recorded only when there was one.
    ///
    /// # Errors
    /// [`Failure::NoConnectionFree`]: none became free within `limit`.
    pub async fn permit(&self, limit: Duration) -> Result<Permit<'_>, Failure> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(Permit(permit));
        }
        let exchange = Exchange::current();
        let begun = clock::now();
        let permit = tokio::time::timeout(limit, self.permits.acquire()).await;
        let ended = clock::now();
        exchange.record_wait(self.wait, begun, ended);
        exchange.timing(self.wait, ended.saturating_sub(begun));
        match permit {
            Ok(Ok(permit)) => Ok(Permit(permit)),
            _ => Err(Failure::NoConnectionFree { system: self.system, limit }),
        }
    }

    /// The most recently used connection to an address that still works, if there is one.
    pub fn take(&self, to: SocketAddr) -> Option<C> {
        let mut idle = self.idle.lock();
        let idle = idle.get_mut(&to)?;
        while let Some(connection) = idle.pop() {
            if connection.as_ref().is_usable() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    ///
    /// Only one whose every request was completed: a connection in doubt (a timeout, an error, a request that was
    /// abandoned) is dropped instead, or the next request would read the response to this one.
    pub fn put_back(&self, connection: C) {
        let to = connection.as_ref().address();
        self.idle.lock().entry(to).or_default().push(connection);
    }
}
