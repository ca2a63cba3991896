//! One program over all its lives: started, awaited, watched, restarted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hop::clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::launch::Launch;
use super::sockets::Sockets;
use super::status::{Event, State, Status};
use super::terminate::{kill, sweep, terminate};

/// The pause before the second restart; the first comes at once, each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For so long clients wait for a program that is away; then its sockets are closed, and they are refused.
const WAITED_FOR: Duration = Duration::from_secs(1);
/// Whoever was ready for so long is started again at once.
const HEALTHY: Duration = Duration::from_secs(10);

/// A program that is kept running.
pub(super) struct Program {
    launch: Launch,
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
    Exited { exit: Exit, healthy: Duration },
}

/// How the first start went, sent once.
pub(super) type FirstStart = oneshot::Sender<Result<(), Exit>>;

impl Program {
    /// A program that does not run yet: `stop` ends it with SIGTERM, `now` with SIGKILL.
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
            last_exit: None,
            log: launch.log.clone(),
        };
        Program { launch, status: Arc::new(Mutex::new(status)), events, changed, stop, now }
    }

    pub(super) fn status(&self) -> Arc<Mutex<Status>> {
        Arc::clone(&self.status)
    }

    /// Keeps the program running until it is told to stop.
    ///
    /// `first` learns how the first start went; if it failed, that was all.
    pub(super) async fn run(self, first: FirstStart) {
        let mut first = Some(first);
        let mut pause = Duration::ZERO;
        let mut sockets = None;
        loop {
            let (exit, healthy) = match self.live(&mut sockets, &mut first).await {
                End::Stopped => break,
                End::Exited { exit, healthy } => (exit, healthy),
            };
            self.status.lock().last_exit = Some(exit.what.clone());
            if let Some(first) = first.take() {
                let _ = first.send(Err(exit));
                break;
            }
            if healthy >= HEALTHY {
                pause = Duration::ZERO;
            }
            if pause > WAITED_FOR {
                sockets = None;
            }
            self.status.lock().state = State::Restarting;
            self.changed.notify_waiters();
            let _ = self.events.send(Event::Exited(exit, pause));
            if tokio::time::timeout(pause, self.stop.cancelled()).await.is_ok() {
                break;
            }
            pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.status.lock().restarts += 1;
        }
        let mut status = self.status.lock();
        status.state = State::Stopped;
        status.pid = None;
    }

    /// One life of the program.
    async fn live(&self, sockets: &mut Option<Sockets>, first: &mut Option<FirstStart>) -> End {
        let launch = &self.launch;
        let log_start = std::fs::metadata(&launch.log).map_or(0, |log| log.len());
        let exited = |what: String, ready: Option<Instant>| End::Exited {
            exit: Exit::new(&launch.name, what, &launch.log, log_start, launch.ready.own),
            healthy: ready.map_or(Duration::ZERO, clock::since),
        };
        let begun = clock::monotonic();
        let mut child = match launch.start(sockets).await {
            Ok(child) => child,
            Err(what) => return exited(what, None),
        };
        let pid = child.id();
        {
            let mut status = self.status.lock();
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
            status = child.wait() => {
                self.gone(pid);
                return exited(ended(status, begun), None);
            }
            () = self.stop.cancelled() => None,
            ready = waited => Some(ready.is_ok()),
        };
        match ready {
            None => {
                terminate(&launch.name, &mut child, launch.drain, &self.now).await;
                return End::Stopped;
            }
            Some(false) => {
                kill(&mut child).await;
                self.status.lock().pid = None;
                let (limit, hint) = (launch.ready_limit, launch.ready.hint());
                return exited(format!("was not ready within {limit:?} and was killed: {hint}"), None);
            }
            Some(true) => {}
        }
        self.status.lock().state = State::Ready;
        self.changed.notify_waiters();
        match first.take() {
            Some(first) => drop(first.send(Ok(()))),
            None => drop(self.events.send(Event::Back(launch.name.clone()))),
        }
        let healthy = clock::monotonic();
        tokio::select! {
            status = child.wait() => {
                self.gone(pid);
                exited(ended(status, begun), Some(healthy))
            }
            () = self.stop.cancelled() => {
                terminate(&launch.name, &mut child, launch.drain, &self.now).await;
                End::Stopped
            }
        }
    }

    /// The process has ended; what it started itself ends now.
    fn gone(&self, pid: Option<u32>) {
        self.status.lock().pid = None;
        sweep(pid);
    }
}

fn ended(status: std::io::Result<std::process::ExitStatus>, begun: Instant) -> String {
    let after = clock::since(begun).as_secs_f64();
    match status {
        Ok(status) => format!("{status} after {after:.1} s"),
        Err(error) => format!("could not be waited for: {error}"),
    }
}
