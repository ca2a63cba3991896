//! What came of requests that were sent at their times: how the rate was kept, and how long they took.

use journey::Percentiles;
use serde::{Deserialize, Serialize};

/// Below this share of the rate that was wanted, the report says that the stack does not keep up.
const KEPT_UP: f64 = 0.95;

/// How a rate was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenLoop {
    /// Requests per second that were wanted: those of the schedule.
    pub wanted_per_second: f64,
    /// Requests per second that were answered as hoped, from the first one's time to the last one's answer
    /// (or to the end of the schedule, if that is later).
    pub achieved_per_second: f64,
    /// Over so many connections, one request at a time on each.
    pub connections: usize,
    /// How many requests were begun.
    pub sent: usize,
    /// How many of them were answered as hoped.
    pub answered: usize,
    /// How many were not: they are in no figure.
    pub failed: usize,
    /// The first failure; absent when there is none.
    pub first_failure: Option<String>,
    /// The most requests that were under way at once.
    pub most_at_once: usize,
    /// The most requests that waited for a connection at once.
    pub most_waiting: usize,
    /// From the time at which each request was due to its last byte: what a user would see. These are the figures of
    /// all that were answered, recorded or not.
    pub response: Percentiles,
    /// From the time at which the browser began to its last byte: what a closed loop would report.
    pub service: Percentiles,
    /// How much later than due the pacing thread itself was: the generator's own error.
    pub pacing: Percentiles,
    /// How many were due and never sent, because it had ended before its time: they are in no figure, and each would
    /// have taken longer than it was waited for.
    #[serde(default)]
    pub unsent: usize,
    /// Why it ended before its time; absent when it did not.
    pub stopped: Option<String>,
}

impl OpenLoop {
    /// Was the rate that was wanted achieved?
    pub fn kept_up(&self) -> bool {
        self.stopped.is_none() && self.achieved_per_second >= KEPT_UP * self.wanted_per_second
    }
}
