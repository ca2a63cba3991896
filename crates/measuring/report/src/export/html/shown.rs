//! One kind of journeys on the page.

use journey::Journey;
use measure::Series;

/// One kind of journeys and the one that stands for it.
pub(super) struct Shown<'a> {
    pub(super) kind: &'static str,
    pub(super) series: &'a Series,
    pub(super) journey: &'a Journey,
}

impl Shown<'_> {
    /// How many were made; not all of very many are kept.
    pub(super) fn count(&self) -> usize {
        self.series.summary.as_ref().map_or(self.series.journeys.len(), |summary| summary.journeys)
    }

    /// The median of the totals, in nanoseconds; of too few for one, that of the journey that is shown.
    pub(super) fn median(&self) -> u64 {
        let median = self.series.summary.as_ref().and_then(|summary| summary.total.p50_ns);
        median.unwrap_or(self.journey.total_ns)
    }
}
