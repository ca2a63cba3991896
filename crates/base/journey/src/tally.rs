//! Adding journeys up, one by one, in bounded memory.

use std::collections::HashMap;

use crate::histogram::Histogram;
use crate::journey::Journey;
use crate::part::Counts;
use crate::percentile::{Percentiles, near, percentile};
use crate::summary::{
    CountsShared, Decomposition, Decompositions, Flagged, PartMean, PartSummary, Row, Summary,
};
use crate::trace::TraceId;

/// How many flagged journeys are listed; all of them are counted.
const LISTED: usize = 100;

/// Adds journeys up one by one, so that not all of them need to be kept.
#[derive(Debug, Default)]
pub struct Tally {
    journeys: usize,
    totals: Vec<u64>,
    undisturbed: Vec<u64>,
    unaccounted: Vec<i64>,
    strange: usize,
    disturbed: usize,
    rows: Rows,
    spent: Vec<(Histogram, u64)>,
    counts: Vec<CountsShared>,
    flagged: Vec<Flagged>,
}

impl Tally {
    /// Adds a journey. Of a strange one only the total counts, which the client took by a clock of its own.
    pub fn add(&mut self, journey: &Journey) {
        self.journeys += 1;
        self.totals.push(journey.total_ns);
        self.disturbed += usize::from(!journey.disturbances.is_empty());
        if journey.undisturbed() {
            self.undisturbed.push(journey.total_ns);
        }
        if !journey.clean() {
            self.flag(journey.trace_id, journey.flaws());
            return;
        }
        self.unaccounted.push(journey.unaccounted_ns);
        let spent = self.rows.spent(journey);
        self.spent.resize_with(self.rows.rows.len(), Default::default);
        for (at, duration) in spent {
            self.spent[at].0.record(duration);
            self.spent[at].1 += duration;
        }
        let bare = |counts: &Counts| Counts { request_bytes: None, response_bytes: None, ..*counts };
        match self.counts.iter_mut().find(|shared| bare(&shared.counts) == bare(&journey.counts)) {
            Some(shared) => shared.journeys += 1,
            None => self.counts.push(CountsShared { journeys: 1, counts: journey.counts }),
        }
    }

    /// Adds a request that got its response and was not recorded.
    pub fn add_unrecorded(&mut self, total_ns: u64) {
        self.totals.push(total_ns);
    }

    /// Adds a request that got its response and should have been recorded, but no span of which is there.
    pub fn add_lost(&mut self, trace_id: TraceId, total_ns: u64) {
        self.journeys += 1;
        self.totals.push(total_ns);
        self.flag(trace_id, vec!["none of its spans came in".to_owned()]);
    }

    fn flag(&mut self, trace_id: TraceId, what: Vec<String>) {
        self.strange += 1;
        if self.flagged.len() < LISTED {
            self.flagged.push(Flagged { trace_id, what });
        }
    }

    /// The first hundred flagged journeys.
    pub fn flagged(&self) -> &[Flagged] {
        &self.flagged
    }

    /// The sum of all; `None` when there is no clean journey. The decompositions are those of `kept`, which
    /// should be all journeys, or a fair sample of them.
    pub fn summary(&self, kept: &[Journey]) -> Option<Summary> {
        let clean = self.journeys - self.strange;
        let mut unaccounted = self.unaccounted.clone();
        unaccounted.sort_unstable();
        let everything = self.spent.iter().map(|(_, sum)| *sum).sum::<u64>().cast_signed()
            + unaccounted.iter().sum::<i64>();
        let part = |at: usize| {
            let (histogram, sum) = &self.spent[at];
            let row = &self.rows.rows[at];
            let at = |percent| histogram.percentile_among(percent, clean);
            PartSummary {
                row: row.clone(),
                journeys: histogram.len(),
                share: *sum as f64 / everything.max(1) as f64,
                p50_ns: at(50.0),
                p90_ns: at(90.0),
                p99_ns: at(99.0),
                max_ns: histogram.max(),
            }
        };
        let mut counts = self.counts.clone();
        counts.sort_by_key(|shared| std::cmp::Reverse(shared.journeys));
        let all: Vec<&Journey> = kept.iter().filter(|journey| journey.clean()).collect();
        (clean > 0).then(|| Summary {
            journeys: self.journeys,
            total: Percentiles::of(self.totals.clone()),
            undisturbed: Percentiles::of(self.undisturbed.clone()),
            unaccounted_p50_ns: percentile(&unaccounted, 50.0),
            flagged: self.strange,
            disturbed: self.disturbed,
            parts: self.rows.in_order().into_iter().map(part).collect(),
            decomposition: Decompositions {
                mean: decompose(&all, &self.rows),
                p50: some_near(kept, 50.0, &self.rows),
                p99: some_near(kept, 99.0, &self.rows),
            },
            counts,
        })
    }
}

fn some_near(kept: &[Journey], percent: f64, rows: &Rows) -> Option<Decomposition> {
    let near = near(kept, percent);
    (!near.is_empty()).then(|| decompose(&near, rows))
}

/// Sums up journeys; `None` when none is clean. Of flagged ones only the total counts.
pub fn summarize(journeys: &[Journey]) -> Option<Summary> {
    let mut tally = Tally::default();
    journeys.iter().for_each(|journey| tally.add(journey));
    tally.summary(journeys)
}

/// All rows met so far, in the order in which a journey passes them.
#[derive(Debug, Default)]
struct Rows {
    rows: Vec<Row>,
    known: HashMap<Row, usize>,
    order: Vec<usize>,
}

impl Rows {
    /// What a journey spent on each row. A row that is new stands behind all that the journey has passed.
    fn spent(&mut self, journey: &Journey) -> HashMap<usize, u64> {
        let mut spent = HashMap::new();
        let mut passed = 0;
        for part in &journey.parts {
            let row = Row::of(part, journey);
            let at = match self.known.get(&row) {
                Some(at) => *at,
                None => self.add(row, passed),
            };
            let position = self.order.iter().position(|other| *other == at).unwrap_or(0);
            passed = passed.max(position + 1);
            *spent.entry(at).or_default() += part.duration_ns;
        }
        spent
    }

    fn add(&mut self, row: Row, position: usize) -> usize {
        let at = self.rows.len();
        self.order.insert(position, at);
        self.known.insert(row.clone(), at);
        self.rows.push(row);
        at
    }

    fn in_order(&self) -> Vec<usize> {
        let mut order = self.order.clone();
        order.sort_by_key(|at| self.rows[*at].stage);
        order
    }
}

/// The mean of some journeys, row by row.
fn decompose(journeys: &[&Journey], rows: &Rows) -> Decomposition {
    let count = journeys.len().max(1) as u64;
    let mut sums: HashMap<Row, u64> = HashMap::new();
    for journey in journeys {
        for part in &journey.parts {
            *sums.entry(Row::of(part, journey)).or_default() += part.duration_ns;
        }
    }
    let total_ns = journeys.iter().map(|journey| journey.total_ns).sum::<u64>() / count;
    let mean = |at: usize| {
        let row = rows.rows[at].clone();
        let duration_ns = sums.get(&row)? / count;
        Some(PartMean { row, duration_ns })
    };
    let parts: Vec<PartMean> = rows.in_order().into_iter().filter_map(mean).collect();
    let sum: u64 = parts.iter().map(|part| part.duration_ns).sum();
    let unaccounted_ns = total_ns.cast_signed() - sum.cast_signed();
    Decomposition { journeys: journeys.len(), total_ns, unaccounted_ns, parts }
}

#[cfg(test)]
mod tests;
