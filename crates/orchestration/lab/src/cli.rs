//! The command line of this process: parsed, handed to its command, ended with an exit code.

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use plan::PlanError;
use stack::state::AlreadyRuns;

use crate::arguments::{Cli, Command};
use crate::command::{
    budget, certs, check, compare, curl, diff, doctor, events, export, measure, recipes, run, shell, status,
};
use crate::outcome::{Misuse, Outcome};
use crate::{help, print, private};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    hop::start::abort_on_panic();
    let matches = help::laid_out(Cli::command(), print::text_width()).try_get_matches();
    let mut cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            print::note(error.render());
            return ExitCode::from(2);
        }
        Err(help) => help.exit(),
    };
    hop::log::init("warn");
    let runtime = private::enter(&mut cli)
        .and_then(|()| Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?));
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(dispatch(cli));
            // A resolver thread or a file read of tokio's must not hold the end up.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(error),
    };
    match ended {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::CheckFailed) => ExitCode::from(1),
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        Err(error) => {
            print::note(format_args!("error: {error:#}"));
            if let Some(remedy) = remedy(&error) {
                print::note(format_args!("  what to do: {remedy}"));
            }
            ExitCode::from(exit_code(&error))
        }
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<Outcome> {
    let (before, global) = (cli.before(), &cli.global());
    hop::start::ignore_file_size_signal();
    stack::all_children_are_programs();
    tell_homeless();
    match cli.command {
        None => run::run(global, cli.once).await,
        Some(Command::Measure { measure, .. }) => measure::run(global, &measure).await,
        Some(Command::Export { file, format, out, .. }) => export::run(global, &file, format, out.as_deref()),
        Some(Command::Check { check, .. }) => check::run(global, &check).await,
        Some(Command::Compare { compare, .. }) => compare::run(&before, global, &compare).await,
        Some(Command::Diff { diff, .. }) => diff::run(global, &diff),
        Some(Command::Budget { .. }) => budget::run(global).await,
        Some(Command::Status { .. }) => status::status(global).await,
        Some(Command::Stop { .. }) => status::stop(global).await,
        Some(Command::Curl { arguments }) => curl::run(global, arguments).await,
        Some(Command::Events { follow, topic, .. }) => events::run(global, follow, topic).await,
        Some(Command::Certs { token: true, .. }) => certs::token(global),
        Some(Command::Certs { renew, .. }) => certs::run(global, renew),
        Some(Command::Recipes { .. }) => recipes::run(global),
        Some(Command::Shell { shell: wanted, .. }) => shell::run(global, &wanted),
        Some(Command::TryNetwork { .. }) => Ok(Outcome::Good),
        Some(Command::Doctor { .. }) => doctor::run(global),
    }
}

/// Says where things are kept when nothing says where they should be.
fn tell_homeless() {
    if let Some(folder) = plan::workspace::homeless() {
        print::note(format_args!(
            "! HOME is not set: what is kept goes to {}, which may be emptied at any time\n  what to do: set HOME, or \
             XDG_STATE_HOME to a folder of yours",
            folder.display()
        ));
    }
}

/// What to do about what the operating system says, whichever file it was.
fn remedy(error: &anyhow::Error) -> Option<&'static str> {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>())?.kind();
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(
            "make room on that disk, or put the lab's folders on another: `lab --set lab.state=FOLDER --set lab.certs=FOLDER`",
        ),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some(
            "put the lab's folders where you may write: `lab --set lab.state=FOLDER --set lab.certs=FOLDER`",
        ),
        _ => None,
    }
}

/// 2 for what the user can mend in what was typed or in lab.toml, 3 for everything else.
fn exit_code(error: &anyhow::Error) -> u8 {
    let usage = error.is::<PlanError>() || error.is::<AlreadyRuns>() || error.is::<Misuse>();
    if usage { 2 } else { 3 }
}

#[cfg(test)]
mod tests;
