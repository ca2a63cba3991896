//! Active health checks: every upstream, at an interval, for ever.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::{Request, header};
use tokio::time::MissedTickBehavior;

use hop::http::client::ClientLimits;
use hop::http::{Body, Client, empty};

use crate::config::HealthSettings;
use crate::upstreams::Upstream;

pub struct Checker {
    client: Client,
    settings: HealthSettings,
}

impl Checker {
    pub fn new(settings: HealthSettings) -> Self {
        let limit = settings.health_timeout;
        // A pool of its own: the connections of real requests stay what real requests made of them.
        let limits = ClientLimits { connect: limit, response: limit, idle: 1, ..ClientLimits::default() };
        Checker { client: Client::new(limits), settings }
    }

    /// Checks for ever. An upstream that has not been up yet is checked ten times as often: while
    /// everything starts, it may be ready any moment.
    pub async fn run(self: Arc<Self>, upstream: Arc<Upstream>) {
        let interval = self.settings.health_interval;
        loop {
            let pause = if upstream.is_new() { interval / 10 } else { interval };
            let mut pause = tokio::time::interval(pause.max(Duration::from_millis(1)));
            pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pause.tick().await; // the first tick is now
            pause.tick().await;
            self.check(&upstream).await;
        }
    }

    pub async fn check(&self, upstream: &Upstream) {
        let limit = self.settings.health_timeout;
        let outcome = tokio::time::timeout(limit, self.probe(upstream)).await;
        upstream.checked(outcome.unwrap_or_else(|_| Err(format!("no response within {limit:?}"))));
    }

    async fn probe(&self, upstream: &Upstream) -> Result<(), String> {
        let to = upstream.address();
        let request = Request::get(self.settings.health_path.as_str())
            .header(header::HOST, to.to_string())
            .header(header::USER_AGENT, "lb-health-check")
            .body(empty())
            .map_err(|error| error.to_string())?;
        // It belongs to no request, so nobody records it.
        let sent = self.client.send(to, request).await;
        let (head, body) = sent.map_err(|error| error.problem().detail)?.into_parts();
        // Read to its end, so that the connection can be used again.
        let body: Body = Limited::new(body, 64 << 10).boxed_unsync();
        body.collect().await.map_err(|error| error.to_string())?;
        if head.status.is_success() { Ok(()) } else { Err(format!("it answered {}", head.status)) }
    }
}
