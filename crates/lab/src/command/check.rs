//! `lab check`: are the journeys within the budget?

use std::fmt::Write as _;

use journey::Journey;
use serde::Serialize;

use crate::cli::{Global, Outcome};
use crate::measure::Options;
use crate::plan::{BUDGET_PHASES, Plan};
use crate::print;

/// One line of the budget and what was measured.
#[derive(Debug, PartialEq, Serialize)]
struct Line {
    name: String,
    limit_ms: f64,
    median_ms: f64,
    over: bool,
}

pub(super) async fn run(global: &Global, number: usize) -> anyhow::Result<Outcome> {
    let options = Options { count: number, cold: true, warm: false, ..Options::default() };
    let Some(measured) = super::measure::measured(global, &options).await? else {
        return Ok(Outcome::Interrupted);
    };
    let plan = global.options().plan()?;
    anyhow::ensure!(!plan.budget.is_empty(), "{} has no [budget] to check against", plan.source);
    let journeys: Vec<&Journey> = measured.journeys().collect();
    anyhow::ensure!(!journeys.is_empty(), "no journey could be put together");
    let lines = compare(&plan, &journeys);
    let over: Vec<&str> = lines.iter().filter(|line| line.over).map(|line| line.name.as_str()).collect();
    let text = if global.json {
        serde_json::to_string_pretty(&serde_json::json!({ "good": over.is_empty(), "lines": lines }))?
    } else {
        table(&lines, journeys.len())
    };
    print::result(&text)?;
    if over.is_empty() {
        return Ok(Outcome::Good);
    }
    print::note(format_args!(
        "over budget: {}; `lab measure --cold -n {number}` shows where",
        over.join(", ")
    ));
    Ok(Outcome::CheckFailed)
}

/// Every line of the budget against the median of the journeys.
fn compare(plan: &Plan, journeys: &[&Journey]) -> Vec<Line> {
    let line = |(name, limit_ms): &(String, f64)| {
        let mut times: Vec<u64> = journeys.iter().map(|journey| spent(plan, journey, name)).collect();
        times.sort_unstable();
        let median_ms = times[times.len() / 2] as f64 / 1e6;
        Line { name: name.clone(), limit_ms: *limit_ms, median_ms, over: median_ms > *limit_ms }
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
        let role = plan.find(&part.hop).map(|hop| hop.role().as_str());
        !part.kind.is_arrival() && (part.hop == name || role == Some(name))
    })
}

fn table(lines: &[Line], journeys: usize) -> String {
    let mut out = format!("median of {journeys} cold journeys, in ms\n");
    let _ = writeln!(out, "  {:<24} {:>10} {:>10}", "", "measured", "budget");
    for line in lines {
        let verdict = if line.over { "over" } else { "" };
        let _ =
            writeln!(out, "  {:<24} {:>10.3} {:>10.3}  {verdict}", line.name, line.median_ms, line.limit_ms);
    }
    out
}

#[cfg(test)]
mod tests {
    use journey::{Counts, Part, PartKind, Quality, Stage, TraceId};

    use super::*;

    fn plan(budget: &str) -> Plan {
        let text = crate::plan::DEFAULT.split("[budget]").next().unwrap_or_default();
        let text = format!("{text}[budget]\n{budget}");
        Plan::parse("lab.toml", &text, std::path::Path::new(""), &[], &[]).expect("a good plan")
    }

    fn part(hop: &str, kind: PartKind, stage: Stage, duration_ns: u64) -> Part {
        let (hop, role, name) = (hop.to_owned(), String::new(), String::new());
        Part { hop, role, kind, name, stage, start_ns: 0, duration_ns, quality: Quality::User, depth: 0 }
    }

    fn journey(cart: u64) -> Journey {
        Journey {
            trace_id: TraceId::default(),
            name: "POST /cart/items".to_owned(),
            start_unix_ns: 0,
            total_ns: 10_000_000,
            unaccounted_ns: 0,
            status: Some(201),
            parts: vec![
                part("browser", PartKind::Own, Stage::Dns, 2_000_000),
                part("cart-service", PartKind::Own, Stage::ToPod, 1_000_000),
                part("cart-pod-abc12", PartKind::Leg, Stage::ToPod, 500_000),
                part("cart-pod-abc12", PartKind::Own, Stage::Application, cart),
            ],
            counts: Counts::default(),
            silent: Vec::new(),
            anomalies: Vec::new(),
        }
    }

    #[test]
    fn phases_hops_and_roles_are_compared_by_their_median() {
        let plan =
            plan("dns = 2.0\nclusterip = 0.5\ncart-pod-abc12 = 4.0\ncart = 4.0\nto-pod = 1.5\ntotal = 9.0\n");
        let journeys = [journey(1_000_000), journey(3_000_000), journey(9_000_000)];
        let lines = compare(&plan, &journeys.iter().collect::<Vec<_>>());
        let seen: Vec<(&str, f64, bool)> =
            lines.iter().map(|line| (line.name.as_str(), line.median_ms, line.over)).collect();
        assert_eq!(
            seen,
            [
                ("dns", 2.0, false),
                ("clusterip", 1.0, true),
                ("cart-pod-abc12", 3.0, false),
                ("cart", 3.0, false),
                ("to-pod", 1.5, false),
                ("total", 10.0, true),
            ]
        );
        assert!(table(&lines, 3).contains("over"));
    }
}
