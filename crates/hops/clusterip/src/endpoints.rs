//! The pods behind the Service, as the control plane last told, and who has how many connections.
//!
//! Only *ready* pods are in the list: in Kubernetes the kubelet runs each pod's readiness probe and the
//! EndpointSlice controller publishes the result; here the lab requests `/readyz` and calls
//! `PUT /endpoints`. The Service itself checks nothing and tries nothing: that is not its job.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;

use crate::balance::{Balance, Mode};

/// The pods behind the Service. One lock, held for the choice only, never while bytes move.
pub struct Endpoints {
    /// The Service's own address, which can't be one of its endpoints.
    own: SocketAddr,
    state: Mutex<State>,
}

struct State {
    ready: Vec<SocketAddr>,
    /// For every ready endpoint, and for those that left with connections still open.
    counts: BTreeMap<SocketAddr, Counts>,
    balance: Balance,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    open: usize,
    total: u64,
}

/// The Service can't be its own endpoint: it would connect to itself.
#[derive(Debug, thiserror::Error)]
#[error("{0} is this Service's own address: it would connect to itself; name the pods behind it")]
pub struct OwnAddress(pub SocketAddr);

impl Endpoints {
    /// The endpoints at the start; more may come and go by [`Endpoints::replace`].
    ///
    /// # Errors
    /// See [`OwnAddress`].
    pub fn new(own: SocketAddr, balance: Balance, ready: Vec<SocketAddr>) -> Result<Arc<Self>, OwnAddress> {
        let state = State { ready: Vec::new(), counts: BTreeMap::new(), balance };
        let endpoints = Endpoints { own, state: Mutex::new(state) };
        endpoints.replace(ready)?;
        Ok(Arc::new(endpoints))
    }

    /// Replaces the whole list at once: no connection ever sees half of it. Duplicates count once.
    ///
    /// Connections that are open stay where they are, also at an endpoint that left: a pod that
    /// terminates finishes what it has begun, it only gets nothing new.
    ///
    /// # Errors
    /// See [`OwnAddress`]; the list is then unchanged.
    pub fn replace(&self, list: Vec<SocketAddr>) -> Result<(), OwnAddress> {
        if list.contains(&self.own) {
            return Err(OwnAddress(self.own));
        }
        let mut ready: Vec<SocketAddr> = Vec::with_capacity(list.len());
        for endpoint in list {
            if !ready.contains(&endpoint) {
                ready.push(endpoint);
            }
        }
        let mut state = self.state.lock();
        for endpoint in &ready {
            state.counts.entry(*endpoint).or_default();
        }
        state.counts.retain(|endpoint, counts| counts.open > 0 || ready.contains(endpoint));
        state.ready = ready;
        Ok(())
    }

    /// Chooses for a new connection; it counts as open until the result is dropped.
    pub fn choose(self: &Arc<Self>, client: IpAddr, now: Instant) -> Option<Chosen> {
        let mut state = self.state.lock();
        let State { ready, counts, balance } = &mut *state;
        let address = balance.pick(ready, client, now)?;
        let count = counts.entry(address).or_default();
        count.open += 1;
        count.total += 1;
        Some(Chosen { address, endpoints: Arc::clone(self) })
    }

    pub fn mode(&self) -> Mode {
        self.state.lock().balance.mode()
    }

    /// What there is now, in the order it was given.
    pub fn view(&self) -> View {
        let state = self.state.lock();
        let entry = |endpoint: &SocketAddr| {
            let Counts { open, total } = state.counts.get(endpoint).copied().unwrap_or_default();
            Entry { endpoint: *endpoint, open, total }
        };
        View {
            mode: state.balance.mode().as_str(),
            ready: state.ready.iter().map(entry).collect(),
            leaving: state.counts.keys().filter(|key| !state.ready.contains(key)).map(entry).collect(),
        }
    }
}

/// An endpoint that a connection was given to.
pub struct Chosen {
    /// Where to connect.
    pub address: SocketAddr,
    endpoints: Arc<Endpoints>,
}

impl Drop for Chosen {
    fn drop(&mut self) {
        let mut state = self.endpoints.state.lock();
        let State { ready, counts, .. } = &mut *state;
        if let Some(count) = counts.get_mut(&self.address) {
            count.open -= 1;
            if count.open == 0 && !ready.contains(&self.address) {
                counts.remove(&self.address);
            }
        }
    }
}

/// The response to `GET /endpoints`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct View {
    pub mode: &'static str,
    /// Those that get new connections.
    pub ready: Vec<Entry>,
    /// Those that get no new ones and still have old ones.
    pub leaving: Vec<Entry>,
}

/// One endpoint of a [`View`].
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub endpoint: SocketAddr,
    /// Connections open now.
    pub open: usize,
    /// Connections it was ever given, since it is in the list.
    pub total: u64,
}

#[cfg(test)]
mod tests;
