//! What is known of each upstream at this moment, and the choice among them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hop::clock;
use hop::http::forward::permits::{ActiveRequest, Permits};
use parking_lot::Mutex;
use serde_json::json;

use crate::balance::{Candidate, PeakEwma, Policy, choose};
use crate::config::{HealthSettings, Settings};
use crate::health::{Change, Health};

/// The least latency that a failed request counts for.
const FAILURE: Duration = Duration::from_secs(1);

/// One server behind this balancer.
pub struct Upstream {
    address: SocketAddr,
    settings: HealthSettings,
    /// For requests up to the response's last byte.
    permits: Arc<Permits>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    health: Health,
    latency: PeakEwma,
}

impl Upstream {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn is_up(&self) -> bool {
        self.known.lock().health.is_up()
    }

    /// Has it never been up so far?
    pub fn is_new(&self) -> bool {
        self.known.lock().health.is_new()
    }

    /// A health check succeeded, or failed for a reason.
    pub fn checked(&self, outcome: Result<(), String>) {
        let change = self.known.lock().health.checked(outcome.is_ok(), &self.settings);
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
        if self.known.lock().health.refused(&self.settings) == Some(Change::Down) {
            tracing::warn!(upstream = %self.address, "ejected: connections fail; health checks bring it back");
        }
    }

    /// A request was taken and got no response. Who fails fast must not look fast, so it counts as slow.
    pub fn failed(&self, took: Duration) {
        self.responded(took.max(FAILURE));
    }

    /// A request got its response after this time.
    pub fn responded(&self, latency: Duration) {
        let mut known = self.known.lock();
        known.health.connected();
        known.latency.observe(latency, clock::monotonic());
    }

    fn candidate(&self, avoid: &[SocketAddr]) -> Candidate {
        let known = self.known.lock();
        Candidate {
            usable: known.health.is_up() && !avoid.contains(&self.address),
            active: self.permits.active(),
            latency: known.latency.value(clock::monotonic()),
        }
    }
}

pub struct Upstreams {
    all: Vec<Arc<Upstream>>,
    policy: Policy,
    turn: AtomicUsize,
}

impl Upstreams {
    /// Upstreams of which nothing is known yet; health checks will tell.
    pub fn new(settings: &Settings) -> Self {
        let upstream = |address: &SocketAddr| {
            Arc::new(Upstream {
                address: *address,
                settings: settings.health.clone(),
                permits: Permits::new(settings.upstream_requests),
                known: Mutex::default(),
            })
        };
        let all = settings.upstreams.iter().map(upstream).collect();
        Upstreams { all, policy: settings.balance, turn: AtomicUsize::new(0) }
    }

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
        Some(Lease { request: upstream.permits.begin(), upstream })
    }

    /// What the admin endpoint shows.
    pub fn report(&self) -> serde_json::Value {
        let now = clock::monotonic();
        let one = |upstream: &Arc<Upstream>| {
            let latency = upstream.known.lock().latency.value(now);
            json!({
                "address": upstream.address,
                "healthy": upstream.is_up(),
                "active": upstream.permits.active(),
                "latency_ms": (latency / 1e3).round() / 1e3,
            })
        };
        self.all.iter().map(one).collect()
    }
}

/// An upstream for one request, among whose requests this one counts until the lease is dropped.
pub struct Lease {
    upstream: Arc<Upstream>,
    pub request: ActiveRequest,
}

impl std::ops::Deref for Lease {
    type Target = Upstream;

    fn deref(&self) -> &Upstream {
        &self.upstream
    }
}
