//! Journeys, put together from the spans of many requests.

use std::time::Duration;

use hop::clock;
use journey::{Anomaly, Journey, Tally};

use crate::collect::Collector;
use crate::job::Answered;
use crate::machine::StealTime;
use crate::open_loop::OpenLoop;
use crate::series::{Failures, Series};
use crate::target::Target;

/// How long the hops may take to report a finished journey.
const SEAL_LIMIT: Duration = Duration::from_secs(3);
/// How long what requests left to be done may take altogether: programs do it within a second, many at once.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);

/// Journeys, being put together.
pub(crate) struct Assembly {
    tally: Tally,
    kept: Vec<Journey>,
    /// So many have been added.
    added: usize,
    of: usize,
    keep: usize,
}

impl Assembly {
    pub(crate) fn new(of: usize, keep: usize) -> Self {
        Assembly { tally: Tally::default(), kept: Vec::new(), added: 0, of, keep }
    }

    /// Puts journeys together.
    pub(crate) async fn add(
        &mut self,
        target: &Target,
        collector: &Collector,
        requests: &[Answered],
        steal_time: &StealTime,
    ) {
        let roster = target.roster();
        // All of them are over: they have the same time to be sealed, not one after the other.
        let begun = clock::monotonic();
        for &Answered { trace_id, total_ns } in requests {
            let at = self.added;
            self.added += 1;
            let left = SEAL_LIMIT.saturating_sub(clock::since(begun));
            let journey = collector.journey(trace_id, &roster, left).await;
            collector.release(trace_id);
            let Some(mut journey) = journey else {
                self.tally.add_lost(trace_id, total_ns);
                continue;
            };
            mark_stolen(&mut journey, steal_time);
            self.tally.add(&journey);
            if spread(at, self.of, self.keep) {
                self.kept.push(journey);
            }
        }
    }

    /// Waits for what the kept ones left to be done.
    pub(crate) async fn settle(&mut self, target: &Target, collector: &Collector) {
        let (roster, begun) = (target.roster(), clock::monotonic());
        for journey in &mut self.kept {
            let left = SETTLE_LIMIT.saturating_sub(clock::since(begun));
            collector.settle(journey, &roster, left).await;
        }
    }

    /// Requests of which nothing but the total is known.
    pub(crate) fn add_unrecorded(&mut self, totals: &[u64]) {
        totals.iter().for_each(|total_ns| self.tally.add_unrecorded(*total_ns));
    }

    pub(crate) fn series(self, open_loop: Option<OpenLoop>) -> Series {
        Series {
            summary: self.tally.summary(&self.kept),
            flagged: self.tally.flagged().to_vec(),
            open_loop,
            failures: Failures::default(),
            journeys: self.kept,
        }
    }
}

/// Says that a hypervisor took a core while a journey was under way. It counts all the same: the slower a journey, the
/// more likely it is hit, and figures without those would be figures without the slow ones.
fn mark_stolen(journey: &mut Journey, steal_time: &StealTime) {
    let by_ns = steal_time.during(journey.start_unix_ns, journey.start_unix_ns + journey.total_ns);
    if by_ns > 0 {
        let what = "a hypervisor took a core away during this journey".to_owned();
        journey.disturbances.push(Anomaly { hop: "machine".to_owned(), what, by_ns });
    }
}

/// Is the one at `at` (from 0) among `keep` that are spread evenly over `of`?
pub(crate) fn spread(at: usize, of: usize, keep: usize) -> bool {
    keep >= of || at * keep / of != (at + 1) * keep / of
}

#[cfg(test)]
mod tests;
