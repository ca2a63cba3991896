//! A program to start, and the start itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use net::Namespace;
use tokio::process::Child;

use super::guard;
use super::logs;
use super::ready::Readiness;
use super::sockets::{Socket, Sockets};
use super::spawner;

/// What our own programs get of the user's environment; everything else is in the plan.
const KEPT_VARIABLES: [&str; 7] =
    ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"];

/// A program to start.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) log: PathBuf,
    /// The network of its host; the lab's own when there is none.
    pub(crate) host: Option<Namespace>,
    /// Bound by the lab and handed over; a foreign program binds its own.
    pub(crate) sockets: Vec<Socket>,
    pub(crate) ready: Readiness,
    /// How long it may take to be ready.
    pub(crate) ready_limit: Duration,
    /// How long it may take to end when told to.
    pub(crate) drain: Duration,
}

/// So much of a foreign program's command is shown, in characters.
const SHOWN: usize = 120;

/// A command in one line, for people.
pub(crate) fn typed(words: &[String]) -> String {
    let line = words.join(" ").replace('\n', " ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

impl Launch {
    /// What was typed, for a foreign program.
    pub(super) fn command(&self) -> Option<String> {
        let words = [self.program.display().to_string()].into_iter().chain(self.arguments.iter().cloned());
        (!self.ready.own).then(|| typed(&words.collect::<Vec<_>>()))
    }

    /// Starts the program, with the sockets that are open from its last life or with new ones.
    ///
    /// # Errors
    /// What could not be done, and what to do, as a sentence.
    pub(super) async fn start(&self, sockets: &mut Option<Sockets>) -> Result<Child, String> {
        let open = match sockets.take() {
            Some(open) => open,
            None => {
                let opened = Sockets::open(&self.sockets, self.host.as_ref());
                opened.map_err(|error| format!("could not be started: {error:#}"))?
            }
        };
        let open = sockets.insert(open);
        let log = logs::open(&self.log).map_err(|error| format!("open its log: {error}"))?;
        let both = log.try_clone().map_err(|error| format!("open its log: {error}"))?;
        let mut command = open.command(&self.program).map_err(|error| format!("{error:#}"))?;
        if self.ready.own {
            // What the user's shell happens to hold (a SEED, a QUEUE) must not change the stack.
            let kept = KEPT_VARIABLES.iter().filter_map(|key| Some((key, std::env::var_os(key)?)));
            command.env_clear().envs(kept);
        }
        command.args(&self.arguments).envs(&self.env).envs(open.variables());
        command.stdin(Stdio::null()).stdout(both).stderr(log);
        let started = spawner::spawn(command, self.host.clone()).await;
        if let (Some(guard), Some(pid)) = (guard::guard(), started.as_ref().ok().and_then(Child::id)) {
            guard.watch(pid);
        }
        started.map_err(|error| {
            let remedy = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such program: check the path, or install it",
                std::io::ErrorKind::PermissionDenied => "it is not executable: chmod +x",
                _ => "see the message",
            };
            format!("could not be started: {}: {error} ({remedy})", self.program.display())
        })
    }
}
