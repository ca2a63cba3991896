//! A partition: a log, appended to by one thread and read by all.
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
//! The log is cut into segments, each a file (`segment`). Old ones may be deleted, oldest first
//! (`retention`): then the log begins at a later offset than 0, and offsets stay what they were.

mod acknowledged;
mod checkpoint;
mod index;
mod producers;
mod recovery;
mod retention;
mod segment;
mod writer;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::batch::{Batch, BatchHeader};

use acknowledged::Acknowledged;
use producers::Producers;
use recovery::Recovered;
use retention::Start;
use segment::{Place, Segment, View};
use writer::Writer;

pub use index::Newest;
pub use retention::Keep;
pub use writer::Rejected;

/// A log begins at offset 0, and its first file is named after that.
pub const LOG_FILE: &str = "00000000000000000000.log";

/// One partition of one topic.
#[derive(Debug)]
pub struct Partition {
    folder: PathBuf,
    keep: Keep,
    committed: Mutex<Committed>,
    writer: Mutex<Writer>,
    start: Mutex<Start>,
    acknowledged: Acknowledged,
    grew: Notify,
    /// The last damage that a reader met, so that one who asks again and again does not fill the log.
    reported: Mutex<String>,
}

/// What readers may see.
#[derive(Debug)]
struct Committed {
    /// Records before it are deleted, or about to be.
    start_offset: i64,
    sealed: VecDeque<Arc<Segment>>,
    active: Segment,
    /// The active segment's file. Sealed ones are opened by who reads them.
    file: Arc<File>,
}

impl Partition {
    /// Makes an empty log in `folder`, which will be moved to `place` before anyone uses it.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn create(folder: &Path, place: &Path, keep: Keep) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(folder.join(LOG_FILE))?;
        file.sync_all()?;
        let start = Start::open(folder)?;
        let (acknowledged, _) = Acknowledged::open(folder, place)?;
        acknowledged.note(0);
        let active = Segment::empty(place, 0);
        let (sealed, producers) = (VecDeque::new(), Producers::default());
        let recovered = Recovered { start, acknowledged, sealed, active, file, producers };
        Ok(Self::from(recovered, place, keep))
    }

    /// Opens the log in `folder`. What was not sealed is verified byte by byte.
    ///
    /// # Errors
    /// A file is missing or cannot be used: the error names it. What is damaged is put aside instead.
    pub fn open(folder: &Path, keep: Keep) -> anyhow::Result<Self> {
        Ok(Self::from(recovery::open(folder)?, folder, keep))
    }

    fn from(recovered: Recovered, place: &Path, keep: Keep) -> Self {
        let Recovered { start, acknowledged, sealed, active, file, producers } = recovered;
        let file = Arc::new(file);
        let writer = Writer::new(Arc::clone(&file), active.end_offset, active.length, producers);
        let committed = Committed { start_offset: start.offset, sealed, active, file };
        Partition {
            folder: place.to_owned(),
            keep,
            committed: Mutex::new(committed),
            writer: Mutex::new(writer),
            start: Mutex::new(start),
            acknowledged,
            grew: Notify::new(),
            reported: Mutex::default(),
        }
    }

    /// Where its files are.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    // Reading ------------------------------------------------------------------------------------

    /// From the first offset that can be read to the one that the next record will get; every record
    /// before that is on disk.
    pub fn offsets(&self) -> Range<i64> {
        let committed = self.committed();
        committed.start_offset..committed.active.end_offset
    }

    /// Completes when records were added after the call. Register first, look second, wait third.
    pub fn grew(&self) -> tokio::sync::futures::Notified<'_> {
        self.grew.notified()
    }

    /// How many bytes a reader at `offset` could get, in several fetches if they are in several segments.
    /// In a sealed segment this is an estimate, up to an index interval too high.
    ///
    /// # Errors
    /// As [`Partition::read`].
    pub fn bytes_from(&self, offset: i64) -> io::Result<u64> {
        let Some((place, file, behind)) = self.place(offset)? else { return Ok(0) };
        if file.is_none() {
            return Ok(place.end - place.position + behind);
        }
        let mut view = self.open_place(place, file)?;
        self.noting(view.find(|header| header.last_offset() >= offset))?;
        Ok(view.place.end - view.place.position)
    }

    /// The batches from the one that holds `offset` on: whole ones of one segment, up to `limit` bytes
    /// in all, but never less than one when `at_least_one` (or else a batch above the limit could never
    /// be read). Every checksum is verified; what is damaged is not given out.
    ///
    /// # Errors
    /// `InvalidData`: the batch at `offset` is damaged, the error names file and byte. `NotFound`: it was
    /// deleted. Otherwise the file cannot be read.
    pub fn read(&self, offset: i64, limit: usize, at_least_one: bool) -> io::Result<Bytes> {
        let Some((place, file, _)) = self.place(offset)? else { return Ok(Bytes::new()) };
        self.noting(self.open_place(place, file).and_then(|view| view.read(offset, limit, at_least_one)))
    }

    /// The first batch with a record as new as `timestamp` (milliseconds since the Unix epoch).
    ///
    /// # Errors
    /// As [`Partition::read`].
    pub fn first_since(&self, timestamp: i64) -> io::Result<Option<BatchHeader>> {
        let (place, file) = {
            let committed = self.committed();
            let has = |segment: &&Arc<Segment>| {
                segment.index.newest().is_some_and(|newest| newest.timestamp >= timestamp)
            };
            match committed.sealed.iter().find(has) {
                Some(segment) => (segment.before_timestamp(timestamp), None),
                None => (committed.active.before_timestamp(timestamp), Some(Arc::clone(&committed.file))),
            }
        };
        let found = self
            .open_place(place, file)
            .and_then(|mut view| view.find(|header| header.max_timestamp >= timestamp));
        self.noting(found)
    }

    /// The newest record by its timestamp.
    pub fn newest(&self) -> Option<Newest> {
        let committed = self.committed();
        let all = committed.sealed.iter().map(|segment| segment.index.newest());
        // Of equal ones the first, as a single scan would find it.
        all.chain([committed.active.index.newest()]).flatten().rev().max_by_key(|newest| newest.timestamp)
    }

    /// Where to look for `offset`: a place, its file if that is open, and how many bytes are in the
    /// segments behind it. `None` at the end of the log.
    #[allow(clippy::type_complexity, reason = "three things, taken apart at once")]
    fn place(&self, offset: i64) -> io::Result<Option<(Place, Option<Arc<File>>, u64)>> {
        let committed = self.committed();
        if offset < committed.start_offset {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("offset {offset} was deleted")));
        }
        if offset >= committed.active.end_offset {
            return Ok(None);
        }
        let at = committed.sealed.partition_point(|segment| segment.end_offset <= offset);
        Ok(Some(match committed.sealed.get(at) {
            Some(segment) => {
                let sealed = committed.sealed.range(at + 1..).map(|segment| segment.length).sum::<u64>();
                (segment.before_offset(offset), None, sealed + committed.active.length)
            }
            None => (committed.active.before_offset(offset), Some(Arc::clone(&committed.file)), 0),
        }))
    }

    /// A file that is not there was deleted by us since it was looked up, or by somebody else.
    fn open_place(&self, place: Place, file: Option<Arc<File>>) -> io::Result<View> {
        let (path, offset) = (Arc::clone(&place.path), place.offset);
        place.open(file).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound && offset >= self.offsets().start {
                return io::Error::other(format!("{} is gone: restore it from a copy", path.display()));
            }
            error
        })
    }

    /// Says in the log what a reader could not read: once, and who operates this needs the file's name.
    fn noting<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome
            && error.kind() != io::ErrorKind::NotFound
        {
            let text = error.to_string();
            let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
            if *reported != text {
                tracing::error!(folder = %self.folder.display(), "a reader was refused: {text}");
                *reported = text;
            }
        }
        outcome
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
        writer.file.write_all_at(&writer.bytes, writer.position)
    }

    /// Waits until what was written is on the disk itself.
    ///
    /// # Errors
    /// Whatever the disk says; then [`Partition::rollback`] must follow.
    pub fn sync(&self) -> io::Result<()> {
        let file = Arc::clone(&self.writer().file);
        file.sync_data()
    }

    /// Makes the staged batches part of the log and wakes those who wait for it to grow.
    pub fn commit(&self) {
        let mut writer = self.writer();
        let staged = writer.commit();
        self.acknowledged.note(writer.next_offset);
        let mut committed = self.committed();
        for (header, position) in &staged {
            committed.active.note(header, *position);
        }
        drop(committed);
        if std::mem::take(&mut writer.failing) {
            tracing::info!(folder = %self.folder.display(), "the log can be written again");
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
            (committed.active.end_offset, committed.active.length)
        };
        if !std::mem::replace(&mut writer.failing, true) {
            tracing::error!(
                folder = %self.folder.display(), error = %why, keeps = end_position,
                "the log cannot be written: producers get KAFKA_STORAGE_ERROR until it can, reading goes on"
            );
        }
        writer.rollback(end_offset);
        writer.file.set_len(end_position)
    }

    fn committed(&self) -> MutexGuard<'_, Committed> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new name is on disk only when the folder that holds it is.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
