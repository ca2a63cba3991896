//! Which upstreams may be asked at all?
//!
//! Two witnesses. *Actively* each upstream is asked for its health path at an interval: `fall`
//! failures in a row take it out, `rise` successes in a row bring it back, so that one lost answer
//! changes nothing and one lucky answer neither. *Passively* every real request tells something too:
//! connections refused several times in a row eject an upstream at once, long before the next check.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::header;
use hyper::{Request, Response};
use tokio::time::MissedTickBehavior;

use hop::http::client::ClientLimits;
use hop::http::{Body, Client, Exchange, empty};

use crate::config::Settings;
use crate::upstreams::Upstream;

/// How many in a row it takes.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Successful checks, to come back.
    pub rise: u32,
    /// Failed checks, to be taken out.
    pub fall: u32,
    /// Connections refused, to be ejected.
    pub eject_after: u32,
}

/// What became of an upstream by one observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It may be asked from now on.
    Up,
    /// It is not asked any more.
    Down,
}

/// One upstream's health. Starts as unknown, which is not healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    up: bool,
    /// Has it ever been up?
    known: bool,
    /// Checks in a row that speak against the present state.
    against: u32,
    /// Connections refused in a row.
    refused: u32,
}

impl Health {
    /// May it be asked?
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Has it never been up so far?
    pub fn is_new(&self) -> bool {
        !self.known
    }

    /// A check succeeded or failed.
    pub fn checked(&mut self, success: bool, thresholds: Thresholds) -> Option<Change> {
        if success == self.up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        // The very first success counts at once: at start there is no bad past to be forgotten.
        let needed = match success {
            true if !self.known => 1,
            true => thresholds.rise,
            false => thresholds.fall,
        };
        (self.against >= needed).then(|| self.turn(success))
    }

    /// A real request found the connection refused.
    pub fn refused(&mut self, thresholds: Thresholds) -> Option<Change> {
        self.refused += 1;
        (self.up && self.refused >= thresholds.eject_after).then(|| self.turn(false))
    }

    /// A real request got a connection.
    pub fn connected(&mut self) {
        self.refused = 0;
    }

    fn turn(&mut self, up: bool) -> Change {
        *self = Health { up, known: self.known || up, against: 0, refused: 0 };
        if up { Change::Up } else { Change::Down }
    }
}

/// Asks upstreams how they are.
pub struct Checker {
    client: Client,
    path: String,
    interval: Duration,
    limit: Duration,
}

impl Checker {
    /// As the settings say.
    pub fn new(settings: &Settings) -> Self {
        let limit = Duration::from_millis(settings.health_timeout_ms);
        // A pool of its own: the connections of real requests stay what real requests made of them.
        let limits = ClientLimits { connect: limit, response: limit, idle: 1, ..ClientLimits::default() };
        Checker {
            client: Client::new(limits),
            path: settings.health_path.clone(),
            interval: Duration::from_millis(settings.health_interval_ms),
            limit,
        }
    }

    /// Checks for ever. An upstream that has not been up yet is asked ten times as often: while
    /// everything starts, it may be ready any moment.
    pub async fn run(self: Arc<Self>, upstream: Arc<Upstream>) {
        loop {
            let pause = if upstream.is_new() { self.interval / 10 } else { self.interval };
            let mut pause = tokio::time::interval(pause.max(Duration::from_millis(1)));
            pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pause.tick().await; // the first tick is now
            pause.tick().await;
            self.check(&upstream).await;
        }
    }

    /// Checks once.
    pub async fn check(&self, upstream: &Upstream) {
        let outcome = tokio::time::timeout(self.limit, self.ask(upstream)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.limit)));
        upstream.checked(outcome);
    }

    async fn ask(&self, upstream: &Upstream) -> Result<(), String> {
        let request = Request::get(self.path.as_str())
            .header(header::HOST, upstream.address().to_string())
            .header(header::USER_AGENT, "lb-health-check")
            .body(empty())
            .map_err(|error| error.to_string())?;
        let sent = self.client.send(upstream.address(), request, &Exchange::unrecorded()).await;
        let response: Response<Body> = sent.map_err(|error| error.problem().detail)?;
        let status = response.status();
        // Read to its end, so that the connection can be used again.
        let body: Body = Limited::new(response.into_body(), 64 << 10).boxed_unsync();
        body.collect().await.map_err(|error| error.to_string())?;
        if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
    }
}

#[cfg(test)]
mod tests;
