//! A segment: a stretch of the log in a file of its own, named after its first offset.
//!
//! Only the last segment of a partition grows. The others are *sealed*: never written again, opened
//! only while someone reads them, and deleted as a whole when they are too old or too many.
//!
//! Whatever leaves for a reader has its checksum verified first, batch by batch. Disks do flip bits, and
//! a sealed segment is not read again at start (that is what makes a start quick), so this is where
//! damage is found: the reader gets everything before it, then an error, and the log names the byte.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::{BatchHeader, HEADER};
use crate::limits::MAX_BATCH;

use super::index::SparseIndex;

/// Bytes read at once while walking from batch to batch.
const WALK: usize = 8 << 10;

/// The name of the segment that begins at this offset, as Kafka names it.
pub(super) fn file_name(base_offset: i64) -> String {
    format!("{base_offset:020}.log")
}

/// What is known of a segment without opening it.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: Arc<Path>,
    pub(super) base_offset: i64,
    /// The offset behind its last record.
    pub(super) end_offset: i64,
    /// Bytes of sound batches.
    pub(super) length: u64,
    pub(super) index: SparseIndex,
}

impl Segment {
    pub(super) fn empty(folder: &Path, base_offset: i64) -> Self {
        Segment {
            path: folder.join(file_name(base_offset)).into(),
            base_offset,
            end_offset: base_offset,
            length: 0,
            index: SparseIndex::default(),
        }
    }

    /// Where it is written down, once it is sealed, what a scan of it would find.
    pub(super) fn sealed_file(&self) -> PathBuf {
        self.path.with_extension("sealed")
    }

    /// Where it is written down what was known of the producers when it began.
    pub(super) fn producers_file(&self) -> PathBuf {
        self.path.with_extension("producers")
    }

    /// Where it is written down which records before it are lost, if any are.
    pub(super) fn gap_file(&self) -> PathBuf {
        self.path.with_extension("gap")
    }

    /// Deletes its file and what is written down of it.
    pub(super) fn remove(&self) -> io::Result<()> {
        let beside = [self.sealed_file(), self.producers_file(), self.gap_file()];
        for path in [self.path.to_path_buf()].into_iter().chain(beside) {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes note of a batch at `position`, its end.
    pub(super) fn note(&mut self, header: &BatchHeader, position: u64) {
        self.index.note(header, position);
        self.end_offset = header.next_offset();
        self.length = position + header.length as u64;
    }

    /// The part of it where a walk to `offset` begins.
    pub(super) fn before_offset(&self, offset: i64) -> Cursor {
        self.cursor(self.index.before_offset(offset))
    }

    /// The part of it where a walk to the first record as new as `timestamp` begins.
    pub(super) fn before_timestamp(&self, timestamp: i64) -> Cursor {
        self.cursor(self.index.before_timestamp(timestamp))
    }

    fn cursor(&self, entry: Option<(u64, i64)>) -> Cursor {
        let (position, offset) = entry.unwrap_or((0, self.base_offset));
        Cursor { path: Arc::clone(&self.path), position, offset, end: self.length }
    }
}

/// Where a reader is in a segment, and how far it may go. That stretch never changes: from the start of a batch to the last committed byte.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) path: Arc<Path>,
    pub(super) position: u64,
    /// The offset of the batch that begins at `position`.
    pub(super) offset: i64,
    pub(super) end: u64,
}

impl Cursor {
    /// Opens the file, unless it is there already.
    pub(super) fn open(self, file: Option<Arc<File>>) -> io::Result<View> {
        let file = match file {
            Some(file) => file,
            None => Arc::new(File::open(&self.path)?),
        };
        Ok(View { cursor: self, file, window: Vec::new(), window_at: 0 })
    }
}

/// A segment being read.
pub(super) struct View {
    pub(super) cursor: Cursor,
    file: Arc<File>,
    window: Vec<u8>,
    window_at: u64,
}

impl View {
    /// Goes from batch to batch, verifying each, until one is `wanted`. The cursor is then there.
    pub(super) fn find(&mut self, wanted: impl Fn(&BatchHeader) -> bool) -> io::Result<Option<BatchHeader>> {
        while self.cursor.position < self.cursor.end {
            let header = self.batch()?;
            if wanted(&header) {
                return Ok(Some(header));
            }
            self.cursor.position += header.length as u64;
            self.cursor.offset = header.next_offset();
        }
        Ok(None)
    }

    /// Sound batches from the one that holds `offset` on: whole ones, up to `limit` bytes, but never
    /// less than one when `at_least_one`. Ends before a damaged one, and is an error only there.
    pub(super) fn read(mut self, offset: i64, limit: usize, at_least_one: bool) -> io::Result<Bytes> {
        let Some(first) = self.find(|header| header.last_offset() >= offset)? else {
            return Ok(Bytes::new());
        };
        let Cursor { position, end, .. } = self.cursor;
        let available = usize::try_from(end - position).unwrap_or(usize::MAX);
        let limit = if at_least_one { limit.max(first.length) } else { limit };
        let mut bytes = vec![0; available.min(limit)];
        self.file.read_exact_at(&mut bytes, position)?;
        let (mut whole, mut next) = (0, first.base_offset);
        while let Some(header) = sound(&bytes[whole..], next) {
            whole += header.length;
            next = header.next_offset();
        }
        bytes.truncate(whole);
        Ok(bytes.into())
    }

    /// The batch at the cursor.
    fn batch(&mut self) -> io::Result<BatchHeader> {
        let Cursor { position, offset, end, .. } = self.cursor;
        self.load(HEADER)?;
        let front = self.loaded();
        let length = BatchHeader::parse(front)
            .map(|header| header.length)
            .filter(|length| *length <= MAX_BATCH && *length as u64 <= end - position);
        let Some(length) = length else { return Err(self.damaged()) };
        self.load(length)?;
        sound(self.loaded(), offset).ok_or_else(|| self.damaged())
    }

    /// Reads on so that `length` bytes from the cursor on are in the window.
    fn load(&mut self, length: usize) -> io::Result<()> {
        if self.loaded().len() >= length {
            return Ok(());
        }
        let left = usize::try_from(self.cursor.end - self.cursor.position).unwrap_or(usize::MAX);
        if left < length {
            return Err(self.damaged());
        }
        self.window.resize(left.min(length.max(WALK)), 0);
        self.window_at = self.cursor.position;
        match self.file.read_exact_at(&mut self.window, self.window_at) {
            // Shorter than it was: as bad as changed.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.damaged()),
            other => other,
        }
    }

    /// What the window holds from the cursor on.
    fn loaded(&self) -> &[u8] {
        let skip =
            self.cursor.position.checked_sub(self.window_at).and_then(|skip| usize::try_from(skip).ok());
        skip.and_then(|skip| self.window.get(skip..)).unwrap_or_default()
    }

    fn damaged(&self) -> io::Error {
        let Cursor { path, position, offset, .. } = &self.cursor;
        let text = format!(
            "{} is damaged at byte {position}: the record batch with offset {offset} should begin there. \
             Everything before it can be read. Restore the file from a copy; or, to have what is sound behind it served, \
             remove {} and start again: then the damaged bytes are put aside",
            path.display(),
            path.with_extension("sealed").display()
        );
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}

/// The batch at the front of `bytes`, if it is whole, sound, and the one expected (the checksum does not
/// cover its offset).
fn sound(bytes: &[u8], offset: i64) -> Option<BatchHeader> {
    BatchHeader::parse(bytes).filter(|header| header.base_offset == offset && header.checksum_holds(bytes))
}
