//! Supervision: everything starts in order, nothing dies unnoticed, everything stops in reverse.

mod death;
mod guard;
mod keep;
mod logs;
pub(crate) mod ports;
mod process;
mod ready;
mod sockets;
mod spawner;
#[cfg(test)]
mod tests;
pub(crate) mod usage;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use death::Death;
pub(crate) use keep::Launch;
pub use keep::{Event, State, Status};
pub(crate) use process::{Signal, signal};
pub(crate) use ready::Readiness;
pub(crate) use sockets::Socket;

/// Programs that run, wave behind wave. Dropping it kills them.
pub(crate) struct Supervisor {
    waves: Vec<Vec<Kept>>,
    events: mpsc::UnboundedReceiver<Event>,
    changed: Arc<Notify>,
    now: CancellationToken,
    /// Cuts long logs.
    logs: JoinHandle<()>,
}

struct Kept {
    status: Arc<Mutex<Status>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Starts wave after wave, each program of a wave at the same time.
    ///
    /// # Errors
    /// The first program that fails; the others are killed, and gone when this returns.
    pub(crate) async fn start(waves: Vec<Vec<Launch>>) -> Result<Self, Death> {
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
            let mut answers = Vec::with_capacity(wave.len());
            let mut kept = Vec::with_capacity(wave.len());
            for launch in wave {
                let stop = CancellationToken::new();
                let (first, answer) = oneshot::channel();
                let keeper = keep::Keeper::new(
                    launch,
                    sender.clone(),
                    Arc::clone(&supervisor.changed),
                    stop.clone(),
                    supervisor.now.clone(),
                );
                let status = keeper.status();
                kept.push(Kept { status, stop, task: tokio::spawn(keeper.run(first)) });
                answers.push(answer);
            }
            supervisor.waves.push(kept);
            let mut answers: Vec<_> = answers.into_iter().map(Box::pin).collect();
            // Whoever fails first is reported first, however long the others take.
            while !answers.is_empty() {
                let (answer, index) = first_of(&mut answers).await;
                drop(answers.swap_remove(index));
                if let Ok(Err(death)) = answer {
                    supervisor.now.cancel();
                    supervisor.stop().await;
                    return Err(death);
                }
            }
        }
        Ok(supervisor)
    }

    /// Every program, in the order of their waves.
    pub(crate) fn statuses(&self) -> Vec<Status> {
        let lock = |kept: &Kept| kept.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.waves.iter().flatten().map(lock).collect()
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

    /// Those who keep the programs' states; for the control plane and the control server.
    pub(crate) fn watch(&self) -> Watch {
        Watch(self.waves.iter().flatten().map(|kept| Arc::clone(&kept.status)).collect())
    }

    /// Cancelled: no more patience, every program is killed.
    pub(crate) fn impatience(&self) -> CancellationToken {
        self.now.clone()
    }

    /// Stops the last wave first: nobody loses a program that it still asks.
    pub(crate) async fn stop(&mut self) {
        while let Some(wave) = self.waves.pop() {
            wave.iter().for_each(|kept| kept.stop.cancel());
            for mut kept in wave {
                let _ = (&mut kept.task).await;
            }
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.logs.abort();
        for kept in self.waves.iter().flatten().rev() {
            kept.task.abort();
            if let Some(pid) = kept.status.lock().unwrap_or_else(PoisonError::into_inner).pid {
                keep::sweep(Some(pid));
            }
        }
    }
}

/// The programs' states, as they are now. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Watch(Vec<Arc<Mutex<Status>>>);

impl Watch {
    pub(crate) fn statuses(&self) -> Vec<Status> {
        self.0.iter().map(|status| status.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }
}

type Answer = std::pin::Pin<Box<oneshot::Receiver<Result<(), Death>>>>;

/// The first of several answers, and which it was.
async fn first_of(answers: &mut [Answer]) -> (Result<Result<(), Death>, oneshot::error::RecvError>, usize) {
    std::future::poll_fn(|context| {
        for (index, answer) in answers.iter_mut().enumerate() {
            if let std::task::Poll::Ready(answer) = answer.as_mut().poll(context) {
                return std::task::Poll::Ready((answer, index));
            }
        }
        std::task::Poll::Pending
    })
    .await
}
