//! `lab check`: are the journeys within the budget?

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use journey::{CONFIDENCE, Conclusion, Journey, Part, Quantile};
use measure::{Measured, Options};
use plan::{BUDGET_PHASES, Plan};
use report::junit::{self, Case, Ended};
use serde::Serialize;

use crate::arguments::{CheckArguments, FEWEST, Global};
use crate::outcome::Outcome;
use crate::print;

/// One line of the budget and what was measured.
#[derive(Debug, PartialEq, Serialize)]
struct Line {
    name: String,
    limit_ms: f64,
    median_ms: f64,
    /// Between these the true median lies, with 95 % confidence.
    low_ms: Option<f64>,
    high_ms: Option<f64>,
    verdict: Conclusion,
    over: bool,
    /// Did any journey meet it? What nobody meets is within every limit, and says nothing.
    met: bool,
    #[serde(skip)]
    statement: String,
}

/// What is compared, and what was left out.
#[derive(Serialize)]
struct Report {
    good: bool,
    strict: bool,
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
    let Some(measured) = super::measure::measured(global, &options).await? else {
        return Ok(Outcome::Interrupted);
    };
    let plan = global.options().plan()?;
    anyhow::ensure!(!plan.budget.is_empty(), "{} has no [budget] to check against", plan.source);
    let series = measured.cold.as_ref().context("cold journeys are measured")?;
    let clean: Vec<&Journey> = series.clean().collect();
    let flagged = series.journeys.len() - clean.len();
    anyhow::ensure!(
        clean.len() >= FEWEST,
        "only {} of {} journeys can be used, {FEWEST} are needed: `lab measure --cold` shows what was strange",
        clean.len(),
        series.journeys.len()
    );
    let lines = compare(&plan, &clean);
    let of = |answer| names(&lines, answer);
    let (over, untold) = (of(Conclusion::Over), of(Conclusion::Inconclusive));
    let missed: Vec<String> = lines.iter().filter(|line| !line.met).map(|line| line.name.clone()).collect();
    let good = missed.is_empty() && over.is_empty() && (untold.is_empty() || !wanted.strict);
    if let Some(path) = &wanted.junit {
        write(path, &cases(&lines, wanted.strict), &properties(&measured, clean.len()))?;
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
    if !series.failures.is_none() {
        print::note(format_args!("! {} requests failed and are in no figure", series.failures.count));
    }
    if !untold.is_empty() {
        let names = untold.join(", ");
        print::note(format_args!("inconclusive: {names}; more journeys tell (-n), or another limit"));
    }
    let (strict, journeys) = (wanted.strict, clean.len());
    let text = if global.json {
        let all = Report { good, strict, journeys, flagged, confidence: CONFIDENCE, lines };
        serde_json::to_string_pretty(&all)?
    } else {
        table(&lines, journeys, flagged)
    };
    print::result(&text)?;
    Ok(if good { Outcome::Good } else { Outcome::CheckFailed })
}

fn names(lines: &[Line], wanted: Conclusion) -> Vec<String> {
    lines.iter().filter(|line| line.verdict == wanted).map(|line| line.name.clone()).collect()
}

/// Every line of the budget against the median of the journeys.
fn compare(plan: &Plan, journeys: &[&Journey]) -> Vec<Line> {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let line = |(name, limit_ms): &(String, f64)| {
        let times = journeys.iter().map(|journey| Duration::from_nanos(spent(plan, journey, name)));
        let median = Quantile::of(times, 50.0);
        let verdict = median.within(Duration::from_secs_f64(limit_ms / 1e3));
        Line {
            name: name.clone(),
            limit_ms: *limit_ms,
            median_ms: milliseconds(median.estimate),
            low_ms: median.least.map(milliseconds),
            high_ms: median.most.map(milliseconds),
            over: verdict.is_over(),
            met: journeys.iter().any(|journey| meets(plan, journey, name)),
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

fn table(lines: &[Line], journeys: usize, flagged: usize) -> String {
    let mut out = format!("median of {journeys} cold journeys and its 95 % interval, in ms\n");
    let _ = writeln!(out, "  {:<24} {:>10} {:>21} {:>10}", "", "measured", "interval", "budget");
    for line in lines {
        let verdict = match line.verdict {
            _ if !line.met => "never met",
            Conclusion::Within => "",
            other => other.as_str(),
        };
        let bound = |bound: Option<f64>| bound.map_or_else(|| "?".to_owned(), |bound| format!("{bound:.3}"));
        let interval = format!("{} to {}", bound(line.low_ms), bound(line.high_ms));
        let row = format!(
            "  {:<24} {:>10.3} {interval:>21} {:>10.3}  {verdict}",
            line.name, line.median_ms, line.limit_ms
        );
        let _ = writeln!(out, "{}", row.trim_end());
    }
    if flagged > 0 {
        let _ = writeln!(out, "  {flagged} more were strange and are left out");
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

fn properties(measured: &Measured, journeys: usize) -> [(&'static str, String); 3] {
    [
        ("build", measured.build.clone()),
        ("network", measured.network.clone()),
        ("journeys", format!("{journeys} cold")),
    ]
}

fn write(path: &Path, cases: &[Case], properties: &[(&str, String)]) -> anyhow::Result<()> {
    std::fs::write(path, junit::report(cases, properties, hop::clock::now()))
        .with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests;
