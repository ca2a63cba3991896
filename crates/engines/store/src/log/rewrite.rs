//! Rewriting the log while serving: the same data in fewer bytes.
//!
//! The log itself is the snapshot. Its first N bytes never change, so a thread of its own replays them into
//! a second database, as a start would, and writes that one out as the shortest row of commands; then it
//! copies the groups that came meanwhile, byte for byte, until it has nearly caught up. Between two groups
//! the executor copies the last few, flushes, and gives the new file the old one's name.
//!
//! Why so, and not in slices by the executor or from a copy of the memory: nobody waits but for that last
//! step, which costs two flushes however large the data is; no command needs to know that a rewrite runs; and
//! replay is the most tested code here. The price is a second database in memory for as long as it lasts (a
//! forked Redis may need as much, when every page is written to meanwhile).
//!
//! Killed at any moment, either the old file is there whole or the new one is: a rename is atomic, and the
//! new file and everything in it is on the disk before.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, ensure};

use super::{Log, REWRITE_NAME, replay, snapshot};
use crate::commands::Facts;
use crate::database::Database;

/// So much may be left for the executor to copy.
const REST: u64 = 256 << 10;
/// So often the thread tries to get that near before it leaves a larger rest to the executor.
const ROUNDS: usize = 100;
/// The thread flushes after so many bytes: a large flush at the end would make the executor's flushes wait.
const FLUSH_EVERY: u64 = 2 << 20;
/// After a rewrite that failed the next one starts by itself no sooner than this, in milliseconds.
const PAUSE: u64 = 30_000;

/// Decides when, starts the thread, and takes its result over.
#[derive(Debug, Default)]
pub(crate) struct Rewriter {
    running: Option<Running>,
    /// No rewrite starts by itself before this time, in milliseconds since the Unix epoch.
    not_before: u64,
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<anyhow::Result<Rewritten>>>,
}

/// What executor and thread tell each other.
#[derive(Debug, Default)]
struct Shared {
    /// How long the old log is, in whole groups.
    length: AtomicU64,
    cancelled: AtomicBool,
}

/// A new file that holds everything up to a position of the old one.
#[derive(Debug)]
pub(super) struct Rewritten {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) length: u64,
    /// The old log is in it up to here.
    pub(super) copied: u64,
}

impl Rewriter {
    /// Starts, takes over or goes on: what there is to do between two groups.
    ///
    /// # Errors
    /// The new log is in place but may not be on the disk: nothing can be promised any more.
    pub(crate) fn step(&mut self, log: &mut Log, facts: &mut Facts, now: u64) -> anyhow::Result<()> {
        facts.log.base = if facts.log.base == 0 { log.length() } else { facts.log.base };
        facts.log.length = log.length();
        if let Some(running) = &mut self.running {
            running.shared.length.store(log.length(), Ordering::Release);
            if let Some(thread) = running.thread.take_if(|thread| thread.is_finished()) {
                let outcome = thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread panicked")));
                self.running = None;
                self.finish(outcome, log, facts, now)?;
            }
        } else if facts.log.wanted.take() || self.due(log.length(), facts, now) {
            let shared = Arc::new(Shared::default());
            shared.length.store(log.length(), Ordering::Release);
            let (source, facts_then, told) = (log.path().to_owned(), facts.clone(), Arc::clone(&shared));
            let spawned = std::thread::Builder::new()
                .name("rewrite".into())
                .spawn(move || rewrite(&source, &facts_then, &told));
            match spawned {
                Ok(thread) => self.running = Some(Running { shared, thread: Some(thread) }),
                Err(error) => self.failed(&error.into(), facts, now),
            }
        }
        facts.log.rewriting = self.running.is_some();
        Ok(())
    }

    /// Gives a running rewrite up: the disk has no room for it.
    pub(crate) fn cancel(&mut self, facts: &mut Facts) {
        self.running = None;
        facts.log.rewriting = false;
    }

    /// Has the log grown enough? The rule and its two numbers are Redis's `auto-aof-rewrite-*`.
    fn due(&self, length: u64, facts: &Facts, now: u64) -> bool {
        let (percentage, least) = (facts.settings.rewrite_percentage, facts.settings.rewrite_min_size);
        let growth = length.saturating_sub(facts.log.base).saturating_mul(100);
        percentage > 0
            && length > least
            && growth >= facts.log.base.max(1).saturating_mul(percentage)
            && now >= self.not_before
            && facts.log.healthy
    }

    fn finish(
        &mut self,
        outcome: anyhow::Result<Rewritten>,
        log: &mut Log,
        facts: &mut Facts,
        now: u64,
    ) -> anyhow::Result<()> {
        let before = log.length();
        let mut rewritten = match outcome {
            Ok(rewritten) => rewritten,
            Err(error) => {
                self.failed(&error, facts, now);
                return Ok(());
            }
        };
        if let Err(error) = rewritten.catch_up(log) {
            let _ = std::fs::remove_file(&rewritten.path);
            self.failed(&error.into(), facts, now);
            return Ok(());
        }
        log.take_over(&rewritten.path, rewritten.file, rewritten.length)?;
        (facts.log.base, facts.log.length) = (log.length(), log.length());
        (facts.log.rewrites, facts.log.rewrite_healthy) = (facts.log.rewrites + 1, true);
        tracing::info!(file = %log.path().display(), before, bytes = log.length(), "log rewritten");
        Ok(())
    }

    fn failed(&mut self, error: &anyhow::Error, facts: &mut Facts, now: u64) {
        tracing::warn!(error = format!("{error:#}"), "rewrite the log: it stays as it is, nothing is lost");
        self.not_before = now + PAUSE;
        facts.log.rewrite_healthy = false;
    }
}

impl Drop for Running {
    /// Waits for the thread, which looks at the flag between any two pieces of its work.
    fn drop(&mut self) {
        self.shared.cancelled.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && let Ok(Ok(rewritten)) = thread.join()
        {
            let _ = std::fs::remove_file(rewritten.path);
        }
    }
}

/// The thread's work, from the first byte to nearly the last.
fn rewrite(source: &Path, facts: &Facts, shared: &Shared) -> anyhow::Result<Rewritten> {
    let path = source.with_file_name(REWRITE_NAME);
    let outcome = write(source, &path, facts, shared);
    if outcome.is_err() {
        let _ = std::fs::remove_file(&path);
    }
    outcome.with_context(|| format!("write {}", path.display()))
}

fn write(source: &Path, path: &Path, facts: &Facts, shared: &Shared) -> anyhow::Result<Rewritten> {
    let until = shared.length.load(Ordering::Acquire);
    let mut database = Database::default();
    let kept = replay::replay_until(source, until, &mut database, facts, &shared.cancelled)?;
    ensure!(kept.good == until, "{} is good up to byte {} only", source.display(), kept.good);

    let file = File::options().create(true).truncate(true).write(true).open(path)?;
    drop(file);
    // Opened for appending, as the log will be.
    let file = File::options().append(true).open(path)?;
    let mut rewritten = Rewritten { file, path: path.to_owned(), length: 0, copied: until };
    let mut unflushed = 0;
    snapshot::write(&database, |group| {
        shared.check()?;
        rewritten.append(replay::header(group).as_bytes())?;
        rewritten.append(group)?;
        unflushed += group.len() as u64;
        if unflushed >= FLUSH_EVERY {
            unflushed = 0;
            rewritten.file.sync_data()?;
        }
        Ok(())
    })?;
    drop(database);
    let mut input = File::open(source)?;
    for _ in 0..ROUNDS {
        let length = shared.length.load(Ordering::Acquire);
        if length - rewritten.copied <= REST {
            break;
        }
        rewritten.copy(&mut input, length, || shared.check())?;
        rewritten.file.sync_data()?;
    }
    rewritten.file.sync_all()?;
    Ok(rewritten)
}

impl Shared {
    fn check(&self) -> io::Result<()> {
        let cancelled = self.cancelled.load(Ordering::Acquire);
        if cancelled { Err(io::Error::other("it was given up")) } else { Ok(()) }
    }
}

impl Rewritten {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Copies whole groups of the old log, up to a length that it has.
    fn copy(&mut self, log: &mut File, until: u64, go_on: impl Fn() -> io::Result<()>) -> io::Result<()> {
        log.seek(SeekFrom::Start(self.copied))?;
        let mut chunk = vec![0; 1 << 20];
        while self.copied < until {
            go_on()?;
            let room = usize::try_from(until - self.copied).unwrap_or(usize::MAX).min(chunk.len());
            log.read_exact(&mut chunk[..room])?;
            self.append(&chunk[..room])?;
            self.copied += room as u64;
        }
        Ok(())
    }

    /// The executor's part: the last groups, and the promise that all of it is on the disk.
    fn catch_up(&mut self, log: &Log) -> io::Result<()> {
        if self.copied < log.length() {
            self.copy(&mut File::open(log.path())?, log.length(), || Ok(()))?;
            self.file.sync_data()?;
        }
        Ok(())
    }
}
