//! `lab status` and `lab stop`.

use std::time::Duration;

use anyhow::Context as _;
use hop::admin::client;
use hop::clock;
use report::Style;
use report::layout::{Column, Table, wrap};
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
    let text = if global.json {
        serde_json::to_string_pretty(&report)?
    } else {
        table(&report, global.style(), print::width())
    };
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

/// In 80 columns; what there is no room for is in the JSON form.
fn table(report: &Report, style: Style, width: usize) -> String {
    let now = clock::now();
    let Report { name, pid, build, config, .. } = report;
    let up = ago(now, report.since_unix_ns);
    let mut out = wrap(&format!("lab \"{name}\", pid {pid}, up {up}, {build} build, plan {config}"), width);
    let columns = [
        Column::left("hop"),
        Column::left("role").spare(2),
        Column::left("address"),
        Column::left("state"),
        Column::right("pid"),
        Column::right("up").spare(1),
        Column::right("restarts").spare(3),
        Column::right("memory"),
        Column::right("CPU"),
    ];
    let mut table = Table::new(2, columns);
    for hop in &report.hops {
        let status = &hop.status;
        let dash = || "–".to_owned();
        table.row([
            status.name.clone(),
            status.role.clone(),
            status.listen.to_string(),
            state(status.state, style),
            status.pid.map_or_else(dash, |pid| pid.to_string()),
            status.pid.and(status.since_unix_ns).map_or_else(dash, |since| ago(now, since)),
            status.restarts.to_string(),
            hop.resident_bytes.map_or_else(dash, mebibytes),
            hop.cpu_seconds.map_or_else(dash, |cpu| format!("{cpu:.2} s")),
        ]);
        if let Some(exit) = &status.last_exit {
            let log = plan::workspace::shown(&status.log);
            table.below(format!("{}: {exit}; log: {log}", times(status.restarts)));
        }
        if let Some(waiting) = status.waiting.as_ref().filter(|_| status.state == State::Starting) {
            table.below(waiting.as_str());
        }
        for left in &status.left {
            table.below(format!("it has left a process to itself: {left}"));
        }
    }
    let memory: u64 = report.hops.iter().filter_map(|hop| hop.resident_bytes).sum();
    let cpu: f64 = report.hops.iter().filter_map(|hop| hop.cpu_seconds).sum();
    let mut together = [const { String::new() }; 9];
    together[0] = "together".to_owned();
    together[7] = mebibytes(memory);
    together[8] = format!("{cpu:.2} s");
    table.row(together);
    out += &table.fit(width);
    for warning in &report.warnings {
        out += &style.note(&wrap(&format!("! {warning}"), width));
    }
    out
}

fn state(state: State, style: Style) -> String {
    let word = serde_json::to_value(state).ok().and_then(|word| word.as_str().map(str::to_owned));
    let word = word.unwrap_or_else(|| "?".to_owned());
    match state {
        State::Ready | State::External => style.good(&word),
        State::Starting | State::Stopped => word,
        State::Restarting => style.bad(&word),
    }
}

fn times(restarts: u32) -> String {
    match restarts {
        0 => "ended".to_owned(),
        1 => "started again once".to_owned(),
        more => format!("started again {more} times, the last time"),
    }
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
