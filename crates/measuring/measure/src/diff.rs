//! Two sets of runs beside each other: what became faster, what slower, and what cannot be said.
//!
//! A run is one start of the programs with the journeys that were made then. It is the unit: what a start decides, all its
//! journeys share. So the interval comes from how much runs scatter, and one run a side has none.

mod run;
mod warnings;

use journey::{Change, Comparison, Design, Row, Stage, compare_runs, pairs_needed};
use serde::{Deserialize, Serialize};

pub use run::Run;

use run::Samples;

/// The form in which a comparison is written, with its version.
pub const FORM: &str = "journey-diff/2";
/// The confidence of a verdict about a total, and of all verdicts about the stages of one kind together, and of all about
/// its parts.
pub const CONFIDENCE: f64 = 0.95;
/// A difference below this is none, whatever the share: clocks and system calls are no finer.
const LEAST_NS: u64 = 1_000;

/// How runs are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// How they were made.
    pub design: Design,
    /// A smaller difference of medians is none: a share of the first.
    pub least: f64,
    /// An interval that reaches at most so far to either side is narrow enough: a share of the first total.
    pub enough: f64,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted { design: Design::Unpaired, least: 0.02, enough: 0.05 }
    }
}

/// A comparison of two sets of runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// `journey-diff/2`.
    pub schema: String,
    /// How many runs there are of the first side.
    pub before_runs: usize,
    /// And of the second.
    pub after_runs: usize,
    /// How the verdicts were reached.
    pub statistic: String,
    /// Why there is no verdict, and what would give one; absent when there can be one.
    pub undecidable: Option<String>,
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
    /// How many journeys of the first side are compared: those that were kept, slow and strange ones too.
    pub before_journeys: usize,
    /// And of the second.
    pub after_journeys: usize,
    /// Of whole journeys, from the first byte sent to the last byte read.
    pub total: Comparison,
    /// The confidence of each stage's interval, so strict that all of them together have [`CONFIDENCE`].
    pub stage_confidence: f64,
    /// The rows of the chapter's table.
    pub stages: Vec<StageDiff>,
    /// The confidence of each part's interval, likewise.
    pub part_confidence: f64,
    /// What the rows open into.
    pub parts: Vec<PartDiff>,
}

/// One row of the chapter's table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageDiff {
    /// The line of the chapter's table.
    pub stage: Stage,
    /// What was measured, and the verdict.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// The same part of many journeys.
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
    /// The kinds that both sides have, cold before warm, with their names.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, &KindDiff)> {
        let cold = self.cold.as_ref().map(|kind| ("cold", kind));
        cold.into_iter().chain(self.warm.as_ref().map(|kind| ("warm", kind)))
    }

    /// Is a total slower?
    pub fn slower(&self) -> bool {
        self.kinds().any(|(_, kind)| kind.total.verdict == Change::Slower)
    }

    /// Is there a verdict about every total?
    pub fn decided(&self) -> bool {
        self.kinds().all(|(_, kind)| kind.total.verdict != Change::Inconclusive)
    }

    /// The widest of the totals' intervals: half its width as a share of the first side's total.
    pub fn half_width(&self) -> Option<f64> {
        let share =
            |kind: &KindDiff| Some(kind.total.half_width_ns()? as f64 / kind.total.before_ns.max(1) as f64);
        let shares: Option<Vec<f64>> = self.kinds().map(|(_, kind)| share(kind)).collect();
        shares?.into_iter().max_by(f64::total_cmp)
    }
}

/// Compares two sets of runs.
///
/// # Errors
/// They have no kind of journey in common, or a side has none or the same one twice.
pub fn diff(before: &[Run], after: &[Run], wanted: Wanted) -> anyhow::Result<Diff> {
    for (which, runs) in [("first", before), ("second", after)] {
        anyhow::ensure!(!runs.is_empty(), "the {which} side has no measurement");
        anyhow::ensure!(
            !run::twice(runs),
            "a measurement is there twice on the {which} side: it counts once"
        );
    }
    let (one, other) = (run::by_start(before), run::by_start(after));
    let kind = |of: fn(&Run) -> Option<&Samples>| {
        let samples = |runs: &'_ [Run]| runs.iter().map(|run| of(run).cloned()).collect::<Option<Vec<_>>>();
        kind(&samples(&one)?, &samples(&other)?, wanted)
    };
    let (cold, warm) = (kind(|run| run.cold.as_ref()), kind(|run| run.warm.as_ref()));
    anyhow::ensure!(
        cold.is_some() || warm.is_some(),
        "the measurements have no journeys of the same kind: make all of them cold, or all warm"
    );
    Ok(Diff {
        schema: FORM.to_owned(),
        before_runs: one.len(),
        after_runs: other.len(),
        statistic: statistic(wanted),
        undecidable: undecidable(before, after, one.len(), other.len()),
        warnings: warnings::warnings(before, after),
        cold,
        warm,
    })
}

/// How many pairs of runs it takes until the interval of every total is narrow enough, as the pairs so far have it; `None`
/// of fewer than two.
pub fn needed(before: &[Run], after: &[Run], enough: f64) -> Option<usize> {
    let kind = |of: fn(&Run) -> Option<&Samples>| {
        let totals = |runs: &[Run]| -> Vec<Vec<u64>> {
            runs.iter().filter_map(of).map(|samples| samples.totals.clone()).collect()
        };
        let (before, after) = (totals(before), totals(after));
        let first = compare_runs(&before, &after, Design::Paired, CONFIDENCE, 0)?;
        pairs_needed(&before, &after, CONFIDENCE, first.before_ns as f64 * enough)
    };
    kind(|run| run.cold.as_ref()).into_iter().chain(kind(|run| run.warm.as_ref())).max()
}

fn statistic(wanted: Wanted) -> String {
    let how = match wanted.design {
        Design::Unpaired => "difference of the means of the runs' medians, with Welch's interval",
        Design::Paired => {
            "mean of the differences between the medians of paired runs, with Student's t interval"
        }
        Design::Planned { .. } => {
            "mean of the differences between the medians of paired runs, whose number the first of them decided, with the \
             wider one of Stein's and Student's t interval"
        }
    };
    let percent = |share: f64| share * 100.0;
    format!(
        "{how}: {:.0} % for a total, and for all rows of a kind together, and for all parts (Bonferroni). Faster or \
         slower: the whole interval lies beyond {} µs and beyond {} % of the first. Equivalent: neither, and the interval \
         reaches at most {} % of the first total to either side.",
        percent(CONFIDENCE),
        LEAST_NS / 1_000,
        percent(wanted.least),
        percent(wanted.enough),
    )
}

/// Why runs that are too few give no verdict.
fn undecidable(before: &[Run], after: &[Run], one: usize, other: usize) -> Option<String> {
    if one > 1 && other > 1 {
        return None;
    }
    let starts = match (before.len() > one, after.len() > other) {
        (false, false) => "one run of a side",
        _ => "runs of one start of the programs",
    };
    Some(format!(
        "{starts} cannot tell a change from another start of the programs\n  what to do: `lab compare`, which starts both \
         variants in turn and decides; or give several files a side, each of another start:\n  lab diff --before a1.json \
         a2.json --after b1.json b2.json"
    ))
}

fn kind(before: &[Samples], after: &[Samples], wanted: Wanted) -> Option<KindDiff> {
    let of = |runs: &[Samples], times: &dyn Fn(&Samples) -> Vec<u64>| -> Vec<Vec<u64>> {
        runs.iter().map(times).collect()
    };
    let compared = |times: &dyn Fn(&Samples) -> Vec<u64>, confidence: f64, enough_ns: Option<u64>| {
        let (before, after) = (of(before, times), of(after, times));
        let first = compare_runs(&before, &after, wanted.design, confidence, 0)?;
        let least_ns = ((first.before_ns as f64 * wanted.least) as u64).max(LEAST_NS);
        let enough_ns = enough_ns.unwrap_or((first.before_ns as f64 * wanted.enough) as u64);
        let compared = compare_runs(&before, &after, wanted.design, confidence, least_ns)?;
        Some(compared.or_equivalent(enough_ns))
    };
    let total = compared(&|run| run.totals.clone(), CONFIDENCE, None)?;
    let enough_ns = Some((total.before_ns as f64 * wanted.enough) as u64);
    let together = |count: usize| 1.0 - (1.0 - CONFIDENCE) / count.max(1) as f64;

    let met = |stage: Stage| before.iter().chain(after).any(|run| run.stage(stage).iter().any(|ns| *ns > 0));
    let met: Vec<Stage> = Stage::ALL.into_iter().filter(|stage| met(*stage)).collect();
    let stage_confidence = together(met.len());
    let stage = |stage: Stage| {
        let comparison = compared(&|run| run.stage(stage), stage_confidence, enough_ns)?;
        Some(StageDiff { stage, comparison })
    };
    let rows = run::rows(before.iter().chain(after));
    let part_confidence = together(rows.len());
    let part = |row: Row| {
        let comparison = compared(&|run| run.row(&row), part_confidence, enough_ns)?;
        Some(PartDiff { row, comparison })
    };
    let journeys = |runs: &[Samples]| runs.iter().map(|run| run.totals.len()).sum();
    Some(KindDiff {
        before_journeys: journeys(before),
        after_journeys: journeys(after),
        total,
        stage_confidence,
        stages: met.into_iter().filter_map(stage).collect(),
        part_confidence,
        parts: rows.into_iter().filter_map(part).collect(),
    })
}

#[cfg(test)]
mod tests;
