//! Supervision: everything starts in order, nothing dies unnoticed, everything stops in reverse.
//!
//! [`launch`] starts a process, [`ready`] tells when it is ready, [`program`] keeps it running over all its
//! lives, [`terminate`] ends it. [`exit`] says how it ended, [`guard`] and [`process`] see to it that nothing
//! outlives the lab.

mod exit;
mod guard;
mod launch;
mod logs;
mod process;
mod program;
mod ready;
mod sockets;
mod spawner;
mod status;
mod terminate;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use exit::Exit;
pub(crate) use launch::Launch;
pub(crate) use process::{Signal, signal};
use program::Program;
pub(crate) use ready::Readiness;
pub(crate) use sockets::Socket;
pub use status::{Event, State, Status};

/// Programs that run, wave behind wave. Dropping it kills them.
pub(crate) struct Supervisor {
    waves: Vec<Vec<Supervised>>,
    events: mpsc::UnboundedReceiver<Event>,
    changed: Arc<Notify>,
    now: CancellationToken,
    /// Cuts long logs.
    logs: JoinHandle<()>,
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
    pub(crate) async fn start(waves: Vec<Vec<Launch>>) -> Result<Self, Exit> {
        let (sender, events) = mpsc::unbounded_channel();
        let files = waves.iter().flatten().map(|launch| launch.log.clone()).collect();
        let mut supervisor = Supervisor {
            waves: Vec::with_capacity(waves.len()),
            events,
            changed: Arc::new(Notify::new()),
            now: CancellationToken::new(),
            logs: tokio::spawn(logs::keep_short(files)),
        };
        for wave in waves {
            let mut starts = FuturesUnordered::new();
            let mut supervised = Vec::with_capacity(wave.len());
            for launch in wave {
                let stop = CancellationToken::new();
                let (first, started) = oneshot::channel();
                let (changed, now) = (Arc::clone(&supervisor.changed), supervisor.now.clone());
                let program = Program::new(launch, sender.clone(), changed, stop.clone(), now);
                let status = program.status();
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
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.logs.abort();
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
