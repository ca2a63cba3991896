//! The append-only file: what was acknowledged, in the order in which it happened.
//!
//! It is a file in Redis's own format, commands as clients send them, so that people can read it and a real
//! Redis 7 can load it. Every group of commands is preceded by an annotation of ours, a line that begins with
//! `#` and that Redis 7 skips:
//!
//! ```text
//! #GROUP:<length of the group>:<its CRC-32C>:<CRC-32C of this line>
//! ```
//!
//! Plain Redis files have no checksums, so a damaged length in the middle looks like a torn tail, and cutting
//! there would silently drop everything after it. With the annotation the two are told apart: a group that the
//! file's end or zeros cut short is an unfinished write, [saved](torn_tail) and cut off; anything else is damage, which
//! may concern what was acknowledged, and the store refuses to start. See [`replay`].
//!
//! When the file has grown it is [rewritten](rewrite) while the store serves. The lock is a file of its own,
//! because the log's name goes from one file to the next.

pub(crate) mod disk;
pub(crate) mod replay;
pub(crate) mod rewrite;
mod snapshot;
mod torn_tail;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use hop::files;

use self::disk::{Disk, LogFile};
use crate::commands::Facts;
use crate::database::Database;

#[cfg(test)]
mod tests;

/// The file's name within DATA_DIR; Redis's default.
pub(crate) const FILE_NAME: &str = "appendonly.aof";
/// Locked for as long as a store runs on the folder.
const LOCK_NAME: &str = "store.lock";
/// A rewritten file's name until it is complete.
const REWRITE_NAME: &str = "appendonly.aof.rewrite";
/// The folder that a Redis 7 makes when it takes a file of this name over.
const REDIS_FOLDER: &str = "appendonlydir";

/// A buffer of this size, in bytes, is kept for the next group.
const KEPT_BUFFER: usize = 256 << 10;

/// The open log of a running store.
pub(crate) struct Log {
    path: PathBuf,
    disk: Box<dyn Disk>,
    /// The file's length up to the last group that was written whole.
    length: u64,
    /// A group with its annotation, for one write.
    buffer: Vec<u8>,
    /// Holds the folder's lock; dropping it gives the folder back, and so does any kind of death.
    _lock: File,
}

impl Log {
    /// Locks the folder, replays the log, cuts off a torn tail, and returns what was kept.
    ///
    /// # Errors
    /// The folder can't be used, another process uses it, or the log is damaged: the text names the file and
    /// the byte.
    pub(crate) fn open(directory: &Path, facts: &Facts) -> anyhow::Result<(Self, Database)> {
        Self::open_on(directory, facts, |file| Box::new(file))
    }

    /// [`Log::open`] on a disk that a test may wrap.
    pub(crate) fn open_on(
        directory: &Path,
        facts: &Facts,
        wrap: impl FnOnce(LogFile) -> Box<dyn Disk>,
    ) -> anyhow::Result<(Self, Database)> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("make the data folder {}", directory.display()))?;
        let lock = lock(directory)?;
        let path = directory.join(FILE_NAME);
        if !path.exists() && directory.join(REDIS_FOLDER).exists() {
            bail!(
                "{} holds the data of a real Redis ({REDIS_FOLDER}), which this store does not read: \
                 start a Redis on it, or choose another DATA_DIR",
                directory.display()
            );
        }
        match std::fs::remove_file(directory.join(REWRITE_NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context("remove a rewrite that was never finished");
            }
            _ => {}
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        // The file's name must survive a power loss as surely as its content.
        files::sync_folder(directory).with_context(|| format!("flush the folder {}", directory.display()))?;

        let mut database = Database::default();
        let kept = replay::replay(&path, &mut database, facts)
            .with_context(|| format!("load {}", path.display()))?;
        if kept.good < kept.total {
            let aside = torn_tail::save(&path, kept.good)
                .with_context(|| format!("copy the end of {} before it is cut off", path.display()))?;
            tracing::warn!(
                file = %path.display(),
                position = kept.good,
                bytes = kept.total - kept.good,
                aside = %aside.display(),
                "the log ends in an unfinished write, cut off at byte {}. With APPENDFSYNC=always it was never \
                 acknowledged, unless the disk lost what it had promised to keep; its bytes were put aside",
                kept.good
            );
            file.set_len(kept.good)
                .and_then(|()| file.sync_all())
                .with_context(|| format!("cut {} at byte {}", path.display(), kept.good))?;
        }
        tracing::info!(file = %path.display(), bytes = kept.good, keys = database.len(), "log replayed");
        let disk = wrap(LogFile::new(file, directory));
        Ok((Self { path, disk, length: kept.good, buffer: Vec::new(), _lock: lock }, database))
    }

    /// The length in bytes of what is certain to be whole.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends one group of commands. After an error the file may hold a part of it: see [`Log::roll_back`].
    pub(crate) fn append(&mut self, group: &[u8]) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.extend_from_slice(replay::header(group).as_bytes());
        self.buffer.extend_from_slice(group);
        self.disk.append(&self.buffer)?;
        self.length += self.buffer.len() as u64;
        self.buffer.shrink_to(KEPT_BUFFER);
        Ok(())
    }

    /// Returns when everything appended so far would survive a power loss.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.disk.sync()
    }

    /// Takes a half-written group back, durably.
    pub(crate) fn roll_back(&mut self) -> io::Result<()> {
        self.disk.truncate(self.length)
    }

    /// Reads the database back from the file, as after a restart.
    pub(crate) fn reload(&self, before: &Database, facts: &Facts) -> anyhow::Result<Database> {
        let mut database = Database::succeeding(before);
        let kept = replay::replay(&self.path, &mut database, facts)?;
        if kept.good != self.length {
            bail!("{} has {} good bytes, expected {}", self.path.display(), kept.good, self.length);
        }
        Ok(database)
    }

    /// Gives the log's name to a rewritten file that holds all of it and is on the disk.
    ///
    /// # Errors
    /// What a restart would find is unknown.
    fn take_over(&mut self, rewritten: &Path, file: File, length: u64) -> anyhow::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::rename(rewritten, &self.path)
            .and_then(|()| files::sync_folder(folder))
            .with_context(|| format!("rename the rewritten log to {}", self.path.display()))?;
        let old = self.disk.replace(file);
        self.length = length;
        // Its last handle: freeing a large file's blocks takes a while, for which nobody shall wait.
        let _ = std::thread::Builder::new().name("free".into()).spawn(move || drop(old));
        Ok(())
    }

    /// Is there room to write again?
    pub(crate) fn probe(&mut self) -> io::Result<()> {
        self.disk.probe()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes the folder for this process alone.
fn lock(directory: &Path) -> anyhow::Result<File> {
    let path = directory.join(LOCK_NAME);
    let free = files::lock(&path).with_context(|| format!("lock {}", path.display()))?;
    free.with_context(|| {
        format!(
            "another process uses the data folder {}: stop it, or give this store a DATA_DIR of its own",
            directory.display()
        )
    })
}
