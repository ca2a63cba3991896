//! `lab budget`: the chapter's table, audited by counting.

use std::fmt::Write as _;

use serde::Serialize;

use super::planned;
use super::session::{start, stop, with_deaths};
use super::signals::Signals;
use crate::arguments::Global;
use crate::budget::{self, Audit, Counted, audit};
use crate::outcome::Outcome;
use crate::{control, print};

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    counted: Counted,
    #[serde(flatten)]
    audit: Audit,
}

pub(crate) async fn run(global: &Global) -> anyhow::Result<Outcome> {
    let Some(counted) = counted(global).await? else { return Ok(Outcome::Interrupted) };
    let audit = audit(&counted);
    let text = if global.json {
        serde_json::to_string_pretty(&Report { counted, audit })?
    } else {
        table(&counted, &audit)
    };
    print::result(&text)?;
    Ok(Outcome::Good)
}

/// Counts on the running lab, or on one that is started for this; `None` when a signal came first.
async fn counted(global: &Global) -> anyhow::Result<Option<Counted>> {
    let mut signals = Signals::new()?;
    let plan = planned::plan(global)?;
    if let Some(run) = planned::running(&plan) {
        print::note(format_args!("counting on the running lab (pid {})", run.pid));
        return tokio::select! {
            counted = control::client::budget(&run) => counted.map(Some),
            _ = signals.next() => Ok(None),
        };
    }
    let Some((mut lab, _control)) = start(global, plan, &mut signals).await? else { return Ok(None) };
    let (target, collector) = (lab.target()?, lab.collector().clone());
    let counted = tokio::select! {
        counted = budget::count(&target, &collector) => Some(counted),
        _ = signals.next() => None,
    };
    let result = match counted {
        Some(Ok(counted)) => Ok(Some(counted)),
        Some(Err(error)) => Err(with_deaths(&mut lab, error)),
        None => Ok(None),
    };
    stop(lab, &mut signals).await;
    result
}

fn table(counted: &Counted, audit: &Audit) -> String {
    let mut out =
        "The chapter's table (§10): round trips counted on this lab, and how long each row says one is.\n\n"
            .to_owned();
    let _ = writeln!(
        out,
        "  {:<26} {:<28} {:>8} {:>12} {:>11} {:>9}",
        "", "read as", "chapter", "round trips", "implies", "needs"
    );
    for row in &audit.rows {
        let milliseconds =
            |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time} ms"));
        let trips = row.round_trips.map_or_else(|| "?".to_owned(), |trips| trips.to_string());
        let _ = writeln!(
            out,
            "  {:<26} {:<28} {:>8} {trips:>12} {:>11} {:>9}   {}",
            row.step,
            row.case,
            milliseconds(Some(row.chapter_ms)),
            milliseconds(row.implied_round_trip_ms),
            milliseconds(row.needs_ms),
            row.verdict.as_str()
        );
        let _ = writeln!(out, "      {}", row.why);
    }
    let round_trip = audit.round_trip_ms;
    let _ = writeln!(
        out,
        "\nThe rows add up to {} ms, as the chapter says, but not to one request. With a round trip of \
         {round_trip} ms throughout:",
        audit.chapter_ms
    );
    for (case, total) in [
        ("first request, TLS 1.2", audit.consistent_tls12_ms),
        ("first request, TLS 1.3", audit.consistent_tls13_ms),
        ("warm request", Some(audit.consistent_warm_ms)),
    ] {
        if let Some(total) = total {
            let _ = writeln!(out, "  {case:<26} {total:>8} ms");
        }
    }
    let _ = writeln!(
        out,
        "\nA warm request had {} handshakes and {} DNS questions here: its table begins at \"Request to load \
         balancer\".",
        counted.warm_handshakes, counted.dns_browser_knows
    );
    out
}
