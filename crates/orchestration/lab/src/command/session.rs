//! A lab that a command starts itself: from its start to its end, with what went wrong in between.

use hop::clock;
use measure::browser::Request;
use plan::Plan;
use stack::{Event, Stack};

use super::signals::Signals;
use crate::arguments::Global;
use crate::control::{self, Control};
use crate::fault;
use crate::print;
use crate::running::Lab;

/// Starts the lab and its control server; `None` when a signal came first.
pub(super) async fn start(
    global: &Global,
    plan: Plan,
    signals: &mut Signals,
) -> anyhow::Result<Option<(Lab, Control)>> {
    let since = clock::now();
    let lab = tokio::select! {
        lab = begun(plan, !global.no_build) => lab?,
        signal = signals.next() => {
            print::note(format_args!("{signal}: stopped before everything was up"));
            return Ok(None);
        }
    };
    for warning in lab.warnings() {
        print::note(format_args!("! {warning}"));
    }
    let control = control::serve(lab.viewer(), since)?;
    lab.announce(control.address, since)?;
    Ok(Some((lab, control)))
}

/// Builds, and starts; whoever looks on sees what it waits for.
async fn begun(plan: Plan, build: bool) -> anyhow::Result<Lab> {
    // While it builds, cargo shows how far it is.
    let prepared = Stack::prepare(plan, build).await?;
    let (count, starting) = (prepared.plan().hops().count(), prepared.starting());
    let going = move || match starting.awaited().as_slice() {
        [] => format!("starting {count} programs"),
        awaited => {
            format!("starting: {} of {count} ready, waiting for {}", starting.ready(), awaited.join(", "))
        }
    };
    print::live(going, Lab::start_prepared(prepared)).await
}

/// Stops everything; a second signal means now.
pub(super) async fn stop(lab: Lab, signals: &mut Signals) {
    let count = lab.statuses().len();
    print::note(format_args!("stopping {count} programs (again: kill them)"));
    let impatience = lab.impatience();
    let mut stopping = std::pin::pin!(lab.stop());
    tokio::select! {
        () = &mut stopping => return,
        signal = signals.next() => print::note(format_args!("{signal}: killing what is left")),
    }
    impatience.cancel();
    stopping.await;
}

/// Why a measurement failed: a program ended, or a hop answers wrongly when it is sent what it is there for.
pub(super) async fn explained(lab: &mut Lab, error: &anyhow::Error) -> anyhow::Error {
    let mut text = format!("measure a journey: {error:#}");
    let mut exited = false;
    while let Some(event) = lab.try_event() {
        if let Event::Exited(exit, _) = event {
            exited = true;
            text += &format!("\n{exit}");
        }
    }
    if !exited {
        text += &format!("\n{}", cause(lab).await);
    }
    anyhow::Error::msg(text)
}

/// The hop at which a request fails; when there is none, what the request gets now.
async fn cause(lab: &Lab) -> String {
    if let Some(fault) = fault::found(&lab.viewer()).await {
        return fault;
    }
    let options = measure::Options::default();
    let again = match lab.send(&Request::add_item(&options.product, options.quantity)).await {
        Ok(response) => format!("sent again, it was answered {}", response.response.status),
        Err(error) => format!("sent again: {error:#}"),
    };
    let logs = plan::workspace::shown(&lab.folder().join("logs"));
    format!("each hop by itself answers as it should; {again}\n  what to do: see the logs, {logs}")
}
