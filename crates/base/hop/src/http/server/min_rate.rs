//! How slowly a body may pass.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::clock;

/// The slowest pace at which a peer may send a request's body or take a response's.
///
/// Only time in which the *peer* is waited for counts: a handler that does not read, or an upstream that
/// sends nothing, is not the peer's fault. (Apache's `mod_reqtimeout` has the same two numbers for request
/// bodies; nginx and HAProxy have only the first.)
#[derive(Clone, Copy, Debug)]
pub struct MinRate {
    /// The longest wait for the next byte, and the time that a body may take besides [`MinRate::rate`].
    pub stall: Duration,
    /// Bytes per second that a body must make on average after that; at least 1.
    pub rate: u64,
}

impl Default for MinRate {
    fn default() -> Self {
        MinRate { stall: Duration::from_secs(10), rate: 500 }
    }
}

/// How much of one body has passed, and how long its peer was waited for.
pub(in crate::http) struct RateWatch {
    limit: MinRate,
    bytes: u64,
    waited: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl RateWatch {
    pub(in crate::http) fn new(limit: MinRate) -> Self {
        RateWatch { limit, bytes: 0, waited: Duration::ZERO, since: None, timer: None }
    }

    /// The peer is being waited for: ready when that has lasted too long.
    pub(in crate::http) fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.since.is_none() {
            let now = clock::monotonic();
            self.since = Some(now);
            let until = tokio::time::Instant::from_std(now + self.allowed());
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(until),
                none => *none = Some(Box::pin(tokio::time::sleep_until(until))),
            }
        }
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(context))
    }

    /// The peer has sent or taken so many bytes.
    pub(in crate::http) fn moved(&mut self, bytes: usize) {
        self.stop();
        self.bytes += bytes as u64;
    }

    /// The peer is not the one who is waited for.
    pub(in crate::http) fn stop(&mut self) {
        if let Some(since) = self.since.take() {
            self.waited += clock::since(since);
        }
    }

    /// Bytes so far.
    pub(in crate::http) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How long the next wait may last.
    fn allowed(&self) -> Duration {
        let earned = Duration::from_secs_f64(self.bytes as f64 / self.limit.rate.max(1) as f64);
        self.limit.stall.min((self.limit.stall + earned).saturating_sub(self.waited))
    }
}

#[cfg(test)]
mod tests;
