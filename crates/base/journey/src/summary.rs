//! Many journeys of one kind, summed up: the values. [`Tally`](crate::Tally) makes them.
//!
//! Percentiles of parts do not add up to the percentile of the total. So beside them stands the
//! *decomposition*: real journeys, those whose total lies nearest to the total's p50 (and p99), averaged
//! part by part.

use serde::{Deserialize, Serialize};

use crate::journey::Journey;
use crate::part::{Counts, Part, PartKind, Stage};
use crate::percentile::Percentiles;
use crate::trace::TraceId;

/// What makes parts of different journeys the same: a row of the table. What occurs more than once in a
/// journey (a proxy works before and after it waits) counts together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Row {
    /// The chapter's line.
    pub stage: Stage,
    /// The hop's role, the same for all replicas.
    pub role: String,
    /// What the time was spent on.
    pub kind: PartKind,
    /// What was done; a leg's ends by their roles.
    pub name: String,
}

impl Row {
    /// The row of a part in its journey.
    pub fn of(part: &Part, journey: &Journey) -> Row {
        let role = |end: &str| {
            let known = journey.parts.iter().find(|part| part.hop == end);
            known.map_or_else(|| end.to_owned(), |part| part.role.clone())
        };
        let name = match part.name.split_once(" → ") {
            Some((from, to)) if part.kind == PartKind::Leg => format!("{} → {}", role(from), role(to)),
            _ => part.name.clone(),
        };
        Row { stage: part.stage, role: part.role.clone(), kind: part.kind, name }
    }
}

/// A row over all journeys; journeys that have no such part count with 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartSummary {
    /// The parts that are summed up.
    #[serde(flatten)]
    pub row: Row,
    /// In how many journeys it occurs.
    pub journeys: usize,
    /// Of the time of all journeys together, from 0 to 1.
    pub share: f64,
    /// The median, in nanoseconds; it and the next two are absent where there are too few journeys.
    pub p50_ns: Option<u64>,
    /// The 90th percentile, in nanoseconds.
    pub p90_ns: Option<u64>,
    /// The 99th percentile, in nanoseconds.
    pub p99_ns: Option<u64>,
    /// The maximum, in nanoseconds.
    pub max_ns: u64,
}

/// A row of a decomposition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartMean {
    /// The parts that are summed up.
    #[serde(flatten)]
    pub row: Row,
    /// Mean over the journeys, in nanoseconds.
    pub duration_ns: u64,
}

/// The mean of journeys whose totals are nearest to a percentile of all: its parts add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decomposition {
    /// That it is the mean of.
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
    /// All of them.
    pub mean: Decomposition,
    /// One journey in twenty, nearest to the median; absent where there are too few for one.
    pub p50: Option<Decomposition>,
    /// One journey in a hundred, nearest to the 99th percentile; absent likewise.
    pub p99: Option<Decomposition>,
}

/// Counts that some journeys have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsShared {
    /// That have them in common.
    pub journeys: usize,
    /// The counts; bytes are those of the first of them, because header compression makes them vary.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A journey about which something is strange: its total counts, its parts are in no row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flagged {
    /// In the collector and in the logs.
    pub trace_id: TraceId,
    /// What is wrong with it.
    pub what: Vec<String>,
}

/// Many journeys of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Journeys that were put together, the flagged ones included.
    pub journeys: usize,
    /// From the beginning of a request to its last byte, of all requests that got a response, however slow and
    /// however strange.
    pub total: Percentiles,
    /// The same of those journeys about which nothing was strange, and which nothing befell.
    pub undisturbed: Percentiles,
    /// The median of what no part accounts for, in nanoseconds; below zero where clocks disagree.
    pub unaccounted_p50_ns: Option<i64>,
    /// Journeys that are in no row, because something about them was strange or a hop stayed silent.
    pub flagged: usize,
    /// Journeys that something befell, such as a core that a hypervisor took. They are in every row.
    pub disturbed: usize,
    /// Every row, in the order of a journey.
    pub parts: Vec<PartSummary>,
    /// Where the time of usual and of slow journeys went.
    pub decomposition: Decompositions,
    /// The counts, the most frequent first: one entry when all journeys agree.
    pub counts: Vec<CountsShared>,
}
