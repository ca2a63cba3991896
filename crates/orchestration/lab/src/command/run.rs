//! `lab`: start everything, show two journeys, stay up.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use hop::clock;
use measure::{Measured, Target};
use plan::{Role, Settings};
use stack::Event;

use super::outside::Outside;
use super::planned;
use super::session::{explained, start, stop};
use super::signals::Signals;
use crate::arguments::Global;
use crate::control::Control;
use crate::outcome::Outcome;
use crate::print;
use crate::running::Lab;

/// Between two checks whether the lab's folder is still there.
const FOLDER_CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn run(global: &Global, once: bool) -> anyhow::Result<Outcome> {
    let mut signals = Signals::new()?;
    let plan = planned::plan(global)?;
    let Some((mut lab, control)) = start(global, plan, &mut signals).await? else {
        return Ok(Outcome::Interrupted);
    };
    banner(&lab);
    let target = lab.target()?;
    let options = measure::Options::default();
    let first = async {
        match measure::run(&target, &lab.collector().clone(), &options, super::measure::shown()).await {
            Ok(measured) => Ok(measured),
            Err(error) => Err(explained(&mut lab, &error).await),
        }
    };
    let measured = tokio::select! {
        measured = first => measured,
        signal = signals.next() => {
            print::note(format_args!("{signal}"));
            stop(lab, &mut signals).await;
            return Ok(Outcome::Interrupted);
        }
        () = control.stop.cancelled() => {
            stop(lab, &mut signals).await;
            return Ok(Outcome::Good);
        }
    };
    let outcome = match measured.and_then(|measured| show(&measured, global)) {
        Ok(()) if once => Ok(Outcome::Good),
        Err(error) if once || error.is::<std::io::Error>() => Err(error),
        shown => {
            if let Err(error) = shown {
                print::note(format_args!("! {error:#}"));
                print::note(
                    "the lab stays up: `lab status` shows every program, `lab curl -i /cart` sends a request",
                );
            }
            stay(global, &mut lab, &control, &target, &mut signals).await
        }
    };
    stop(lab, &mut signals).await;
    outcome
}

fn show(measured: &Measured, global: &Global) -> anyhow::Result<()> {
    let text = match global.json {
        true => serde_json::to_string(measured)?,
        false => report::table(measured, global.style()),
    };
    print::result(&text).context("write to stdout")
}

/// Prints what happens until a signal or a request stops the lab.
async fn stay(
    global: &Global,
    lab: &mut Lab,
    control: &Control,
    target: &Target,
    signals: &mut Signals,
) -> anyhow::Result<Outcome> {
    print::note("waiting for requests: `lab curl -i /cart` in another terminal; Ctrl-C stops everything");
    let mut outside = Outside::new(lab.collector().clone(), target.roster(), global.json, global.style());
    let mut checks = tokio::time::interval(FOLDER_CHECK_INTERVAL);
    loop {
        tokio::select! {
            _ = checks.tick() => still_there(lab.folder())?,
            signal = signals.next() => {
                print::note(format_args!("{signal}"));
                return Ok(Outcome::Good);
            }
            () = control.stop.cancelled() => {
                print::note("asked to stop");
                return Ok(Outcome::Good);
            }
            event = lab.event() => tell(&event),
            shown = outside.show() => shown?,
        }
    }
}

/// A lab whose folder is gone can be found by no other command, and its ports are taken all the same.
fn still_there(folder: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        folder.join("run.json").exists(),
        "{} was deleted while the lab ran\n  what to do: start it again; `lab stop` before folders are deleted",
        plan::workspace::shown(folder)
    );
    Ok(())
}

fn banner(lab: &Lab) {
    let plan = lab.plan();
    let statuses = lab.statuses();
    let began = statuses.iter().filter_map(|status| status.since_unix_ns).min();
    let took = began.map_or(0, |began| clock::now().saturating_sub(began)) as f64 / 1e9;
    let name = &plan.name;
    print::note(format_args!("lab \"{name}\": {} programs ready in {took:.2} s", statuses.len()));
    if let Some(lb) = plan.first(Role::Lb) {
        print::note(format_args!("  shop      https://{}:{}  at {}", plan.host, lb.listen.port(), lb.listen));
    }
    if let Some(resolver) = plan.first(Role::Resolver)
        && let Settings::Resolver { doh, .. } = &resolver.settings
    {
        print::note(format_args!("  resolver  {}, https://{doh}/dns-query", resolver.listen));
    }
    print::note(format_args!("  CA        {}", plan::workspace::shown(&lab.certs().authority())));
    print::note(format_args!("  logs      {}/logs", plan::workspace::shown(lab.folder())));
}

/// Says at once what happened to a program.
fn tell(event: &Event) {
    match event {
        Event::Exited(exit, Duration::ZERO) => print::note(format_args!("! {exit}\n  started again at once")),
        Event::Exited(exit, pause) => print::note(format_args!("! {exit}\n  started again in {pause:?}")),
        Event::Back(name) => print::note(format_args!("{name} is back")),
        Event::Left(name, left) => print::note(format_args!(
            "! {name} has left a process to itself: {left}\n  it is ended with the lab; a program ends its children before it ends itself"
        )),
    }
}
