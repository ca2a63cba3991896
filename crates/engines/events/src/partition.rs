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
//! line never changes, so readers need no lock while they read: `append` is the one side, `read` the other.
//!
//! The log is cut into segments, each a file (`segment`). Old ones may be deleted, oldest first
//! (`roll`): then the log begins at a later offset than 0, and offsets stay what they were.

mod acknowledged;
mod append;
mod checkpoint;
mod index;
mod producers;
mod read;
mod recovery;
mod roll;
mod segment;
mod start;
mod writer;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::retention::Retention;

use acknowledged::Acknowledged;
use producers::Producers;
use recovery::Recovered;
use segment::Segment;
use start::Start;
use writer::Writer;

pub use index::Newest;
pub use writer::Rejected;

/// A log begins at offset 0, and its first file is named after that.
pub const LOG_FILE: &str = "00000000000000000000.log";

/// One partition of one topic.
#[derive(Debug)]
pub struct Partition {
    folder: PathBuf,
    retention: Retention,
    committed: Mutex<Committed>,
    writer: Mutex<Writer>,
    start: Mutex<Start>,
    acknowledged: Acknowledged,
    grew: Notify,
    /// The last damage that a reader met, so that one who tries again and again does not fill the log.
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
    /// Makes an empty log in `folder`, which will be moved to `path` before anyone uses it.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn create(folder: &Path, path: &Path, retention: Retention) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(folder.join(LOG_FILE))?;
        file.sync_all()?;
        let start = Start::open(folder)?;
        let (acknowledged, _) = Acknowledged::open(folder, path)?;
        acknowledged.note(0);
        let active = Segment::empty(path, 0);
        let (sealed, producers) = (VecDeque::new(), Producers::default());
        let recovered = Recovered { start, acknowledged, sealed, active, file, producers };
        Ok(Self::from(recovered, path, retention))
    }

    /// Opens the log in `folder`. What was not sealed is verified byte by byte.
    ///
    /// # Errors
    /// A file is missing or cannot be used: the error names it. What is damaged is put aside instead.
    pub fn open(folder: &Path, retention: Retention) -> anyhow::Result<Self> {
        Ok(Self::from(recovery::open(folder)?, folder, retention))
    }

    fn from(recovered: Recovered, path: &Path, retention: Retention) -> Self {
        let Recovered { start, acknowledged, sealed, active, file, producers } = recovered;
        let file = Arc::new(file);
        let writer = Writer::new(Arc::clone(&file), active.end_offset, active.length, producers);
        let committed = Committed { start_offset: start.offset, sealed, active, file };
        Partition {
            folder: path.to_owned(),
            retention,
            committed: Mutex::new(committed),
            writer: Mutex::new(writer),
            start: Mutex::new(start),
            acknowledged,
            grew: Notify::new(),
            reported: Mutex::default(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests;
