//! The commands, one file each.

mod budget;
mod certs;
pub(crate) mod check;
mod curl;
mod diff;
mod doctor;
mod events;
mod export;
mod junit;
mod measure;
mod outside;
mod recipes;
mod run;
mod status;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Cli, Command, Global, Outcome};
use crate::plan::Plan;
use crate::state::Run;
use crate::{print, state};

/// Does what was asked.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let global = &cli.global();
    hop::start::ignore_file_size_signal();
    match cli.command {
        None => run::run(global, cli.once).await,
        Some(Command::Measure { measure, .. }) => measure::run(global, &measure).await,
        Some(Command::Export { file, format, out }) => export::run(&file, format, out.as_deref()),
        Some(Command::Check { check, .. }) => check::run(global, &check).await,
        Some(Command::Diff { compared, .. }) => diff::run(global, &compared),
        Some(Command::Budget { .. }) => budget::run(global).await,
        Some(Command::Status { .. }) => status::status(global).await,
        Some(Command::Stop { .. }) => status::stop(global).await,
        Some(Command::Curl { arguments }) => curl::run(global, arguments).await,
        Some(Command::Events { follow, topic, .. }) => events::run(global, follow, topic).await,
        Some(Command::Certs { token: true, .. }) => certs::token(global),
        Some(Command::Certs { renew, .. }) => certs::run(global, renew),
        Some(Command::Recipes { .. }) => recipes::run(global),
        Some(Command::Doctor { .. }) => doctor::run(global),
    }
}

/// Reads the plan and says which it is.
fn plan(global: &Global) -> anyhow::Result<Plan> {
    let plan = global.options().plan()?;
    let changes = match global.set.len() + global.swap.len() {
        0 => String::new(),
        1 => ", with one change".to_owned(),
        changes => format!(", with {changes} changes"),
    };
    print::note(format_args!("plan: {}{changes}", plan.source));
    Ok(plan)
}

/// The running lab of the plan's name.
fn running(plan: &Plan) -> Option<Run> {
    state::running(&plan.states(), &plan.name)
}

/// The signals that ask the lab to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one's name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.hangup.recv() => "SIGHUP (the terminal was closed)",
        }
    }
}
