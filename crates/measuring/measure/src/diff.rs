//! Two measurements beside each other: what became faster, what slower, and what cannot be said.

use std::collections::{BTreeSet, HashMap};

use journey::{Change, Comparison, Row, compare};
use serde::{Deserialize, Serialize};

use crate::measured::{Measured, SCHEMA};
use crate::series::Series;

/// The form in which a comparison is written, with its version.
pub const FORM: &str = "journey-diff/1";
/// The confidence of a verdict about a total, and of all verdicts about parts of one kind together.
pub const CONFIDENCE: f64 = 0.95;
/// A difference below this is none, whatever the share: clocks and system calls are no finer.
const LEAST_NS: u64 = 1_000;
/// Where other programs took this much more or less of the machine, the two are hardly comparable.
const BUSIER: f64 = 0.2;
/// Likewise, where programs waited that many times longer for a core.
const WAITED: f64 = 1.5;

/// A comparison of two measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// `journey-diff/1`.
    pub schema: String,
    /// How the verdicts were reached.
    pub statistic: String,
    /// What makes the two hard to compare.
    pub warnings: Vec<String>,
    /// Cold journeys, if both have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<KindDiff>,
    /// Warm journeys, if both have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<KindDiff>,
}

/// Journeys of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindDiff {
    /// How many journeys of the first measurement are compared: those that were kept and are clean.
    pub before_journeys: usize,
    /// And of the second.
    pub after_journeys: usize,
    /// Of whole journeys, from the first byte sent to the last byte read.
    pub total: Comparison,
    /// The confidence of each part's interval, so strict that all of them together have [`CONFIDENCE`].
    pub part_confidence: f64,
    /// Every row of the table.
    pub parts: Vec<PartDiff>,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartDiff {
    /// The stage, role, kind and name that its parts share.
    #[serde(flatten)]
    pub row: Row,
    /// What was measured, and the verdict. A journey without this part counts with 0.
    #[serde(flatten)]
    pub comparison: Comparison,
}

impl Diff {
    /// Is a total slower?
    pub fn slower(&self) -> bool {
        self.cold.iter().chain(&self.warm).any(|kind| kind.total.verdict == Change::Slower)
    }
}

/// Compares two measurements; differences of less than `least` (a share of the first median) are none.
///
/// # Errors
/// They have no kind of journey in common, or are no measurements of this form.
pub fn diff(before: &Measured, after: &Measured, least: f64) -> anyhow::Result<Diff> {
    for measured in [before, after] {
        anyhow::ensure!(measured.schema == SCHEMA, "{:?} is not the form {SCHEMA:?}", measured.schema);
    }
    let kind =
        |before: &Option<Series>, after: &Option<Series>| kind(before.as_ref()?, after.as_ref()?, least);
    let (cold, warm) = (kind(&before.cold, &after.cold), kind(&before.warm, &after.warm));
    anyhow::ensure!(
        cold.is_some() || warm.is_some(),
        "the two measurements have no clean journeys of the same kind: make both cold, or both warm"
    );
    Ok(Diff {
        schema: FORM.to_owned(),
        statistic: statistic(least),
        warnings: warnings(before, after),
        cold,
        warm,
    })
}

fn statistic(least: f64) -> String {
    format!(
        "difference of medians with its {:.0} % interval from order statistics (Price and Bonett), widened where \
         journeys resemble their neighbours; all parts of a kind have {:.0} % together (Bonferroni). Faster or \
         slower: the whole interval lies beyond {} µs and beyond {} % of the first median.",
        CONFIDENCE * 100.0,
        CONFIDENCE * 100.0,
        LEAST_NS / 1_000,
        least * 100.0,
    )
}

fn kind(before: &Series, after: &Series, least: f64) -> Option<KindDiff> {
    let (before, after) = (Samples::of(before), Samples::of(after));
    let compared = |before: &[u64], after: &[u64], confidence: f64| {
        let first = compare(before, after, confidence, 0)?;
        let least_ns = ((first.before_ns as f64 * least) as u64).max(LEAST_NS);
        compare(before, after, confidence, least_ns)
    };
    let new = after.order.iter().filter(|row| !before.rows.contains_key(*row));
    let rows: Vec<&Row> = before.order.iter().chain(new).collect();
    let part_confidence = 1.0 - (1.0 - CONFIDENCE) / rows.len().max(1) as f64;
    let part = |row: &Row| {
        let comparison = compared(&before.row(row), &after.row(row), part_confidence)?;
        Some(PartDiff { row: row.clone(), comparison })
    };
    let mut parts: Vec<PartDiff> = rows.into_iter().filter_map(part).collect();
    parts.sort_by_key(|part| part.row.stage);
    Some(KindDiff {
        before_journeys: before.totals.len(),
        after_journeys: after.totals.len(),
        total: compared(&before.totals, &after.totals, CONFIDENCE)?,
        part_confidence,
        parts,
    })
}

/// The times of all clean journeys, in the order in which they were made.
struct Samples {
    totals: Vec<u64>,
    order: Vec<Row>,
    rows: HashMap<Row, Vec<u64>>,
}

impl Samples {
    fn of(series: &Series) -> Samples {
        let clean: Vec<_> = series.journeys.iter().filter(|journey| journey.clean()).collect();
        let mut order: Vec<Row> =
            series.summary.iter().flat_map(|summary| &summary.parts).map(|part| part.row.clone()).collect();
        let mut rows: HashMap<Row, Vec<u64>> = HashMap::new();
        for (at, journey) in clean.iter().enumerate() {
            for part in &journey.parts {
                let row = Row::of(part, journey);
                let times = rows.entry(row).or_insert_with(|| vec![0; clean.len()]);
                times[at] += part.duration_ns;
            }
        }
        // Rows that only journeys have which were not kept: nothing can be compared there.
        order.retain(|row| rows.contains_key(row));
        Samples { totals: clean.iter().map(|journey| journey.total_ns).collect(), order, rows }
    }

    fn row(&self, row: &Row) -> Vec<u64> {
        self.rows.get(row).cloned().unwrap_or_else(|| vec![0; self.totals.len()])
    }
}

/// What makes two measurements hard to compare.
fn warnings(before: &Measured, after: &Measured) -> Vec<String> {
    let mut warnings = Vec::new();
    if before.build != after.build {
        warnings.push(format!("the builds differ: {} and {}", before.build, after.build));
    }
    if before.network != after.network {
        warnings.push(format!("the networks differ: {} and {}", before.network, after.network));
    }
    let hops = |measured: &Measured| -> BTreeSet<String> {
        let name = |opaque| if opaque { " (opaque)" } else { "" };
        measured.hops.iter().map(|hop| format!("{}{}", hop.name, name(hop.opaque))).collect()
    };
    let (left, right) = (hops(before), hops(after));
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| -> String {
        these.difference(those).cloned().collect::<Vec<_>>().join(", ")
    };
    match (only(&left, &right), only(&right, &left)) {
        (gone, new) if gone.is_empty() && new.is_empty() => {}
        (gone, new) => warnings.push(format!("the hops differ: only before [{gone}], only after [{new}]")),
    }
    if before.machine.cores != after.machine.cores {
        let cores = (before.machine.cores, after.machine.cores);
        warnings.push(format!("the machines differ: {} and {} cores", cores.0, cores.1));
    }
    let busy = |measured: &Measured| measured.machine.others_share.unwrap_or(0.0);
    if (busy(before) - busy(after)).abs() > BUSIER {
        warnings.push(format!(
            "other programs took {:.0} % of the machine before and {:.0} % after: what is slower may be them",
            busy(before) * 100.0,
            busy(after) * 100.0
        ));
    }
    let waited = |measured: &Measured| measured.machine.waited_per_second.unwrap_or(0.0);
    let (less, more) = (waited(before).min(waited(after)), waited(before).max(waited(after)));
    if more > WAITED * less + 0.2 {
        warnings.push(format!(
            "the programs waited {:.1} s for a core per second that they ran before, and {:.1} s after: what \
             differs may be the machine",
            waited(before),
            waited(after)
        ));
    }
    for (kind, before, after) in [("cold", &before.cold, &after.cold), ("warm", &before.warm, &after.warm)] {
        if let (Some(before), Some(after)) = (before, after) {
            series_warnings(&mut warnings, kind, before, after);
        }
    }
    warnings
}

fn series_warnings(warnings: &mut Vec<String>, kind: &str, before: &Series, after: &Series) {
    let rate =
        |series: &Series| series.open_loop.as_ref().map(|run| (run.wanted_per_second * 10.0).round() as u64);
    if rate(before) != rate(after) {
        let said = |series| match rate(series) {
            None => "one after the other".to_owned(),
            Some(tenths) => format!("{}.{} per second", tenths / 10, tenths % 10),
        };
        warnings.push(format!("the {kind} requests were sent {} and {}", said(before), said(after)));
    }
    let usual = |series: &Series| {
        let counts = series.summary.as_ref()?.counts.first()?.counts;
        Some([
            counts.connections_opened,
            counts.connections_reused,
            counts.tls_handshakes,
            counts.dns_queries,
        ])
    };
    if let (Some(one), Some(other)) = (usual(before), usual(after))
        && one != other
    {
        warnings.push(format!(
            "the {kind} journeys do different things: {one:?} and {other:?} connections opened and re-used, TLS \
             handshakes, DNS questions"
        ));
    }
    for (which, series) in [("first", before), ("second", after)] {
        let Some(summary) = &series.summary else { continue };
        if summary.flagged * 20 > summary.journeys {
            warnings.push(format!(
                "of the {which} measurement's {} {kind} journeys {} were strange and are left out",
                summary.journeys, summary.flagged
            ));
        }
    }
}

#[cfg(test)]
mod tests;
