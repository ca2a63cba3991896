//! Group commit: the one thread that writes.
//!
//! `fdatasync` takes as long for a thousand records as for one. So the appender takes *everything*
//! that waits, writes it, syncs each touched file once, and responds to all who waited. While it syncs,
//! the next group gathers: the busier the server, the larger the groups, and the less a record costs.
//!
//! It is a thread of its own because `fdatasync` blocks: the runtime's only thread must go on reading
//! requests, or no next group would gather.

use std::io;
use std::sync::Arc;
use std::thread::Builder;

use kafka_protocol::ResponseError;
use tokio::sync::{mpsc, oneshot};

use crate::batch::Batch;
use crate::limits::{APPEND_QUEUE, MAX_GROUP, MAX_SYNCS};
use crate::partition::{Partition, Rejected};

/// What one produce request wants appended, and where to tell the outcome.
#[derive(Debug)]
pub struct Append {
    /// Each batch with its partition.
    pub batches: Vec<(Arc<Partition>, Batch)>,
    /// When it was handed over, in nanoseconds since the Unix epoch.
    pub queued: u64,
    /// Gets the outcome once it is certain.
    pub done: oneshot::Sender<Appended>,
}

/// What became of one produce request.
#[derive(Debug)]
pub struct Appended {
    /// For each batch its base offset, or why it is not in the log.
    pub outcomes: Vec<Result<i64, Failed>>,
    pub times: Times,
}

/// When the steps of a group commit were over, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// The request entered the queue.
    pub queued: u64,
    /// The request left the queue.
    pub taken: u64,
    /// The operating system has the bytes.
    pub written: u64,
    /// The disk has them.
    pub synced: u64,
}

/// Why a batch is not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// It does not follow what its producer sent before.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The disk did not take it.
    #[error("the log cannot be written (is the disk full?)")]
    Storage,
}

impl Failed {
    /// The Kafka protocol's name for it.
    pub fn code(self) -> ResponseError {
        match self {
            Failed::Rejected(Rejected::OutOfOrder) => ResponseError::OutOfOrderSequenceNumber,
            Failed::Rejected(Rejected::Fenced) => ResponseError::InvalidProducerEpoch,
            Failed::Rejected(Rejected::Full) | Failed::Storage => ResponseError::KafkaStorageError,
        }
    }
}

/// The way to the appender thread.
#[derive(Clone, Debug)]
pub struct Appender(mpsc::Sender<Command>);

#[derive(Debug)]
enum Command {
    Append(Append),
    /// Delete what these partitions need not keep any longer.
    Retain(Vec<Arc<Partition>>),
    /// Finish what came before, then end.
    Stop,
}

/// Completes when the appender thread has ended: well, or because the disk left it no choice.
pub type Ended = oneshot::Receiver<anyhow::Error>;

impl Appender {
    /// Starts the appender thread.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub fn start() -> io::Result<(Self, Ended)> {
        let (sender, receiver) = mpsc::channel(APPEND_QUEUE);
        let (ended, watch) = oneshot::channel();
        Builder::new().name("appender".into()).spawn(move || {
            if let Err(error) = run(receiver) {
                // Nobody listens any more only when the process is ending anyway.
                let _ = ended.send(error);
            }
        })?;
        Ok((Appender(sender), watch))
    }

    /// Hands a request over; waits while the queue is full. Returns false when the appender is gone.
    pub async fn submit(&self, append: Append) -> bool {
        self.0.send(Command::Append(append)).await.is_ok()
    }

    /// Has the appender delete what these partitions need not keep any longer.
    pub async fn retain(&self, partitions: Vec<Arc<Partition>>) {
        let _ = self.0.send(Command::Retain(partitions)).await;
    }

    /// Has the appender end after what was submitted so far.
    pub async fn stop(&self) {
        let _ = self.0.send(Command::Stop).await;
    }
}

/// Takes group after group until told to stop.
fn run(mut commands: mpsc::Receiver<Command>) -> anyhow::Result<()> {
    let mut group = Vec::new();
    let mut going = true;
    while going {
        let mut bytes = 0;
        let mut next = commands.blocking_recv();
        going = next.is_some();
        while let Some(command) = next {
            let append = match command {
                Command::Append(append) => append,
                Command::Retain(partitions) => {
                    // Between groups: nothing is staged while files come and go.
                    commit(&mut group)?;
                    let now = i64::try_from(hop::clock::now() / 1_000_000).unwrap_or(i64::MAX);
                    partitions.iter().for_each(|partition| partition.retain(now));
                    break;
                }
                Command::Stop => {
                    going = false;
                    break;
                }
            };
            bytes += append.batches.iter().map(|(_, batch)| batch.bytes.len()).sum::<usize>();
            group.push(append);
            next = if bytes < MAX_GROUP { commands.try_recv().ok() } else { None };
        }
        commit(&mut group)?;
    }
    Ok(())
}

/// One group: stage all, write each file once, sync each file once, then tell those who wait.
fn commit(group: &mut Vec<Append>) -> anyhow::Result<()> {
    if group.is_empty() {
        return Ok(());
    }
    let taken = hop::clock::now();
    let mut touched: Vec<Arc<Partition>> = Vec::new();
    let mut outcomes = Vec::with_capacity(group.len());
    for append in group.iter() {
        let stage = |(partition, batch): &(Arc<Partition>, Batch)| {
            let untouched = !partition.has_staged();
            if untouched {
                partition.roll_if_due();
            }
            let staged = partition.stage(batch)?;
            if untouched && partition.has_staged() {
                touched.push(Arc::clone(partition));
            }
            Ok(staged)
        };
        outcomes.push(append.batches.iter().map(stage).collect::<Vec<Result<i64, Failed>>>());
    }

    let written = each(&touched, Partition::write);
    let written_at = hop::clock::now();
    let synced = sync(&written.good);
    let synced_at = hop::clock::now();

    for partition in &synced.good {
        partition.commit();
    }
    for (partition, error) in &synced.bad {
        // After a failed sync the operating system may have dropped what it could not write. If the
        // disk is merely full, cutting the file settles it; any other failure makes the disk suspect.
        if !is_full(error) {
            let error = io::Error::new(error.kind(), error.to_string());
            return Err(anyhow::Error::new(error).context(format!(
                "sync {}: the disk may have lost what it was given; look at the kernel's log, then start again (the log is verified at start)",
                partition.path().display()
            )));
        }
    }
    for (partition, error) in written.bad.iter().chain(&synced.bad) {
        partition.rollback(error).map_err(|cut| {
            anyhow::Error::new(cut).context(format!(
                "cut {} back to its last good record after a failed write ({error})",
                partition.path().display()
            ))
        })?;
    }

    let is_bad = |partition: &Arc<Partition>| {
        written.bad.iter().chain(&synced.bad).any(|(bad, _)| Arc::ptr_eq(bad, partition))
    };
    for (append, mut outcomes) in group.drain(..).zip(outcomes) {
        for ((partition, _), outcome) in append.batches.iter().zip(&mut outcomes) {
            if outcome.is_ok() && is_bad(partition) {
                *outcome = Err(Failed::Storage);
            }
        }
        let times = Times { queued: append.queued, taken, written: written_at, synced: synced_at };
        // The producer may have hung up; its records stay.
        let _ = append.done.send(Appended { outcomes, times });
    }
    Ok(())
}

/// Which partitions a step succeeded for, and which not.
#[derive(Default)]
struct Step {
    good: Vec<Arc<Partition>>,
    bad: Vec<(Arc<Partition>, io::Error)>,
}

fn each(partitions: &[Arc<Partition>], step: impl Fn(&Partition) -> io::Result<()>) -> Step {
    let mut outcome = Step::default();
    for partition in partitions {
        match step(partition) {
            Ok(()) => outcome.good.push(Arc::clone(partition)),
            Err(error) => outcome.bad.push((Arc::clone(partition), error)),
        }
    }
    outcome
}

/// Syncs all files at the same time: the file system puts syncs that wait at the same time into one commit of its
/// journal, so several cost hardly more than one.
fn sync(partitions: &[Arc<Partition>]) -> Step {
    let mut outcome = Step::default();
    for some in partitions.chunks(MAX_SYNCS) {
        let results: Vec<io::Result<()>> = std::thread::scope(|scope| {
            let Some((first, others)) = some.split_first() else { return Vec::new() };
            let begin = |partition| {
                let partition: &Arc<Partition> = partition;
                // Without a thread it is done one after the other, later.
                (partition, Builder::new().spawn_scoped(scope, || partition.sync()).ok())
            };
            let others: Vec<_> = others.iter().map(begin).collect();
            let mut results = vec![first.sync()];
            results.extend(others.into_iter().map(|(partition, thread)| {
                let gone = |_| Err(io::Error::other("the thread that synced it panicked"));
                thread.map_or_else(|| partition.sync(), |thread| thread.join().unwrap_or_else(gone))
            }));
            results
        });
        for (partition, result) in some.iter().zip(results) {
            match result {
                Ok(()) => outcome.good.push(Arc::clone(partition)),
                Err(error) => outcome.bad.push((Arc::clone(partition), error)),
            }
        }
    }
    outcome
}

/// Whether the disk, the quota or the allowed file size is used up: conditions that pass.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

#[cfg(test)]
mod tests;
