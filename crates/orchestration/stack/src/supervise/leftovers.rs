//! Left-over processes: what a program started and did not take with it.
//!
//! A program that puts itself into the background, or a child that leaves its process group (setsid(2)), is out of
//! reach of the parent-death signal and of signals to the group. But it is not out of sight: the lab is the
//! *subreaper* of all that runs below it (PR_SET_CHILD_SUBREAPER, prctl(2)), so whoever loses its parent becomes the
//! lab's child; and every program has an `INVOCATION_ID` in its environment, which it hands down (systemd.exec(5)
//! has the same).

use std::net::SocketAddr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, set_child_subreaper, waitpid};
use serde::{Deserialize, Serialize};

use super::launch::Launch;
use super::process::{Signal, signal};
use super::processes::{self, Process};
use crate::listeners;

/// The variable that names the start of a lab.
pub(crate) const INVOCATION_ID: &str = "INVOCATION_ID";
/// The variable that names the hop.
const HOP: &str = "OTEL_SERVICE_NAME";
/// How long the kernel may take to end what was killed.
const END_LIMIT: Duration = Duration::from_secs(2);

/// The children of who was killed become the lab's in turn: so often it looks again.
const GENERATIONS: usize = 8;

/// Does this process start nothing but labs?
static ALL_ARE_OURS: AtomicBool = AtomicBool::new(false);

/// Says that this process starts nothing but labs: whoever becomes its child by losing its parent belongs to one,
/// whatever it did to hide that.
pub fn all_children_are_programs() {
    ALL_ARE_OURS.store(true, Ordering::Relaxed);
}

/// What a hop's left-over processes are known by.
#[derive(Clone, Debug)]
pub(super) struct Leftovers {
    hop: String,
    listen: SocketAddr,
    /// Of this start of the lab.
    invocation: String,
}

/// A process that outlived the one that started it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// Its number.
    pub pid: u32,
    /// Its command, as ps shows it.
    pub command: String,
    /// Where it accepts connections.
    pub listens: Vec<SocketAddr>,
}

impl std::fmt::Display for Leftover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.command)?;
        match &self.listens[..] {
            [] => Ok(()),
            [one, ..] => write!(f, ", which listens on {one}"),
        }
    }
}

/// In a process that starts nothing but labs, a child that has a session of its own was adopted.
pub(super) fn is_of_a_lab(child: &Process) -> bool {
    let mine = || Process::of(std::process::id()).map(|process| process.session);
    ALL_ARE_OURS.load(Ordering::Relaxed) && mine().is_some_and(|session| session != child.session)
}

/// Whoever loses its parent below this process becomes its child. Once is enough, for all labs of this process.
pub(super) fn adopt() {
    static ADOPT: Once = Once::new();
    ADOPT.call_once(|| {
        if let Err(error) = set_child_subreaper(Some(rustix::process::getpid())) {
            tracing::debug!(%error, "no subreaper");
        }
    });
}

impl Leftovers {
    pub(super) fn of(launch: &Launch) -> Self {
        let invocation = launch.env.get(INVOCATION_ID).cloned().unwrap_or_default();
        Leftovers { hop: launch.name.clone(), listen: launch.ready.listen, invocation }
    }

    /// Where the hop's processes accept connections, `first` and all others.
    pub(super) fn listens(&self, first: Option<u32>) -> Vec<SocketAddr> {
        let all = processes::all().into_iter();
        let theirs = all.filter(|process| Some(process.pid) == first || self.owns(process, false));
        listeners::of(theirs.map(|process| process.pid))
    }

    /// All that belongs to the hop, but its first process `first` and what that still looks after.
    pub(super) fn find(&self, first: Option<u32>) -> Vec<Process> {
        let all = processes::all();
        let me = std::process::id();
        let below_first = |process: &Process| {
            let mut pid = process.pid;
            // A parent has no child twice, but processes come and go while /proc is read.
            for _ in 0..all.len() {
                if Some(pid) == first {
                    return true;
                }
                match all.iter().find(|other| other.pid == pid) {
                    Some(process) => pid = process.parent,
                    None => return false,
                }
            }
            false
        };
        let theirs = |process: &&Process| {
            process.pid != me && !below_first(process) && self.owns(process, process.parent == me)
        };
        all.iter().filter(theirs).cloned().collect()
    }

    /// Ends all that belongs to the hop, and what that had started in turn; shows what was running.
    pub(super) async fn end(&self) -> Vec<Leftover> {
        let mut ended = Vec::new();
        for _ in 0..GENERATIONS {
            let found: Vec<Process> = self.find(None).into_iter().filter(|process| !process.zombie).collect();
            if found.is_empty() {
                break;
            }
            ended.extend(end(&found).await);
        }
        ended
    }

    /// Does a process belong to the hop?
    pub(super) fn owns(&self, process: &Process, adopted: bool) -> bool {
        let environment = process.environment([INVOCATION_ID, HOP]);
        if let Some(id) = environment[0].as_deref().filter(|id| !id.is_empty()) {
            return id == self.invocation && environment[1].as_deref() == Some(&self.hop);
        }
        // Some overwrite their environment with their title (nginx).
        adopted && listeners::of([process.pid]).contains(&self.listen)
    }
}

/// Ends processes at once, and waits until they are gone; shows what they were.
pub(super) async fn end(processes: &[Process]) -> Vec<Leftover> {
    let shown: Vec<Leftover> = processes.iter().map(Leftover::from).collect();
    for process in processes {
        let _ = signal(process.pid, Signal::KILL);
    }
    let killed = processes.to_vec();
    let gone = hop::wait::until("killed processes to end", END_LIMIT, move || {
        std::future::ready(killed.iter().all(|process| !process.lives()).then_some(()))
    });
    if let Err(error) = gone.await {
        tracing::warn!(%error, "left-over processes");
    }
    processes.iter().for_each(reap);
    shown
}

/// Takes the exit status of an adopted process, so that it is no zombie. Others wait for their own.
pub(super) fn reap(process: &Process) {
    if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

impl From<&Process> for Leftover {
    fn from(process: &Process) -> Self {
        Leftover { pid: process.pid, command: process.command(), listens: listeners::of([process.pid]) }
    }
}
