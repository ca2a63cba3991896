//! What is known of each upstream at this moment, and the choice among them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hop::clock;
use hop::http::Exchange;
use hop::http::ahead::{Contested, GIVES_WAY};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::balance::{Candidate, PeakEwma, Policy, choose};
use crate::health::{Change, Health, Thresholds};

/// The least latency that a failed request counts for.
const FAILURE: Duration = Duration::from_secs(1);

/// One server behind this balancer.
pub struct Upstream {
    address: SocketAddr,
    thresholds: Thresholds,
    /// Requests that chose it: waiting for a place, or in progress up to the response's last byte.
    active: AtomicUsize,
    /// So many more may be in progress.
    places: Arc<Semaphore>,
    /// Called when somebody waits for a place.
    contested: Contested,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    health: Health,
    latency: PeakEwma,
}

impl Upstream {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// May it be asked?
    pub fn is_up(&self) -> bool {
        self.known().health.is_up()
    }

    /// Has it never been up so far?
    pub fn is_new(&self) -> bool {
        self.known().health.is_new()
    }

    /// A health check succeeded, or failed for a reason.
    pub fn checked(&self, outcome: Result<(), String>) {
        let change = self.known().health.checked(outcome.is_ok(), self.thresholds);
        let upstream = self.address;
        match change {
            Some(Change::Up) => tracing::info!(%upstream, "healthy: requests may go there"),
            Some(Change::Down) => {
                let reason = outcome.err().unwrap_or_default();
                tracing::warn!(%upstream, reason, "unhealthy: taken out after failed checks");
            }
            None => {
                if let Err(reason) = outcome {
                    tracing::debug!(%upstream, reason, "health check failed");
                }
            }
        }
    }

    /// A request got no connection.
    pub fn refused(&self) {
        if self.known().health.refused(self.thresholds) == Some(Change::Down) {
            tracing::warn!(upstream = %self.address, "ejected: connections fail; health checks bring it back");
        }
    }

    /// A request was taken and not answered. Who fails fast must not look fast, so it counts as slow.
    pub fn failed(&self, took: Duration) {
        self.answered(took.max(FAILURE));
    }

    /// A request was answered after this time.
    pub fn answered(&self, latency: Duration) {
        let mut known = self.known();
        known.health.connected();
        known.latency.observe(latency, clock::monotonic());
    }

    fn candidate(&self, avoid: &[SocketAddr]) -> Candidate {
        let known = self.known();
        Candidate {
            usable: known.health.is_up() && !avoid.contains(&self.address),
            active: self.active.load(Ordering::Relaxed),
            latency: known.latency.value(clock::monotonic()),
        }
    }
}

/// All servers behind this balancer.
pub struct Upstreams {
    all: Vec<Arc<Upstream>>,
    policy: Policy,
    turn: AtomicUsize,
}

impl Upstreams {
    /// Upstreams of which nothing is known yet; health checks will tell.
    ///
    /// Each gets at most `places` requests at once; more wait here, where they cost it nothing.
    pub fn new(addresses: &[SocketAddr], policy: Policy, thresholds: Thresholds, places: usize) -> Self {
        let upstream = |address: &SocketAddr| {
            let (address, active, known) = (*address, AtomicUsize::new(0), Mutex::default());
            let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
            let contested = Contested::default();
            Arc::new(Upstream { address, thresholds, active, places, contested, known })
        };
        Upstreams { all: addresses.iter().map(upstream).collect(), policy, turn: AtomicUsize::new(0) }
    }

    /// All of them, healthy or not.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.all.iter()
    }

    /// Chooses one for the next request, not among those to `avoid`.
    ///
    /// When none is healthy, all that ever were are taken for usable (cloud load balancers call it failing open, Envoy
    /// its panic threshold): the checks may be late to see that one is back, and refusing helps nobody.
    pub fn pick(&self, avoid: &[SocketAddr]) -> Option<Lease> {
        let mut candidates: Vec<Candidate> =
            self.all.iter().map(|upstream| upstream.candidate(avoid)).collect();
        if !self.all.iter().any(|upstream| upstream.is_up()) {
            for (candidate, upstream) in candidates.iter_mut().zip(&self.all) {
                candidate.usable = !upstream.is_new() && !avoid.contains(&upstream.address);
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let index = choose(self.policy, &candidates, turn, rand::random())?;
        let upstream = Arc::clone(&self.all[index]);
        upstream.active.fetch_add(1, Ordering::Relaxed);
        Some(Lease { upstream, place: None })
    }

    /// What the admin endpoint shows.
    pub fn report(&self) -> serde_json::Value {
        let now = clock::monotonic();
        let one = |upstream: &Arc<Upstream>| {
            let latency = upstream.known().latency.value(now);
            json!({
                "address": upstream.address,
                "healthy": upstream.is_up(),
                "active": upstream.active.load(Ordering::Relaxed),
                "latency_ms": (latency / 1e3).round() / 1e3,
            })
        };
        self.all.iter().map(one).collect()
    }
}

/// One request's claim on an upstream; it counts until this is dropped.
pub struct Lease {
    upstream: Arc<Upstream>,
    place: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// Where requests that wait for a place at this upstream call.
    pub fn contested(&self) -> Contested {
        Contested::clone(&self.upstream.contested)
    }

    /// Waits until the upstream may get this request, first come, first served. The wait is recorded as
    /// `queue`, where there was one; how long it may last is the request's own limit.
    pub async fn place(&mut self, exchange: &Exchange) {
        let places = Arc::clone(&self.upstream.places);
        self.place = Arc::clone(&places).try_acquire_owned().ok();
        if self.place.is_none() {
            let queued = exchange.wait(journey::semconv::name::QUEUE);
            let mut place = std::pin::pin!(places.acquire_owned());
            self.place = loop {
                // Who holds a place and does not read its response has to give way.
                self.upstream.contested.notify_waiters();
                if let Ok(place) = tokio::time::timeout(GIVES_WAY / 4, place.as_mut()).await {
                    break place.ok();
                }
            };
            drop(queued);
        }
    }
}

impl std::ops::Deref for Lease {
    type Target = Upstream;

    fn deref(&self) -> &Upstream {
        &self.upstream
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.upstream.active.fetch_sub(1, Ordering::Relaxed);
    }
}
