//! One program from start to stop: started, awaited, watched, restarted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hop::clock;
use serde::{Deserialize, Serialize};
use tokio::process::Child;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::death::Death;
use super::guard;
use super::logs;
use super::process::{Signal, signal, signal_group};
use super::ready::Readiness;
use super::sockets::{Socket, Sockets};
use super::spawner;

/// The pause before the second restart; the first comes at once, each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For so long clients wait for a program that is away; then its sockets are closed, and they are told.
const WAITED_FOR: Duration = Duration::from_secs(1);
/// Whoever was ready for so long is started again at once.
const HEALTHY: Duration = Duration::from_secs(10);
/// How much longer than its own drain limit a program may take before it is killed.
const GRACE: Duration = Duration::from_secs(1);

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
    /// Bound by the lab and handed over; a foreign program binds its own.
    pub(crate) sockets: Vec<Socket>,
    pub(crate) ready: Readiness,
    /// How long it may take to be ready.
    pub(crate) ready_limit: Duration,
    /// How long it may take to end when told to.
    pub(crate) drain: Duration,
}

/// What a program is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs and is not ready yet.
    Starting,
    /// It answers.
    Ready,
    /// It died and is started again after a pause.
    Restarting,
    /// It was stopped.
    Stopped,
    /// Somebody else runs it.
    External,
}

/// A program as `lab status` shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The hop.
    pub name: String,
    /// Its role.
    pub role: String,
    /// Where it answers.
    pub listen: SocketAddr,
    /// Where its admin endpoint is.
    pub admin: Option<SocketAddr>,
    /// What it is doing.
    pub state: State,
    /// Its process.
    pub pid: Option<u32>,
    /// When that process was started, in nanoseconds since the Unix epoch.
    pub since_unix_ns: Option<u64>,
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended the last time.
    pub last_death: Option<String>,
    /// What it writes.
    pub log: PathBuf,
}

/// What happened to a running program.
#[derive(Clone, Debug)]
pub enum Event {
    /// It ended by itself; it is started again after the pause.
    Died(Death, Duration),
    /// It runs and is ready again.
    Back(String),
}

/// A program that is kept running.
pub(super) struct Keeper {
    pub(super) launch: Launch,
    status: Arc<Mutex<Status>>,
    events: mpsc::UnboundedSender<Event>,
    /// Somebody's readiness changed: the control plane looks at once.
    changed: Arc<Notify>,
    stop: CancellationToken,
    now: CancellationToken,
}

/// How a life ended.
enum End {
    Stopped,
    Died { death: Death, healthy: Duration },
}

impl Keeper {
    pub(super) fn new(
        launch: Launch,
        events: mpsc::UnboundedSender<Event>,
        changed: Arc<Notify>,
        stop: CancellationToken,
        now: CancellationToken,
    ) -> Self {
        let status = Status {
            name: launch.name.clone(),
            role: launch.role.clone(),
            listen: launch.ready.listen,
            admin: launch.ready.admin,
            state: State::Starting,
            pid: None,
            since_unix_ns: None,
            restarts: 0,
            last_death: None,
            log: launch.log.clone(),
        };
        Keeper { launch, status: Arc::new(Mutex::new(status)), events, changed, stop, now }
    }

    pub(super) fn status(&self) -> Arc<Mutex<Status>> {
        Arc::clone(&self.status)
    }

    fn update(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the program running until it is told to stop.
    ///
    /// `first` hears how the first start went; if it failed, that was all.
    pub(super) async fn run(self, first: oneshot::Sender<Result<(), Death>>) {
        let mut first = Some(first);
        let mut pause = Duration::ZERO;
        let mut sockets = None;
        loop {
            let end = self.live(&mut sockets, &mut first).await;
            let (death, healthy) = match end {
                End::Stopped => break,
                End::Died { death, healthy } => (death, healthy),
            };
            self.update().last_death = Some(death.what.clone());
            if let Some(first) = first.take() {
                let _ = first.send(Err(death));
                break;
            }
            if healthy >= HEALTHY {
                pause = Duration::ZERO;
            }
            if pause > WAITED_FOR {
                sockets = None;
            }
            self.update().state = State::Restarting;
            self.changed.notify_waiters();
            let _ = self.events.send(Event::Died(death, pause));
            if tokio::time::timeout(pause, self.stop.cancelled()).await.is_ok() {
                break;
            }
            pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.update().restarts += 1;
        }
        let mut status = self.update();
        status.state = State::Stopped;
        status.pid = None;
    }

    /// One life of the program.
    async fn live(
        &self,
        sockets: &mut Option<Sockets>,
        first: &mut Option<oneshot::Sender<Result<(), Death>>>,
    ) -> End {
        let launch = &self.launch;
        let log_start = std::fs::metadata(&launch.log).map_or(0, |log| log.len());
        let died = |what: String, ready: Option<std::time::Instant>| End::Died {
            death: Death::new(&launch.name, what, &launch.log, log_start, launch.ready.own),
            healthy: ready.map_or(Duration::ZERO, clock::since),
        };
        let begun = clock::monotonic();
        let mut child = match self.start(sockets).await {
            Ok(child) => child,
            Err(what) => return died(what, None),
        };
        let pid = child.id();
        {
            let mut status = self.update();
            (status.state, status.pid) = (State::Starting, pid);
            status.since_unix_ns = Some(clock::now());
        }
        let ready = launch.ready.clone();
        let waited = hop::wait::until("readiness", launch.ready_limit, move || {
            let ready = ready.clone();
            async move { ready.holds().await.then_some(()) }
        });
        // First of all: did it end? A port that answers may be somebody else's.
        let ready = tokio::select! {
            biased;
            exit = child.wait() => {
                self.update().pid = None;
                sweep(pid);
                return died(ended(exit, begun), None);
            }
            () = self.stop.cancelled() => None,
            ready = waited => Some(ready.is_ok()),
        };
        match ready {
            None => {
                self.terminate(&mut child).await;
                return End::Stopped;
            }
            Some(false) => {
                kill(&mut child).await;
                self.update().pid = None;
                let what = format!(
                    "was not ready within {:?} and was killed: {}",
                    launch.ready_limit,
                    launch.ready.hint()
                );
                return died(what, None);
            }
            Some(true) => {}
        }
        self.update().state = State::Ready;
        self.changed.notify_waiters();
        match first.take() {
            Some(first) => drop(first.send(Ok(()))),
            None => drop(self.events.send(Event::Back(launch.name.clone()))),
        }
        let healthy = clock::monotonic();
        tokio::select! {
            exit = child.wait() => {
                self.update().pid = None;
                sweep(pid);
                died(ended(exit, begun), Some(healthy))
            }
            () = self.stop.cancelled() => {
                self.terminate(&mut child).await;
                End::Stopped
            }
        }
    }

    async fn start(&self, sockets: &mut Option<Sockets>) -> Result<Child, String> {
        let launch = &self.launch;
        let open = match sockets.take() {
            Some(open) => open,
            None => {
                Sockets::open(&launch.sockets).map_err(|error| format!("could not be started: {error:#}"))?
            }
        };
        let open = sockets.insert(open);
        let log = logs::open(&launch.log).map_err(|error| format!("open its log: {error}"))?;
        let both = log.try_clone().map_err(|error| format!("open its log: {error}"))?;
        let mut command = open.command(&launch.program).map_err(|error| format!("{error:#}"))?;
        if launch.ready.own {
            // What the user's shell happens to hold (a SEED, a QUEUE) must not change the stack.
            let kept = KEPT_VARIABLES.iter().filter_map(|key| Some((key, std::env::var_os(key)?)));
            command.env_clear().envs(kept);
        }
        command.args(&launch.arguments).envs(&launch.env).envs(open.variables());
        command.stdin(Stdio::null()).stdout(both).stderr(log);
        let started = spawner::spawn(command).await;
        if let (Some(guard), Some(pid)) = (guard::guard(), started.as_ref().ok().and_then(Child::id)) {
            guard.watch(pid);
        }
        started.map_err(|error| {
            let remedy = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such program: check the path, or install it",
                std::io::ErrorKind::PermissionDenied => "it is not executable: chmod +x",
                _ => "see the message",
            };
            format!("could not be started: {}: {error} ({remedy})", launch.program.display())
        })
    }

    /// SIGTERM, time to drain, then SIGKILL; at once when the user has no patience.
    async fn terminate(&self, child: &mut Child) {
        let pid = child.id();
        if let Some(pid) = pid {
            let _ = signal(pid, Signal::Terminate);
        }
        let limit = self.launch.drain + GRACE;
        tokio::select! {
            _ = child.wait() => sweep(pid),
            () = self.now.cancelled() => kill(child).await,
            () = passed(limit) => {
                tracing::warn!(hop = %self.launch.name, ?limit, "did not end when told to: killed");
                kill(child).await;
            }
        }
    }
}

/// The limit of a graceful end.
async fn passed(limit: Duration) {
    let _ = tokio::time::timeout(limit, std::future::pending::<()>()).await;
}

/// Kills a child and whatever it started.
async fn kill(child: &mut Child) {
    sweep(child.id());
    let _ = child.kill().await;
}

/// Kills what is left of a child's group: a child that ended may have left children of its own.
pub(super) fn sweep(pid: Option<u32>) {
    if let Some(pid) = pid {
        signal_group(pid, Signal::Kill);
        if let Some(guard) = guard::guard() {
            guard.forget(pid);
        }
    }
}

fn ended(exit: std::io::Result<std::process::ExitStatus>, begun: std::time::Instant) -> String {
    let after = clock::since(begun).as_secs_f64();
    match exit {
        Ok(status) => format!("{status} after {after:.1} s"),
        Err(error) => format!("could not be waited for: {error}"),
    }
}
