//! Journeys, put together from the spans of many requests.

use std::time::Duration;

use hop::clock;
use journey::{Anomaly, Journey, Tally, TraceId};

use crate::collect::Collector;
use crate::machine::StealTime;
use crate::open_loop::OpenLoop;
use crate::series::{Failures, Series};
use crate::target::Target;

/// How long the hops may take to report a finished journey.
const SEAL_LIMIT: Duration = Duration::from_secs(3);

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
        traces: &[TraceId],
        steal_time: &StealTime,
    ) {
        let roster = target.roster();
        // All of them are over: they have the same time to be sealed, not one after the other.
        let begun = clock::monotonic();
        for &trace_id in traces {
            let at = self.added;
            self.added += 1;
            let left = SEAL_LIMIT.saturating_sub(clock::since(begun));
            let journey = collector.journey(trace_id, &roster, left).await;
            collector.release(trace_id);
            let Some(mut journey) = journey else { continue };
            let stolen = steal_time.during(journey.start_unix_ns, journey.start_unix_ns + journey.total_ns);
            if stolen > 0 {
                let what = "a hypervisor took a core away during this journey".to_owned();
                journey.anomalies.push(Anomaly { hop: "machine".to_owned(), what, by_ns: stolen });
            }
            self.tally.add(&journey);
            if spread(at, self.of, self.keep) {
                self.kept.push(journey);
            }
        }
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

/// Is the one at `at` (from 0) among `keep` that are spread evenly over `of`?
pub(crate) fn spread(at: usize, of: usize, keep: usize) -> bool {
    keep >= of || at * keep / of != (at + 1) * keep / of
}

#[cfg(test)]
mod tests;
