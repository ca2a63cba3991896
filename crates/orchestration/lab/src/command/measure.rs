//! `lab measure`: on the running lab, or on one that is started for this.

use measure::{self, Measured, Options};
use stack::state::Run;

use super::planned;
use super::session::{explained, start, stop};
use super::signals::Signals;
use crate::arguments::{Format, Global, MeasureArguments};
use crate::outcome::{Misuse, Outcome};
use crate::print::Progress;
use crate::{control, print};

pub(crate) async fn run(global: &Global, wanted: &MeasureArguments) -> anyhow::Result<Outcome> {
    let format = if global.json { Format::Json } else { wanted.format };
    // The chapter's rows say nothing of what a response does not wait for.
    let settle = global.parts || format != Format::Table || wanted.out.is_some();
    let options = Options { tap: wanted.tap()?, settle, ..wanted.options()? };
    let Some(measured) = measured(global, &options).await? else { return Ok(Outcome::Interrupted) };
    super::export::put(&measured, format, wanted.out.as_deref(), global)?;
    for (kind, series) in [("cold", &measured.cold), ("warm", &measured.warm)] {
        let Some(series) = series else { continue };
        if let Some(first) = &series.failures.first {
            print::note(format_args!(
                "! {} {kind} requests failed; the first: {first}",
                series.failures.count
            ));
        }
        // A script that goes on would take figures from nothing.
        anyhow::ensure!(
            series.summary.is_some(),
            "none of {} {kind} journeys can be used: {}",
            series.journeys.len(),
            series.flagged.first().map_or("none was put together".to_owned(), |first| first.what.join("; "))
        );
    }
    Ok(Outcome::Good)
}

/// Measures; `None` when a signal came first.
pub(super) async fn measured(global: &Global, options: &Options) -> anyhow::Result<Option<Measured>> {
    let mut signals = Signals::new()?;
    let plan = planned::plan(global)?;
    if let Some(run) = planned::running(&plan) {
        let differs = control::client::plan(&run).await? != control::plan(&plan);
        if differs && !(global.set.is_empty() && global.swap.is_empty()) {
            return Err(Misuse(format!(
                "the lab \"{}\" runs already (pid {}), with another plan\n  what to do: `lab stop` first, or measure a second one: --set lab.name=two --set network.port_offset=100",
                plan.name, run.pid
            ))
            .into());
        }
        if differs {
            print::note(format_args!("note: {} has changed since the lab was started", plan.source));
        }
        print::note(format_args!("measuring on the running lab (pid {})", run.pid));
        return tokio::select! {
            measured = on_running(&run, options) => measured.map(Some),
            _ = signals.next() => Ok(None),
        };
    }
    if options.tap.is_some() {
        measure::packets::allowed()?; // before fifteen programs are started in vain
    }
    let Some((mut lab, _control)) = start(global, plan, &mut signals).await? else { return Ok(None) };
    let target = lab.target()?;
    let collector = lab.collector().clone();
    let measured = tokio::select! {
        measured = measure::run(&target, &collector, options, shown()) => Some(measured),
        _ = signals.next() => None,
    };
    let result = match measured {
        Some(Ok(measured)) => Ok(Some(measured)),
        Some(Err(error)) => Err(explained(&mut lab, &error).await),
        None => Ok(None),
    };
    stop(lab, &mut signals).await;
    result
}

/// Lets a running lab measure, and shows how far it is to whoever can see it.
async fn on_running(run: &Run, options: &Options) -> anyhow::Result<Measured> {
    if Progress::is_seen() {
        control::client::measure_showing(run, options, shown()).await
    } else {
        control::client::measure(run, options).await
    }
}

/// Shows progress.
pub(super) fn shown() -> impl FnMut(usize, usize) + Send + 'static {
    let mut progress = Progress::new();
    move |done, of| progress.show(done, of)
}
