//! `lab status` and `lab stop`.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use hop::admin::client;
use hop::clock;
use stack::State;
use stack::state;

use super::planned;
use crate::arguments::Global;
use crate::control::{self, Report};
use crate::outcome::Outcome;
use crate::print;

/// How long a lab may take to stop, beyond its drain limits.
const STOP_LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn status(global: &Global) -> anyhow::Result<Outcome> {
    let plan = global.options().plan()?;
    let Some(run) = planned::running(&plan) else {
        let folder = state::folder(&plan.states(), &plan.name);
        if state::is_held(&folder) {
            print::note(format_args!("the lab \"{}\" is just starting", plan.name));
        } else {
            print::note(format_args!("the lab \"{}\" does not run; `lab` starts it", plan.name));
        }
        if global.json {
            print::result("null")?;
        }
        return Ok(Outcome::CheckFailed);
    };
    let report = control::client::status(&run).await?;
    let text = if global.json { serde_json::to_string_pretty(&report)? } else { table(&report) };
    print::result(&text).context("write to stdout")?;
    Ok(Outcome::Good)
}

pub(crate) async fn stop(global: &Global) -> anyhow::Result<Outcome> {
    let plan = global.options().plan()?;
    let Some(run) = planned::running(&plan) else {
        print::note(format_args!("the lab \"{}\" does not run", plan.name));
        return Ok(Outcome::Good);
    };
    client::post(run.control, "/stop", "", &run.secret).await.context("tell the running lab to stop")?;
    let folder = state::folder(&plan.states(), &plan.name);
    let limit = STOP_LIMIT + plan.supervise.drain * 2;
    hop::wait::until(format!("the lab (pid {}) to end", run.pid), limit, async || {
        (!state::is_held(&folder)).then_some(())
    })
    .await?;
    print::note(format_args!("the lab \"{}\" has stopped", plan.name));
    Ok(Outcome::Good)
}

fn table(report: &Report) -> String {
    let now = clock::now();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "lab \"{}\", pid {}, up {}, {} build, plan {}",
        report.name,
        report.pid,
        ago(now, report.since_unix_ns),
        report.build,
        report.config
    );
    let _ = writeln!(
        out,
        "  {:<20} {:<10} {:<21} {:<10} {:>8} {:>8} {:>8} {:>9} {:>8}",
        "hop", "role", "address", "state", "pid", "up", "restarts", "memory", "CPU"
    );
    for hop in &report.hops {
        let status = &hop.status;
        let dash = || "-".to_owned();
        let state = serde_json::to_value(status.state).ok();
        let _ = writeln!(
            out,
            "  {:<20} {:<10} {:<21} {:<10} {:>8} {:>8} {:>8} {:>9} {:>8}",
            status.name,
            status.role,
            status.listen.to_string(),
            state.as_ref().and_then(|state| state.as_str()).unwrap_or("?"),
            status.pid.map_or_else(dash, |pid| pid.to_string()),
            status.pid.and(status.since_unix_ns).map_or_else(dash, |since| ago(now, since)),
            status.restarts,
            hop.resident_bytes.map_or_else(dash, mebibytes),
            hop.cpu_seconds.map_or_else(dash, |cpu| format!("{cpu:.2} s")),
        );
        if let Some(exit) = status.last_exit.as_ref().filter(|_| status.state != State::Ready) {
            let _ = writeln!(out, "      {exit}; log: {}", plan::workspace::shown(&status.log));
        }
        if let Some(waiting) = status.waiting.as_ref().filter(|_| status.state == State::Starting) {
            let _ = writeln!(out, "      {waiting}");
        }
        for left in &status.left {
            let _ = writeln!(out, "      it has left a process to itself: {left}");
        }
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "  ! {warning}");
    }
    let memory: u64 = report.hops.iter().filter_map(|hop| hop.resident_bytes).sum();
    let cpu: f64 = report.hops.iter().filter_map(|hop| hop.cpu_seconds).sum();
    let _ = writeln!(out, "  {:<93} {:>9} {:>8}", "together", mebibytes(memory), format!("{cpu:.2} s"));
    out
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn ago(now: u64, since: u64) -> String {
    let seconds = now.saturating_sub(since) / 1_000_000_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
