//! The one task that owns the data, and the group commit.
//!
//! While a group's changes are flushed to the disk, more commands arrive from other connections. They form the
//! next group, which costs one more flush however many they are. So the busier the store, the cheaper a
//! durable write; and a client that is alone pays for one flush, no more.
//!
//! It flushes on the runtime's only thread, and everything stands still meanwhile, as in Redis: no reply could
//! leave anyway, what arrives waits in the sockets' buffers, and to wake a second thread and be woken by
//! it takes about as long as a third of a flush does on a good disk.
//!
//! A group goes through five steps, and no reply of it leaves before the last:
//! 1. take every request that waits,
//! 2. run their commands, one after the other, in memory,
//! 3. append what they changed to the log, in one write,
//! 4. flush the log (APPENDFSYNC=always),
//! 5. send the replies: of reads too, because they may have seen a change of this very group.
//!
//! When step 3 fails (the disk is full), memory holds changes that the log does not. Undoing each change
//! would need a mirror image of every command. Instead the half-written group is cut off the file, the
//! database is read back from it (replay is tested anyway, and memory is then what a restart would give, by
//! construction), and the group runs once more with its writes refused. That takes as long as a start, but
//! happens once per full disk: from then on commands that write are refused up front, until a probe finds room.
//! When step 4 fails, nobody can know what is on the disk (the kernel may have dropped the pages, and a
//! second try would say "fine"), so the store ends; nothing of the group was acknowledged.

mod request;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use anyhow::{Context as _, anyhow};
use hop::clock;
use tokio::sync::{mpsc, watch};

use crate::commands::{Facts, Refusal, execute};
use crate::config::Fsync;
use crate::database::Database;
use crate::log::Log;
use crate::log::rewrite::Rewriter;
use crate::reply::Output;
use crate::session::Checkpoint;

pub(crate) use request::{Done, Job, Request, Times};

#[cfg(test)]
mod tests;

/// The most requests of one group.
const GROUP_LIMIT: usize = 1024;
/// How often a group that grows polls for more before it starts.
const POLLS: usize = 4;
/// The most expired keys that one group removes before it starts.
const SWEEP_LIMIT: usize = 1000;
/// Replies of one request are sent once they are so many bytes; its other commands come back for another turn.
/// Otherwise a pipeline of small commands with large replies would need their sum in memory.
const OUTPUT_TARGET: usize = 1 << 20;

/// The data, the log, and what connects them.
pub(crate) struct Executor {
    database: Database,
    log: Log,
    facts: Facts,
    /// Set while nothing can be written: the error that commands which write get.
    refusal: Option<String>,
    /// Something was appended and not flushed (APPENDFSYNC=everysec).
    unflushed: bool,
    rewriter: Rewriter,
    /// Counts the groups that changed something.
    changes: watch::Sender<u64>,
}

impl Executor {
    pub(crate) fn new(database: Database, log: Log, facts: Facts) -> Self {
        Self {
            database,
            log,
            facts,
            refusal: None,
            unflushed: false,
            rewriter: Rewriter::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Tells of every group that changed something, after it is durable.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How many connections wait for a change; they count themselves.
    pub(crate) fn blocked(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.facts.blocked)
    }

    /// Serves until [`Job::End`] or until every sender is gone, then flushes.
    ///
    /// # Errors
    /// The log can't be trusted any more. Everything acknowledged so far is kept; nothing else was.
    pub(crate) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) -> anyhow::Result<()> {
        let mut ending = false;
        // It has its turn after all connections that were ready at the same moment: together they are the group.
        while !ending && let Some(first) = jobs.recv().await {
            let (mut group, mut tick) = (Vec::new(), false);
            let mut next = Some(first);
            for poll in 1..=POLLS {
                let before = group.len();
                while let Some(job) = next {
                    match job {
                        Job::Request(request) => group.push(*request),
                        Job::Tick => tick = true,
                        Job::End => ending = true,
                    }
                    next = if group.len() < GROUP_LIMIT { jobs.try_recv().ok() } else { None };
                }
                if group.len() == before || group.len() >= GROUP_LIMIT || poll == POLLS {
                    break;
                }
                // Who became ready meanwhile joins: to look costs a microsecond, a flush of their own a hundred.
                tokio::task::yield_now().await;
                next = jobs.try_recv().ok();
            }
            if tick {
                self.tick()?;
            }
            // A tick's own group has no requests: it only removes what expired.
            self.commit(group)?;
        }
        self.flush()
    }

    /// Takes a group through all five steps.
    fn commit(&mut self, mut group: Vec<Request>) -> anyhow::Result<()> {
        self.database.now = clock::now() / 1_000_000;
        if self.refusal.is_none() {
            self.database.sweep(SWEEP_LIMIT);
        }
        let sessions: Vec<Checkpoint> =
            group.iter_mut().map(|request| request.session.checkpoint()).collect();
        let mut runs = self.execute(&mut group);
        let (mut append, mut fsync) = (None, None);
        if !self.database.journal.bytes.is_empty() {
            // Where the last one's commands ended, or a moment after: nothing lies in between.
            let begin = runs.last().map_or_else(clock::now, |run| run.end);
            match self.log.append(&self.database.journal.bytes) {
                Ok(()) => {
                    self.database.journal.clear();
                    let appended = clock::now();
                    append = Some((begin, appended));
                    self.unflushed = true;
                    if self.facts.settings.appendfsync == Fsync::Always {
                        self.flush()?;
                        fsync = Some((appended, clock::now()));
                    }
                }
                Err(error) => {
                    self.refuse(&error)?;
                    for (request, checkpoint) in group.iter_mut().zip(sessions) {
                        request.session.restore(checkpoint);
                    }
                    runs = self.execute(&mut group);
                }
            }
        }
        if append.is_some() {
            // Whoever waits for a change may look now: it is durable.
            self.changes.send_modify(|changes| *changes += 1);
        }
        let changes = *self.changes.borrow();
        for (mut request, run) in group.into_iter().zip(runs) {
            request.commands.take(run.count);
            request.session.settle();
            if let Some(blocked) = &request.session.blocked {
                request.commands.replace_first(&blocked.command);
            }
            let times =
                Times { queue: (request.submitted, run.begin), execute: (run.begin, run.end), append, fsync };
            let (session, rest) = (request.session, request.commands);
            let done = Done { output: run.output, session, rest, times, changes };
            // The connection may be gone; its commands have run all the same.
            let _ = request.reply.send(done);
        }
        self.rewriter.step(&mut self.log, &mut self.facts, self.database.now)
    }

    /// Runs the group's commands in memory.
    fn execute(&mut self, group: &mut [Request]) -> Vec<Run> {
        let (mut runs, mut words) = (Vec::with_capacity(group.len()), Vec::new());
        for request in group {
            let output = std::mem::take(&mut request.output);
            let mut run = Run { output, begin: clock::now(), ..Run::default() };
            for at in 0..request.commands.len() {
                request.commands.read(at, &mut words);
                let limit = self.facts.settings.max_memory;
                let full = limit > 0 && self.database.memory() as u64 > limit;
                let refusal = match &self.refusal {
                    Some(text) => Some(Refusal::Disk(text)),
                    None => full.then_some(Refusal::Memory),
                };
                execute(
                    &mut self.database,
                    &mut request.session,
                    &self.facts,
                    refusal,
                    &words,
                    &mut run.output,
                );
                if request.session.blocked.is_some() {
                    run.output.take_back(); // it waits, and what its client said after it waits behind it
                    break;
                }
                run.count += 1;
                self.facts.commands += 1;
                if request.session.closing || run.output.bytes.len() > OUTPUT_TARGET {
                    break;
                }
            }
            run.end = clock::now();
            runs.push(run);
        }
        runs
    }

    /// The log could not be written: takes the group back and refuses writes from now on.
    fn refuse(&mut self, error: &std::io::Error) -> anyhow::Result<()> {
        let path = self.log.path().display().to_string();
        tracing::error!(file = %path, %error, "append to the log: commands that write are refused until there is room");
        self.rewriter.cancel(&mut self.facts); // its file takes room, too
        self.log
            .roll_back()
            .with_context(|| format!("take a half-written group back from {path}, after: {error}"))?;
        self.database = self
            .log
            .reload(&self.database, &self.facts)
            .with_context(|| format!("read {path} back after a failed write"))?;
        self.database.now = clock::now() / 1_000_000;
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or(&reason);
        self.refusal = Some(format!("MISCONF Errors writing to the AOF file: {reason}"));
        self.facts.log.healthy = false;
        Ok(())
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        if self.refusal.is_some() && self.log.probe().is_ok() {
            tracing::info!(file = %self.log.path().display(), "there is room again: writes are accepted");
            self.refusal = None;
            self.facts.log.healthy = true;
        }
        self.flush()
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if std::mem::take(&mut self.unflushed) {
            self.log.sync().map_err(|error| {
                anyhow!(
                    "flush {} to the disk: {error}. What the disk holds of the commands since the last flush \
                     is unknown. Check the disk, then start the store again",
                    self.log.path().display()
                )
            })?;
        }
        Ok(())
    }
}

/// What running one request gave.
#[derive(Default)]
struct Run {
    output: Output,
    /// How many of its commands ran.
    count: usize,
    begin: u64,
    end: u64,
}
