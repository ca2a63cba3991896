//! What became of the requests so far.

use std::time::Instant;

use browser::Response;
use hop::clock;
use journey::{Histogram, TraceId};

use super::schedule::Due;
use crate::collect::Collector;

/// What is noted of every request.
#[derive(Default)]
pub(super) struct Outcomes {
    pub(super) response: Histogram,
    pub(super) service: Histogram,
    pub(super) recorded: Vec<(usize, TraceId)>,
    pub(super) sent: usize,
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
                    self.recorded.push((due.at, response.trace_id));
                    collector.insert(response.spans);
                }
            }
            Err(error) => {
                self.failed += 1;
                self.first_failure.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
}
