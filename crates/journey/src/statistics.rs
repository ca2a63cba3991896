//! Many journeys of one kind, summed up.
//!
//! Percentiles of parts do not add up to the percentile of the total. So beside them stands the
//! *decomposition*: real journeys, those whose total lies nearest to the total's p50 (and p99), averaged
//! part by part.

use serde::{Deserialize, Serialize};

use crate::part::{Counts, Journey, PartKind, Stage};
use crate::tally::{Row, Tally};
use crate::trace::TraceId;

/// A row over all journeys; journeys that have no such part count with 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartSummary {
    /// Which.
    #[serde(flatten)]
    pub row: Row,
    /// In how many journeys it occurs.
    pub journeys: usize,
    /// Of the time of all journeys together, from 0 to 1.
    pub share: f64,
    /// Half of the journeys spent at most this on it, in nanoseconds.
    pub p50_ns: u64,
    /// Nine in ten.
    pub p90_ns: u64,
    /// Ninety-nine in a hundred.
    pub p99_ns: u64,
    /// The most.
    pub max_ns: u64,
}

/// A row of a decomposition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartMean {
    /// Which.
    #[serde(flatten)]
    pub row: Row,
    /// Mean over the journeys, in nanoseconds.
    pub duration_ns: u64,
}

/// The mean of journeys whose totals are nearest to a percentile of all: its parts add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decomposition {
    /// How many journeys.
    pub journeys: usize,
    /// Their mean total, in nanoseconds.
    pub total_ns: u64,
    /// What no part accounts for: the total less the sum of the parts.
    pub unaccounted_ns: i64,
    /// Where the time went, in the order of a journey.
    pub parts: Vec<PartMean>,
}

impl Decomposition {
    /// The time of one row, in nanoseconds.
    pub fn of(&self, row: &Row) -> u64 {
        self.parts.iter().find(|part| part.row == *row).map_or(0, |part| part.duration_ns)
    }
}

/// The decomposition near the median and near the tail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decompositions {
    /// One journey in twenty, nearest to the median.
    pub p50: Decomposition,
    /// One journey in a hundred, nearest to the 99th percentile.
    pub p99: Decomposition,
}

/// Counts that some journeys have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsShared {
    /// How many journeys.
    pub journeys: usize,
    /// The counts; bytes are those of the first of them, because header compression makes them vary.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A journey that is in no figure, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flagged {
    /// Which.
    pub trace_id: TraceId,
    /// What is wrong with it.
    pub what: Vec<String>,
}

/// Many journeys of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many.
    pub journeys: usize,
    /// The shortest total, in nanoseconds.
    pub min_ns: u64,
    /// Half of the totals are at most this, in nanoseconds.
    pub p50_ns: u64,
    /// Nine in ten.
    pub p90_ns: u64,
    /// Ninety-nine in a hundred.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// The median of what no part accounts for, without its sign, in nanoseconds.
    pub unaccounted_p50_ns: u64,
    /// Journeys left out because something about them was strange or a hop stayed silent.
    pub flagged: usize,
    /// Every row, in the order of a journey.
    pub parts: Vec<PartSummary>,
    /// Where the time of usual and of slow journeys went.
    pub decomposition: Decompositions,
    /// The counts, the most frequent first: one entry when all journeys agree.
    pub counts: Vec<CountsShared>,
}

impl Journey {
    /// What makes this journey unfit for statistics; empty for most.
    pub fn flaws(&self) -> Vec<String> {
        let silent = self.silent.iter().map(|hop| format!("{hop} did not report"));
        let strange = self.anomalies.iter().map(|anomaly| format!("{}: {}", anomaly.hop, anomaly.what));
        silent.chain(strange).collect()
    }

    /// Sealed, and nothing about it is strange.
    pub fn clean(&self) -> bool {
        self.sealed() && self.anomalies.is_empty()
    }
}

/// One line of a table: the same part of several journeys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The instance if it was the same in all journeys, else the role.
    pub hop: String,
    /// The role.
    pub role: String,
    /// What the time was spent on.
    pub kind: PartKind,
    /// What was done.
    pub name: String,
    /// The chapter's line.
    pub stage: Stage,
    /// How many calls deep.
    pub depth: u16,
    /// Mean over the journeys, in nanoseconds.
    pub duration_ns: u64,
}

/// Sums up journeys; `None` when none is clean. Flagged ones count, but nothing is read from them.
pub fn summarize(journeys: &[Journey]) -> Option<Summary> {
    let mut tally = Tally::default();
    journeys.iter().for_each(|journey| tally.add(journey));
    tally.summary(journeys)
}

/// The smallest value that at least `percent` of all are not above (nearest rank).
pub(crate) fn percentile(sorted: &[u64], percent: f64) -> Option<u64> {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// The clean journeys whose totals lie nearest to a percentile of all totals: one in twenty, in the
/// outer tenths one in a hundred (the tail is steep), at least one.
pub fn near(journeys: &[Journey], percent: f64) -> Vec<&Journey> {
    let mut clean: Vec<&Journey> = journeys.iter().filter(|journey| journey.clean()).collect();
    clean.sort_by_key(|journey| journey.total_ns);
    if clean.is_empty() {
        return clean;
    }
    let rank = ((percent / 100.0 * clean.len() as f64).ceil() as usize).clamp(1, clean.len()) - 1;
    let one_in = if (10.0..=90.0).contains(&percent) { 20 } else { 100 };
    let width = (clean.len() / one_in).max(1);
    let first = rank.saturating_sub(width / 2).min(clean.len() - width);
    clean[first..first + width].to_vec()
}

/// The table of several journeys: their parts, averaged where they are the same.
///
/// Journeys that took another way (more or other parts) than the first are left out, so that the
/// lines still add up to a mean total. Returns the lines and how many journeys they stand for.
pub fn lines(journeys: &[&Journey]) -> (Vec<Line>, usize) {
    let Some(first) = journeys.first() else { return (Vec::new(), 0) };
    let same_way = |journey: &&&Journey| {
        journey.parts.len() == first.parts.len()
            && journey.parts.iter().zip(&first.parts).all(|(a, b)| a.role == b.role && a.kind == b.kind)
    };
    let alike: Vec<&&Journey> = journeys.iter().filter(same_way).collect();
    let lines = (0..first.parts.len())
        .map(|at| {
            let part = &first.parts[at];
            let sum: u64 = alike.iter().map(|journey| journey.parts[at].duration_ns).sum();
            let one_hop = alike.iter().all(|journey| journey.parts[at].hop == part.hop);
            Line {
                hop: if one_hop { part.hop.clone() } else { part.role.clone() },
                role: part.role.clone(),
                kind: part.kind,
                name: part.name.clone(),
                stage: part.stage,
                depth: part.depth,
                duration_ns: sum / alike.len() as u64,
            }
        })
        .collect();
    (lines, alike.len())
}

#[cfg(test)]
mod tests;
