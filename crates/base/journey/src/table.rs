//! The table of a few journeys that took the same way: each line is a mean.

use serde::{Deserialize, Serialize};

use crate::journey::Journey;
use crate::part::{PartKind, Stage};

/// One line of a table: the same part of several journeys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The instance if it was the same in all journeys, else the role.
    pub hop: String,
    /// As in the roster.
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
