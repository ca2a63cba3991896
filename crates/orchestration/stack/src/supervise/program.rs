//! One program over all its lives: started, awaited, watched, restarted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hop::clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::launch::Launch;
use super::leftovers::{Leftover, Leftovers};
use super::sockets::Sockets;
use super::status::{Event, State, Status};
use super::terminate::{kill, sweep, terminate};
use super::{background, unready};
use crate::probe::Refusal;

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

/// What a program answered last that is not ready.
type LastRefusal = Arc<Mutex<Option<Refusal>>>;

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
            waiting: None,
            left: Vec::new(),
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
        let exit = |what: String| Exit::new(launch, what, log_start);
        let exited = |exit: Exit, ready: Option<Instant>| End::Exited {
            exit,
            healthy: ready.map_or(Duration::ZERO, clock::since),
        };
        let begun = clock::monotonic();
        let mut child = match launch.start(sockets).await {
            Ok(child) => child,
            Err(what) => return exited(exit(what), None),
        };
        let pid = child.id();
        {
            let mut status = self.status.lock();
            (status.state, status.pid) = (State::Starting, pid);
            status.since_unix_ns = Some(clock::now());
        }
        let refusal = LastRefusal::default();
        let waited = self.until_ready(&refusal);
        // First of all: did it end? A port that answers may be somebody else's.
        let ready = tokio::select! {
            biased;
            status = child.wait() => {
                let left = self.gone(pid).await;
                return exited(background::told(exit(ended(&status, begun)), status.ok(), &left), None);
            }
            () = self.stop.cancelled() => None,
            ready = waited => Some(ready),
        };
        match ready {
            None => {
                terminate(&launch.name, &mut child, launch.drain, &self.now, &self.leftovers()).await;
                return End::Stopped;
            }
            Some(false) => {
                let what = format!("was not ready within {:?} and was killed", launch.ready_limit);
                let listens = self.leftovers().listens(pid);
                let exit = unready::told(exit(what), refusal.lock().take(), &listens, &launch.ready);
                kill(&mut child).await;
                self.leftovers().end().await;
                self.status.lock().pid = None;
                return exited(exit, None);
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
                let left = self.gone(pid).await;
                exited(background::told(exit(ended(&status, begun)), status.ok(), &left), Some(healthy))
            }
            () = self.stop.cancelled() => {
                terminate(&launch.name, &mut child, launch.drain, &self.now, &self.leftovers()).await;
                End::Stopped
            }
        }
    }

    /// Asks until the program is ready; if it never is, `refusal` has its last answer.
    fn until_ready(&self, refusal: &LastRefusal) -> impl Future<Output = bool> + Send + use<> {
        let (ready, limit) = (self.launch.ready.clone(), self.launch.ready_limit);
        let (status, refusal) = (Arc::clone(&self.status), Arc::clone(refusal));
        async move {
            let waited = hop::wait::until("readiness", limit, move || {
                let (ready, status, refusal) = (ready.clone(), Arc::clone(&status), Arc::clone(&refusal));
                async move {
                    let answer = ready.holds().await;
                    status.lock().waiting = answer.as_ref().err().map(ToString::to_string);
                    answer.map_err(|answer| *refusal.lock() = Some(answer)).ok()
                }
            });
            waited.await.is_ok()
        }
    }

    fn leftovers(&self) -> Leftovers {
        Leftovers::of(&self.launch)
    }

    /// The process has ended; what it started itself ends now.
    async fn gone(&self, pid: Option<u32>) -> Vec<Leftover> {
        self.status.lock().pid = None;
        let left = self.leftovers().end().await;
        sweep(pid);
        left
    }
}

fn ended(status: &std::io::Result<std::process::ExitStatus>, begun: Instant) -> String {
    let after = clock::since(begun).as_secs_f64();
    match status {
        Ok(status) => format!("{status} after {after:.1} s"),
        Err(error) => format!("could not be waited for: {error}"),
    }
}
