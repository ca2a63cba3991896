//! The control plane: every Service learns which of its pods are ready.
//!
//! In Kubernetes the kubelet runs each pod's readiness probe and kube-proxy follows the EndpointSlice.
//! Here one task probes each pod's `/readyz` and sends the result to the Services' admin endpoints.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hop::admin::{Secret, client};
use hyper::Method;
use plan::{HopId, Plan, Settings};
use tokio::sync::Notify;

use crate::supervise::{Readiness, State, Watch};

/// How long a Service may take to accept its endpoints.
const LIMIT: Duration = Duration::from_secs(2);

/// A Service and its pods.
struct Service {
    name: String,
    admin: SocketAddr,
    pods: Vec<HopId>,
    /// The endpoints that it got last, and which of its processes: a restarted one knows nothing.
    sent: Option<(Option<u32>, Vec<SocketAddr>)>,
}

/// Follows readiness until the task is dropped: every `plan.supervise.probe`, and whenever a program
/// died or came back.
pub(crate) async fn follow(plan: Arc<Plan>, watch: Watch, changed: Arc<Notify>, secret: Secret) {
    let mut services: Vec<Service> = plan
        .hops()
        .filter_map(|(_, hop)| match &hop.settings {
            // A recipe's program probes the pods itself.
            Settings::Clusterip { endpoints, .. } if hop.recipe.is_none() => Some(Service {
                name: hop.name.clone(),
                admin: hop.admin?,
                pods: endpoints.clone(),
                sent: None,
            }),
            _ => None,
        })
        .collect();
    // All are ready at first, and their environment says so.
    let pids = pids(&watch);
    for service in &mut services {
        let all = service.pods.iter().map(|pod| plan.hop(*pod).listen).collect();
        service.sent = Some((pids.get(&service.name).copied().flatten(), all));
    }
    loop {
        let _ = tokio::time::timeout(plan.supervise.probe, changed.notified()).await;
        round(&plan, &watch, &mut services, &secret).await;
    }
}

async fn round(plan: &Plan, watch: &Watch, services: &mut [Service], secret: &Secret) {
    let statuses = watch.statuses();
    let dead = |name: &str| {
        let mut known = statuses.iter().filter(|status| status.name == name);
        known.any(|status| matches!(status.state, State::Restarting | State::Stopped))
    };
    let mut ready: HashMap<HopId, bool> = HashMap::new();
    for pod in services.iter().flat_map(|service| &service.pods) {
        if !ready.contains_key(pod) {
            let hop = plan.hop(*pod);
            let probe = Readiness::of(plan, hop);
            ready.insert(*pod, !dead(&hop.name) && probe.lasts().await);
        }
    }
    let pids = pids(watch);
    for service in services {
        let pid = pids.get(&service.name).copied().flatten();
        let pods = service.pods.iter().filter(|pod| ready.get(pod).copied().unwrap_or(false));
        let now: Vec<SocketAddr> = pods.map(|pod| plan.hop(*pod).listen).collect();
        if service.sent.as_ref() == Some(&(pid, now.clone())) {
            continue;
        }
        let body = serde_json::to_vec(&now).unwrap_or_default();
        let update =
            client::request(service.admin, Method::PUT, "/endpoints", body.into(), Some(secret), LIMIT);
        let reply = update.await;
        match reply {
            Ok(reply) if reply.status.is_success() => {
                tracing::debug!(service = %service.name, ready = now.len(), "endpoints");
                service.sent = Some((pid, now));
            }
            // Said once per change of mind, and tried again in the next round.
            Ok(reply) => {
                tracing::debug!(service = %service.name, status = %reply.status, "endpoints refused")
            }
            Err(error) => tracing::debug!(service = %service.name, "send the endpoints: {error:#}"),
        }
    }
}

fn pids(watch: &Watch) -> HashMap<String, Option<u32>> {
    watch.statuses().into_iter().map(|status| (status.name, status.pid)).collect()
}
