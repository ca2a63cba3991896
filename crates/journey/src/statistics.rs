//! Many journeys in one table.
//!
//! Percentiles of parts do not add up to the percentile of the total. So the table "at p50" is that
//! of real journeys: those whose total lies nearest to the total's p50, averaged part by part.

use serde::{Deserialize, Serialize};

use crate::part::{Journey, PartKind, Stage};

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
}

/// Sums up journeys; `None` when there are none. Flagged ones count, but nothing is read from them.
pub fn summarize(journeys: &[Journey]) -> Option<Summary> {
    let clean: Vec<&Journey> = journeys.iter().filter(|j| j.anomalies.is_empty() && j.sealed()).collect();
    let mut totals: Vec<u64> = clean.iter().map(|journey| journey.total_ns).collect();
    let mut unaccounted: Vec<u64> =
        clean.iter().map(|journey| journey.unaccounted_ns.unsigned_abs()).collect();
    totals.sort_unstable();
    unaccounted.sort_unstable();
    Some(Summary {
        journeys: journeys.len(),
        min_ns: *totals.first()?,
        p50_ns: percentile(&totals, 50.0)?,
        p90_ns: percentile(&totals, 90.0)?,
        p99_ns: percentile(&totals, 99.0)?,
        max_ns: *totals.last()?,
        unaccounted_p50_ns: percentile(&unaccounted, 50.0)?,
        flagged: journeys.len() - clean.len(),
    })
}

/// The smallest value that at least `percent` of all are not above (nearest rank).
fn percentile(sorted: &[u64], percent: f64) -> Option<u64> {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// The journeys whose totals lie nearest to a percentile of all totals: one in twenty, at least one.
pub fn near(journeys: &[Journey], percent: f64) -> Vec<&Journey> {
    let mut clean: Vec<&Journey> = journeys.iter().filter(|j| j.anomalies.is_empty() && j.sealed()).collect();
    clean.sort_by_key(|journey| journey.total_ns);
    if clean.is_empty() {
        return clean;
    }
    let rank = ((percent / 100.0 * clean.len() as f64).ceil() as usize).clamp(1, clean.len()) - 1;
    let width = (clean.len() / 20).max(1);
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
