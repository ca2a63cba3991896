//! Supervision: everything starts in order, nothing dies unnoticed, everything stops in reverse.
//!
//! [`launch`] starts a process, [`ready`] tells when it is ready, [`program`] keeps it running over all its
//! lives, [`terminate`] ends it. [`exit`] says how it ended, [`unready`] and [`background`] why. [`leftovers`],
//! [`guard`] and [`process`] see to it that nothing outlives the lab.

mod adopted;
mod background;
mod exit;
mod guard;
mod launch;
mod leftovers;
mod logs;
mod process;
mod processes;
mod program;
mod ready;
mod sockets;
mod spawner;
mod starting;
mod status;
mod terminate;
#[cfg(test)]
mod tests;
mod unready;

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use exit::Exit;
pub(crate) use exit::{last_lines, page, write_log};
pub(crate) use launch::{Launch, typed};
pub(crate) use leftovers::INVOCATION_ID;
use leftovers::Leftovers;
pub use leftovers::{Leftover, all_children_are_programs};
pub(crate) use process::{Signal, signal};
use program::Program;
pub(crate) use ready::Readiness;
pub(crate) use sockets::Socket;
pub use starting::Starting;
pub use status::{Event, State, Status};

/// Programs that run, wave behind wave. Dropping it kills them.
pub(crate) struct Supervisor {
    waves: Vec<Vec<Supervised>>,
    events: mpsc::UnboundedReceiver<Event>,
    changed: Arc<Notify>,
    now: CancellationToken,
    /// Cuts long logs.
    logs: JoinHandle<()>,
    /// Looks for processes that have lost their parents.
    adopted: JoinHandle<()>,
}

struct Supervised {
    status: Arc<Mutex<Status>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Starts wave after wave, each program of a wave at the same time.
    ///
    /// # Errors
    /// The first program that fails; the others are killed, and gone when this returns.
    pub(crate) async fn start(waves: Vec<Vec<Launch>>, starting: &Starting) -> Result<Self, Exit> {
        let (sender, events) = mpsc::unbounded_channel();
        leftovers::adopt();
        let all = || waves.iter().flatten();
        let files = all().map(|launch| launch.log.clone()).collect();
        if let (Some(guard), Some(launch)) = (guard::guard(), all().next())
            && let Some(run) = launch.env.get(INVOCATION_ID)
        {
            guard.watch_run(run);
        }
        let mut supervisor = Supervisor {
            waves: Vec::with_capacity(waves.len()),
            events,
            changed: Arc::new(Notify::new()),
            now: CancellationToken::new(),
            logs: tokio::spawn(logs::keep_short(files)),
            adopted: tokio::spawn(async {}),
        };
        let mut hops = Vec::new();
        for wave in waves {
            let mut starts = FuturesUnordered::new();
            let mut supervised = Vec::with_capacity(wave.len());
            for launch in wave {
                let stop = CancellationToken::new();
                let leftovers = Leftovers::of(&launch);
                let (first, started) = oneshot::channel();
                let (changed, now) = (Arc::clone(&supervisor.changed), supervisor.now.clone());
                let program = Program::new(launch, sender.clone(), changed, stop.clone(), now);
                let status = program.status();
                hops.push(adopted::Hop { leftovers, status: Arc::clone(&status) });
                starting.begun(Arc::clone(&status));
                supervised.push(Supervised { status, stop, task: tokio::spawn(program.run(first)) });
                starts.push(started);
            }
            supervisor.waves.push(supervised);
            // Whoever fails first is reported first, however long the others take.
            while let Some(started) = starts.next().await {
                if let Ok(Err(exit)) = started {
                    supervisor.now.cancel();
                    supervisor.stop().await;
                    return Err(exit);
                }
            }
        }
        supervisor.adopted = tokio::spawn(adopted::follow(hops, sender));
        Ok(supervisor)
    }

    /// Every program, in the order of their waves.
    pub(crate) fn statuses(&self) -> Vec<Status> {
        self.watch().statuses()
    }

    /// What has happened since; waits for something to happen.
    pub(crate) async fn event(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// What has happened since, without waiting.
    pub(crate) fn try_event(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Told whenever a program died or came back.
    pub(crate) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// The programs' states for others; for the control plane and the control server.
    pub(crate) fn watch(&self) -> Watch {
        Watch(self.waves.iter().flatten().map(|supervised| Arc::clone(&supervised.status)).collect())
    }

    /// Cancelled: no more patience, every program is killed.
    pub(crate) fn impatience(&self) -> CancellationToken {
        self.now.clone()
    }

    /// Stops the last wave first: nobody loses a program that it still sends requests to.
    pub(crate) async fn stop(&mut self) {
        while let Some(wave) = self.waves.pop() {
            wave.iter().for_each(|supervised| supervised.stop.cancel());
            for mut supervised in wave {
                let _ = (&mut supervised.task).await;
            }
        }
        self.adopted.abort();
        for left in adopted::end().await {
            tracing::warn!("a program left {left}: killed");
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.logs.abort();
        self.adopted.abort();
        for supervised in self.waves.iter().flatten().rev() {
            supervised.task.abort();
            if let Some(pid) = supervised.status.lock().pid {
                terminate::sweep(Some(pid));
            }
        }
    }
}

/// The programs' states, as they are now. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Watch(Vec<Arc<Mutex<Status>>>);

impl Watch {
    pub(crate) fn statuses(&self) -> Vec<Status> {
        self.0.iter().map(|status| status.lock().clone()).collect()
    }
}
