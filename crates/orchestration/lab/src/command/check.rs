//! `lab check`: are the journeys within the budget?

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use journey::{CONFIDENCE, Conclusion, Journey, Part, Quantile, median_of_runs};
use measure::{Measured, Options, Series};
use plan::{BUDGET_PHASES, Plan};
use report::junit::{self, Case, Ended};
use serde::Serialize;

use super::starts::Starts;
use crate::arguments::{CheckArguments, FEWEST, Global};
use crate::outcome::Outcome;
use crate::print;

/// One line of the budget and what was measured.
#[derive(Debug, PartialEq, Serialize)]
struct Line {
    name: String,
    limit_ms: f64,
    median_ms: f64,
    /// Between these the true median lies; with 95 % confidence that holds for all lines together.
    low_ms: Option<f64>,
    high_ms: Option<f64>,
    verdict: Conclusion,
    over: bool,
    /// Did any journey meet it? What nobody meets is within every limit, and says nothing.
    met: bool,
    #[serde(skip)]
    statement: String,
}

/// What is compared, and what is in the total alone.
#[derive(Serialize)]
struct Report {
    good: bool,
    strict: bool,
    /// Starts of the programs: what one says is about that one.
    runs: usize,
    journeys: usize,
    flagged: usize,
    confidence: f64,
    lines: Vec<Line>,
}

pub(crate) async fn run(global: &Global, wanted: &CheckArguments) -> anyhow::Result<Outcome> {
    match checked(global, wanted).await {
        Err(error) => {
            // A CI system that finds no report takes it for "nothing to say".
            if let Some(path) = &wanted.junit {
                let ended = Ended::Error(format!("{error:#}"));
                write(path, &[Case { name: "measure".to_owned(), seconds: 0.0, ended }], &[])?;
            }
            Err(error)
        }
        ended => ended,
    }
}

async fn checked(global: &Global, wanted: &CheckArguments) -> anyhow::Result<Outcome> {
    let count = wanted.number;
    let options = Options { count, keep: count, cold: true, warm: false, ..Options::default() };
    let plan = global.options().plan()?;
    anyhow::ensure!(!plan.budget.is_empty(), "{} has no [budget] to check against", plan.source);
    let Some(measured) = runs(global, &plan, wanted.runs, &options).await? else {
        return Ok(Outcome::Interrupted);
    };
    let series: Vec<&Series> = measured.iter().filter_map(|measured| measured.cold.as_ref()).collect();
    let made: Vec<&[Journey]> = series.iter().map(|series| series.journeys.as_slice()).collect();
    let clean = series.iter().map(|series| series.clean().count()).sum::<usize>();
    let all = made.iter().map(|run| run.len()).sum::<usize>();
    let flagged = all - clean;
    for series in &series {
        anyhow::ensure!(
            series.clean().count() >= FEWEST,
            "only {} of {} journeys can be used, {FEWEST} are needed: `lab measure --cold` shows what was strange",
            series.clean().count(),
            series.journeys.len()
        );
    }
    let lines = compare(&plan, &made);
    let of = |answer| names(&lines, answer);
    let (over, untold) = (of(Conclusion::Over), of(Conclusion::Inconclusive));
    let missed: Vec<String> = lines.iter().filter(|line| !line.met).map(|line| line.name.clone()).collect();
    let good = missed.is_empty() && over.is_empty() && (untold.is_empty() || !wanted.strict);
    if let Some(path) = &wanted.junit {
        write(path, &cases(&lines, wanted.strict), &properties(&measured, all))?;
    }
    if !over.is_empty() {
        print::note(format_args!(
            "over budget: {}; `lab measure --cold -n {}` shows where",
            over.join(", "),
            wanted.number
        ));
    }
    if !missed.is_empty() {
        print::note(format_args!(
            "never met: {}; take it out of [budget], or see with `lab measure --cold --parts` which way requests go",
            missed.join(", ")
        ));
    }
    let failed: usize = series.iter().map(|series| series.failures.count).sum();
    if failed > 0 {
        print::note(format_args!("! {failed} requests failed and are in no figure"));
    }
    if !untold.is_empty() {
        let (names, more) =
            (untold.join(", "), if wanted.runs > 1 { "runs tell (--runs)" } else { "journeys tell (-n)" });
        print::note(format_args!("inconclusive: {names}; more {more}, or another limit"));
    }
    let (strict, runs) = (wanted.strict, wanted.runs);
    let text = if global.json {
        let all = Report { good, strict, runs, journeys: all, flagged, confidence: CONFIDENCE, lines };
        serde_json::to_string_pretty(&all)?
    } else {
        table(&lines, all, flagged, runs)
    };
    print::result(&text)?;
    Ok(if good { Outcome::Good } else { Outcome::CheckFailed })
}

fn names(lines: &[Line], wanted: Conclusion) -> Vec<String> {
    lines.iter().filter(|line| line.verdict == wanted).map(|line| line.name.clone()).collect()
}

/// Measures: on the running lab or on one that is started for this, or so many starts; `None` when a signal came first.
async fn runs(
    global: &Global,
    plan: &Plan,
    runs: usize,
    options: &Options,
) -> anyhow::Result<Option<Vec<Measured>>> {
    if runs == 1 {
        return Ok(super::measure::measured(global, options).await?.map(|measured| vec![measured]));
    }
    let (mut starts, mut made) = (Starts::begin(global, plan)?, Vec::new());
    while made.len() < runs {
        let Some(measured) = starts.run(plan, options).await? else { return Ok(None) };
        made.push(measured);
        print::note(format_args!("run {} of {runs}", made.len()));
    }
    Ok(Some(made))
}

/// Every line of the budget against the median of the journeys: of one run by order statistics, of several by how their
/// medians scatter. Intervals are so wide that all of them together have their confidence (Bonferroni).
fn compare(plan: &Plan, runs: &[&[Journey]]) -> Vec<Line> {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let confidence = 1.0 - (1.0 - CONFIDENCE) / plan.budget.len().max(1) as f64;
    let line = |(name, limit_ms): &(String, f64)| {
        // The total of a strange journey is known, its parts are not.
        let counts = |journey: &&Journey| name == "total" || journey.clean();
        let times = |run: &&[Journey]| -> Vec<u64> {
            run.iter().filter(counts).map(|journey| spent(plan, journey, name)).collect()
        };
        let times: Vec<Vec<u64>> = runs.iter().map(times).collect();
        let one = || {
            let times = times.iter().flatten().copied().map(Duration::from_nanos);
            Quantile::sure(times, 50.0, confidence)
        };
        let several = (times.len() > 1).then(|| median_of_runs(&times, confidence)).flatten();
        let median = several.unwrap_or_else(one);
        let verdict = median.within(Duration::from_secs_f64(limit_ms / 1e3));
        Line {
            name: name.clone(),
            limit_ms: *limit_ms,
            median_ms: milliseconds(median.estimate),
            low_ms: median.least.map(milliseconds),
            high_ms: median.most.map(milliseconds),
            over: verdict.is_over(),
            met: runs.iter().copied().flatten().any(|journey| meets(plan, journey, name)),
            verdict: verdict.conclusion,
            statement: verdict.statement,
        }
    };
    plan.budget.iter().map(line).collect()
}

/// What a journey spent on a phase, or on what a hop or all hops of a role did themselves, in nanoseconds.
fn spent(plan: &Plan, journey: &Journey, name: &str) -> u64 {
    if name == "total" {
        return journey.total_ns;
    }
    journey.sum(|part| {
        if BUDGET_PHASES.contains(&name) {
            return part.stage.as_str() == name;
        }
        part.kind.is_own() && is_of(plan, part, name)
    })
}

/// Is the part one of this hop, or of a hop of this role?
fn is_of(plan: &Plan, part: &Part, name: &str) -> bool {
    part.hop == name || plan.find(&part.hop).is_some_and(|hop| hop.role().as_str() == name)
}

/// Did the journey come to this hop or role? A phase that a journey has not is an answer: 0.
fn meets(plan: &Plan, journey: &Journey, name: &str) -> bool {
    let phase = name == "total" || BUDGET_PHASES.contains(&name);
    phase || journey.parts.iter().any(|part| is_of(plan, part, name))
}

fn table(lines: &[Line], journeys: usize, flagged: usize, runs: usize) -> String {
    let of = if runs > 1 { format!("{runs} starts") } else { "one start".to_owned() };
    let mut out = format!("median of {journeys} cold journeys of {of}, in ms\n");
    let _ = writeln!(out, "  {:<20} {:>9} {:>22} {:>9}", "", "measured", "interval", "budget");
    for line in lines {
        let verdict = match line.verdict {
            _ if !line.met => "never met",
            Conclusion::Within => "",
            other => other.as_str(),
        };
        let bound = |bound: Option<f64>| bound.map_or_else(|| "?".to_owned(), |bound| format!("{bound:.3}"));
        let interval = format!("{} to {}", bound(line.low_ms), bound(line.high_ms));
        let row = format!(
            "  {:<20} {:>9.3} {interval:>22} {:>9.3}  {verdict}",
            line.name, line.median_ms, line.limit_ms
        );
        let _ = writeln!(out, "{}", row.trim_end());
    }
    if flagged > 0 {
        let _ = writeln!(out, "  {flagged} of them were strange and are in the total only");
    }
    let _ = writeln!(out, "  With 95 % all of these medians lie in their intervals (Bonferroni).");
    if runs == 1 {
        out.push_str("  That is said of this start of the programs; of others, --runs 5 can tell.\n");
    }
    out
}

fn cases(lines: &[Line], strict: bool) -> Vec<Case> {
    let case = |line: &Line| {
        let why = line.statement.clone();
        let ended = match line.verdict {
            _ if !line.met => Ended::Failed("no journey met it".to_owned()),
            Conclusion::Within => Ended::Passed(why),
            Conclusion::Inconclusive if !strict => Ended::Skipped(format!("inconclusive: {why}")),
            Conclusion::Over | Conclusion::Inconclusive => {
                Ended::Failed(format!("{}: {why}", line.verdict.as_str()))
            }
        };
        Case { name: line.name.clone(), seconds: line.median_ms / 1e3, ended }
    };
    lines.iter().map(case).collect()
}

fn properties(measured: &[Measured], journeys: usize) -> [(&'static str, String); 4] {
    let of = |what: fn(&Measured) -> &String| measured.first().map(what).cloned().unwrap_or_default();
    [
        ("build", of(|measured| &measured.build)),
        ("network", of(|measured| &measured.network)),
        ("runs", measured.len().to_string()),
        ("journeys", format!("{journeys} cold")),
    ]
}

fn write(path: &Path, cases: &[Case], properties: &[(&str, String)]) -> anyhow::Result<()> {
    std::fs::write(path, junit::report(cases, properties, hop::clock::now()))
        .with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests;
