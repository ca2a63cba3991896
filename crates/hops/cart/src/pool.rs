//! Connections that one request has to itself while it needs them.
//!
//! Many clients let all requests share one connection. That is cheaper, but then a response's time depends
//! on whatever was asked before it, and nobody can say whose bytes are on the wire. Here a connection
//! carries one exchange at a time. Who gets none waits, and that wait has a name of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hop::clock;
use hop::http::Exchange;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::wire::{Failure, Wire};

/// Connections to one or several addresses of one system, of which at most so many are in use at once.
pub struct Pool<C> {
    system: &'static str,
    /// The name of the wait, such as `redis.pool`.
    wait: &'static str,
    places: Semaphore,
    idle: Mutex<HashMap<SocketAddr, Vec<C>>>,
}

/// The right to one connection; it ends when this is dropped.
pub struct Place<'a>(#[allow(dead_code, reason = "held for its Drop")] SemaphorePermit<'a>);

impl<C: AsRef<Wire>> Pool<C> {
    /// An empty pool: the first requests make the connections.
    pub fn new(system: &'static str, wait: &'static str, connections: usize) -> Self {
        Pool { system, wait, places: Semaphore::new(connections), idle: Mutex::default() }
    }

    /// Waits for the right to a connection; a wait is recorded only when there was one.
    ///
    /// # Errors
    /// None became free within `limit`.
    pub async fn place(&self, exchange: &Exchange, limit: Duration) -> Result<Place<'_>, Failure> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(Place(place));
        }
        let begun = clock::now();
        let place = tokio::time::timeout(limit, self.places.acquire()).await;
        let ended = clock::now();
        exchange.record_wait(self.wait, begun, ended);
        exchange.timing(self.wait, ended.saturating_sub(begun));
        match place {
            Ok(Ok(place)) => Ok(Place(place)),
            _ => Err(Failure::NoConnectionFree { system: self.system, limit }),
        }
    }

    /// The most recently used connection to an address that still works, if there is one.
    pub fn take(&self, to: SocketAddr) -> Option<C> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.get_mut(&to)?;
        while let Some(connection) = idle.pop() {
            if connection.as_ref().is_usable() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next one.
    ///
    /// Only one whose every exchange was completed: a connection in doubt (a timeout, an error, a request
    /// that was abandoned) is dropped instead, or the next request would read the answer to this one's.
    pub fn give_back(&self, connection: C) {
        let to = connection.as_ref().address();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(to).or_default().push(connection);
    }
}
