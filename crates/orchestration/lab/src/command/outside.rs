//! Requests that the lab did not send, as its terminal shows them.
//!
//! A person reads a few a second: the first of a quiet moment as a table, the next ones as a line each. A
//! load generator sends thousands: what comes above a few a second is summed up in one line per second, and what comes
//! above `telemetry.outside_per_second` was not recorded at all: the edge counts it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use hop::clock;
use journey::{Histogram, Roster};
use measure::Collector;
use measure::collect::Outside as Request;
use report::Style;

use crate::print;

/// How long the hops may take to report a request.
const SEAL_LIMIT: Duration = Duration::from_secs(2);
/// So many are shown one by one in each [`PERIOD`].
const SHOWN: usize = 5;
/// The time after which what was not shown is summed up.
const PERIOD: Duration = Duration::from_secs(1);

/// Shows requests from outside.
pub(super) struct Outside {
    collector: Collector,
    roster: Roster,
    json: bool,
    style: Style,
    /// The request that is waited for; kept here, so that [`Outside::show`] may be dropped at any time.
    pending: Option<Request>,
    period: Period,
}

/// What happened since a moment.
struct Period {
    begun: Instant,
    shown: usize,
    /// How long the others took.
    more: Histogram,
    /// So many more came than are recorded in a second: of them only the number is known.
    passed_over: u64,
}

impl Period {
    fn new() -> Self {
        Period { begun: clock::monotonic(), shown: 0, more: Histogram::default(), passed_over: 0 }
    }

    /// Is there nothing to sum up?
    fn is_empty(&self) -> bool {
        self.more.is_empty() && self.passed_over == 0
    }

    /// The others in one line, if there are any.
    fn summary(&self) -> Option<String> {
        let at = |percent| report::or_dash(self.more.percentile(percent));
        let (count, seconds) = (self.more.len(), clock::since(self.begun).as_secs_f64());
        let more = (!self.more.is_empty()).then(|| {
            format!(
                "… and {count} more in the last {seconds:.1} s: p50 {}, p99 {}, max {} at their first hop",
                at(50.0),
                at(99.0),
                report::time(self.more.max())
            )
        });
        let passed_over = (self.passed_over > 0).then(|| {
            let count = self.passed_over;
            format!("{count} more requests, not recorded; `lab measure --rate 100` measures under load")
        });
        let said: Vec<String> = more.into_iter().chain(passed_over).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

impl Outside {
    pub(super) fn new(collector: Collector, roster: Roster, json: bool, style: Style) -> Self {
        Outside { collector, roster, json, style, pending: None, period: Period::new() }
    }

    /// Waits for the next request and shows or counts it.
    pub(super) async fn show(&mut self) -> anyhow::Result<()> {
        let request = match self.pending {
            Some(request) => request,
            None => {
                let left = PERIOD.saturating_sub(clock::since(self.period.begun));
                let next = self.collector.next_outside(&self.roster);
                // A period with something to sum up ends by itself.
                let next = match self.period.is_empty() {
                    true => Ok(next.await),
                    false => tokio::time::timeout(left, next).await,
                };
                if clock::since(self.period.begun) >= PERIOD {
                    self.sum_up();
                }
                let Ok(next) = next else { return Ok(()) };
                self.period.passed_over += next.passed_over;
                if self.period.shown == SHOWN {
                    self.period.more.record(next.took_ns);
                    return Ok(());
                }
                *self.pending.insert(next)
            }
        };
        let journey = self.collector.outside_journey(request, &self.roster, SEAL_LIMIT).await;
        self.pending = None;
        self.collector.release(request.trace_id);
        let Some(journey) = journey else { return Ok(()) };
        let text = match (self.json, self.period.shown) {
            (true, _) => serde_json::to_string(&journey)?,
            (false, 0) => report::journey(&journey, "outside", self.style),
            (false, _) => report::layout::wrap(&report::headline(&journey, "outside"), print::width()),
        };
        self.period.shown += 1;
        print::result(&text).context("write to stdout")
    }

    fn sum_up(&mut self) {
        if let Some(summary) = std::mem::replace(&mut self.period, Period::new()).summary() {
            print::note(summary);
        }
    }
}

#[cfg(test)]
mod tests;
