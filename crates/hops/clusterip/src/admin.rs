//! The Service's side of the control plane: `GET` and `PUT /endpoints`, and its metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use bytes::Bytes;
use hop::Hop;
use hop::http::{Body, Fault, HandlerResult as _, Problem, json};
use hyper::{Method, Response, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::endpoints::Endpoints;

/// Adds the endpoints and the metrics to the admin address.
pub fn routes(hop: &Hop, endpoints: &Arc<Endpoints>, metrics: &Metrics) {
    let admin = &hop.admin;
    admin.register(|registry| {
        registry.register("clusterip_connections", "Connections given to an endpoint", metrics.given.clone());
        registry.register("clusterip_open_connections", "Connections open now", metrics.open.clone());
        registry.register(
            "clusterip_failures",
            "Connections reset before any byte, by reason",
            metrics.failures.clone(),
        );
    });
    let shown = Arc::clone(endpoints);
    admin.route(Method::GET, "/endpoints", move |_| std::future::ready(json(StatusCode::OK, &shown.view())));
    let (changed, name) = (Arc::clone(endpoints), Arc::clone(&hop.name));
    admin.route(Method::PUT, "/endpoints", move |body| {
        std::future::ready(replace(&changed, &body).response_of(&name))
    });
}

/// The new list; or what is wrong with it, and the old one stays in force.
fn replace(endpoints: &Endpoints, body: &Bytes) -> Result<Response<Body>, Problem> {
    let bad = |kind, detail| Problem::new(StatusCode::BAD_REQUEST, Fault::Client, kind, detail);
    let list: Vec<SocketAddr> = serde_json::from_slice(body).map_err(|error| {
        bad("bad-endpoints", format!("expected a JSON array such as [\"127.244.1.15:8080\"]: {error}"))
    })?;
    endpoints.replace(list).map_err(|error| bad("own-address", error.to_string()))?;
    let view = endpoints.view();
    tracing::info!(ready = view.ready.len(), leaving = view.leaving.len(), "endpoints replaced");
    Ok(json(StatusCode::OK, &view))
}

/// What the Service counts. Cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics {
    given: Counter,
    open: Gauge<i64, AtomicI64>,
    failures: Family<Reason, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Metrics {
    pub(crate) fn opened(&self) {
        self.given.inc();
        self.open.inc();
    }

    pub(crate) fn closed(&self) {
        self.open.dec();
    }

    pub(crate) fn failed(&self, reason: &'static str) {
        self.failures.get_or_create(&Reason { reason }).inc();
    }
}
