//! A partition: one file, appended to by one thread and read by all.
//!
//! ```text
//!             committed: on disk, seen by readers          staged: given offsets,
//!                                                          not yet promised
//!  ┌─────────────────────────────────────────────────────┬─────────────────┐
//!  │ batch │ batch │ batch │ …                           │ batch │ batch   │
//!  └─────────────────────────────────────────────────────┴─────────────────┘
//!  0                                          end_position
//! ```
//! The appender stages batches, writes them with one call, calls `fdatasync`, and only then moves the
//! line. If the disk refuses, the staged part is cut off and readers never knew. What lies left of the
//! line never changes, so readers need no lock while they read.
//!
//! Today a partition is one file for ever, named after its first offset as Kafka's segments are.
//! Splitting it into segments and deleting old ones would stay inside this module.

mod index;
mod producers;
mod recovery;
mod writer;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use tokio::sync::Notify;

use crate::batch::{Batch, BatchHeader, HEADER};

use index::SparseIndex;
use writer::Writer;

pub use index::Newest;
pub use writer::Rejected;

/// A log begins at offset 0, and its file is named after that.
pub const LOG_FILE: &str = "00000000000000000000.log";

/// Bytes read at once while walking from header to header.
const WALK: usize = 8 << 10;

/// One partition of one topic.
#[derive(Debug)]
pub struct Partition {
    path: PathBuf,
    file: File,
    committed: Mutex<Committed>,
    writer: Mutex<Writer>,
    grew: Notify,
}

/// What readers may see.
#[derive(Debug, Default)]
struct Committed {
    end_offset: i64,
    end_position: u64,
    index: SparseIndex,
}

impl Partition {
    /// Makes an empty log in `folder`, which will be moved to `place` before anyone uses it.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn create(folder: &Path, place: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(folder.join(LOG_FILE))?;
        file.sync_all()?;
        Ok(Partition {
            path: place.join(LOG_FILE),
            file,
            committed: Mutex::default(),
            writer: Mutex::default(),
            grew: Notify::new(),
        })
    }

    /// Opens the log in `folder` and verifies every byte of it.
    ///
    /// # Errors
    /// The file cannot be used, or it is damaged before its end: the error names file and byte.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(LOG_FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        let mut committed = Committed::default();
        let mut writer = Writer::default();
        committed.end_position = recovery::verify(&file, &path, |header, position| {
            committed.index.note(header, position);
            committed.end_offset = header.next_offset();
            writer.producers.note(header);
            writer.producers.commit();
        })?;
        writer.next_offset = committed.end_offset;
        writer.position = committed.end_position;
        Ok(Partition {
            path,
            file,
            committed: Mutex::new(committed),
            writer: Mutex::new(writer),
            grew: Notify::new(),
        })
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    // Reading ------------------------------------------------------------------------------------

    /// The offset that the next record will get; every record before it is on disk.
    pub fn end_offset(&self) -> i64 {
        self.committed().end_offset
    }

    /// Completes when records were added after the call. Register first, look second, wait third.
    pub fn grew(&self) -> tokio::sync::futures::Notified<'_> {
        self.grew.notified()
    }

    /// How many bytes a reader at `offset` could get.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn bytes_from(&self, offset: i64) -> io::Result<u64> {
        Ok(match self.locate(offset)? {
            Some((position, end)) => end - position,
            None => 0,
        })
    }

    /// The batches from the one that holds `offset` on: whole ones, up to `limit` bytes in all, but
    /// never less than one when `at_least_one` (or else a batch above the limit could never be read).
    ///
    /// # Errors
    /// The file cannot be read, or is no longer what it was when it was verified.
    pub fn read(&self, offset: i64, limit: usize, at_least_one: bool) -> io::Result<Bytes> {
        let Some((position, end)) = self.locate(offset)? else { return Ok(Bytes::new()) };
        let available = usize::try_from(end - position).unwrap_or(usize::MAX);
        let mut bytes = vec![0; available.min(limit)];
        self.file.read_exact_at(&mut bytes, position)?;
        let mut whole = 0;
        while let Some(header) = BatchHeader::parse(&bytes[whole..])
            && header.length <= bytes.len() - whole
        {
            whole += header.length;
        }
        bytes.truncate(whole);
        if whole == 0 && at_least_one {
            let mut front = vec![0; HEADER];
            self.file.read_exact_at(&mut front, position)?;
            let header = self.parse(&front, position)?;
            bytes.resize(header.length, 0);
            self.file.read_exact_at(&mut bytes, position)?;
        }
        Ok(bytes.into())
    }

    /// The first batch with a record as new as `timestamp` (milliseconds since the Unix epoch).
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn first_since(&self, timestamp: i64) -> io::Result<Option<BatchHeader>> {
        let (start, end) = {
            let committed = self.committed();
            (committed.index.before_timestamp(timestamp), committed.end_position)
        };
        let found = self.walk(start, end, |header| header.max_timestamp >= timestamp)?;
        Ok(found.map(|(_, header)| header))
    }

    /// The newest record by its timestamp.
    pub fn newest(&self) -> Option<Newest> {
        self.committed().index.newest()
    }

    /// Where the batch that holds `offset` begins, and where the log ends; `None` at the end.
    fn locate(&self, offset: i64) -> io::Result<Option<(u64, u64)>> {
        let (start, end) = {
            let committed = self.committed();
            if offset >= committed.end_offset {
                return Ok(None);
            }
            (committed.index.before_offset(offset), committed.end_position)
        };
        let found = self.walk(start, end, |header| header.last_offset() >= offset)?;
        Ok(found.map(|(position, _)| (position, end)))
    }

    /// Goes from header to header until one is `wanted`.
    fn walk(
        &self,
        mut position: u64,
        end: u64,
        wanted: impl Fn(&BatchHeader) -> bool,
    ) -> io::Result<Option<(u64, BatchHeader)>> {
        let mut window = Vec::new();
        let mut window_at = position;
        while position < end {
            let skip = usize::try_from(position - window_at).unwrap_or(usize::MAX);
            if window.is_empty() || (skip > 0 && window.len().saturating_sub(skip) < HEADER) {
                window.resize(usize::try_from(end - position).unwrap_or(usize::MAX).min(WALK), 0);
                self.file.read_exact_at(&mut window, position)?;
                window_at = position;
                continue;
            }
            let header = self.parse(&window[skip..], position)?;
            if wanted(&header) {
                return Ok(Some((position, header)));
            }
            position += header.length as u64;
        }
        Ok(None)
    }

    /// A header where one must be: the file was verified at start and is ours alone.
    fn parse(&self, bytes: &[u8], position: u64) -> io::Result<BatchHeader> {
        BatchHeader::parse(bytes).ok_or_else(|| {
            let text = format!("{} changed behind our back at byte {position}", self.path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        })
    }

    // Appending: only the appender thread calls these ---------------------------------------------

    /// Gives a batch its offset. Nothing is promised before [`Partition::commit`].
    ///
    /// # Errors
    /// The batch does not follow what its producer sent before.
    pub fn stage(&self, batch: &Batch) -> Result<i64, Rejected> {
        self.writer().stage(batch)
    }

    /// Whether batches are staged.
    pub fn has_staged(&self) -> bool {
        !self.writer().staged.is_empty()
    }

    /// Hands the staged batches to the operating system.
    ///
    /// # Errors
    /// Whatever the disk says; then [`Partition::rollback`] must follow.
    pub fn write(&self) -> io::Result<()> {
        let writer = self.writer();
        self.file.write_all_at(&writer.bytes, writer.position)
    }

    /// Waits until what was written is on the disk itself.
    ///
    /// # Errors
    /// Whatever the disk says; then [`Partition::rollback`] must follow.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Makes the staged batches part of the log and wakes those who wait for it to grow.
    pub fn commit(&self) {
        let mut writer = self.writer();
        let staged = writer.commit();
        let mut committed = self.committed();
        for (header, position) in &staged {
            committed.index.note(header, *position);
        }
        committed.end_offset = writer.next_offset;
        committed.end_position = writer.position;
        drop(committed);
        if std::mem::take(&mut writer.failing) {
            tracing::info!(file = %self.path.display(), "the log can be written again");
        }
        drop(writer);
        self.grew.notify_waiters();
    }

    /// Forgets the staged batches and cuts whatever part of them reached the file.
    ///
    /// # Errors
    /// The file cannot be cut: what it holds is then unknown, and the process must end.
    pub fn rollback(&self, why: &io::Error) -> io::Result<()> {
        let mut writer = self.writer();
        let (end_offset, end_position) = {
            let committed = self.committed();
            (committed.end_offset, committed.end_position)
        };
        if !std::mem::replace(&mut writer.failing, true) {
            tracing::error!(
                file = %self.path.display(), error = %why, keeps = end_position,
                "the log cannot be written: producers get KAFKA_STORAGE_ERROR until it can, reading goes on"
            );
        }
        writer.rollback(end_offset);
        self.file.set_len(end_position)
    }

    fn committed(&self) -> MutexGuard<'_, Committed> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
