//! What became of the requests so far.

use std::time::Instant;

use browser::Response;
use hop::clock;
use journey::Histogram;

use super::schedule::Due;
use crate::collect::Collector;
use crate::job::Answered;

/// What is noted of every request.
#[derive(Default)]
pub(super) struct Outcomes {
    pub(super) response: Histogram,
    pub(super) service: Histogram,
    /// With their numbers: they are answered in another order than they were due.
    pub(super) recorded: Vec<(usize, Answered)>,
    /// How long the others took, in nanoseconds.
    pub(super) unrecorded: Vec<u64>,
    pub(super) sent: usize,
    /// Due, and given up before they were sent.
    pub(super) unsent: usize,
    pub(super) failed: usize,
    pub(super) first_failure: Option<String>,
    pub(super) most_at_once: usize,
    pub(super) most_waiting: usize,
    pub(super) last: Option<Instant>,
}

impl Outcomes {
    pub(super) fn note(
        &mut self,
        collector: &Collector,
        due: Due,
        sampled: bool,
        response: anyhow::Result<Response>,
    ) {
        match response {
            Ok(response) => {
                self.response.record(response.total_ns);
                self.service.record(response.service_ns);
                self.last = Some(clock::monotonic());
                if sampled {
                    self.recorded.push((due.at, Answered::of(&response)));
                    collector.insert(response.spans);
                } else {
                    self.unrecorded.push(response.total_ns);
                }
            }
            Err(error) => {
                self.failed += 1;
                self.first_failure.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
}
