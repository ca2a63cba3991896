//! Reading: what consumers get, without a lock while they read.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::BatchHeader;

use super::Partition;
use super::index::Newest;
use super::segment::{Cursor, Segment, View};

impl Partition {
    /// From the first offset that can be read to the one that the next record will get; every record
    /// before that is on disk.
    pub fn offsets(&self) -> Range<i64> {
        let committed = self.committed.lock();
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
        let Some((cursor, file, behind)) = self.locate(offset)? else { return Ok(0) };
        if file.is_none() {
            return Ok(cursor.end - cursor.position + behind);
        }
        let mut view = self.view(cursor, file)?;
        self.noting(view.find(|header| header.last_offset() >= offset))?;
        Ok(view.cursor.end - view.cursor.position)
    }

    /// The batches from the one that holds `offset` on: whole ones of one segment, up to `limit` bytes
    /// in all, but never less than one when `at_least_one` (or else a batch above the limit could never
    /// be read). Every checksum is verified; what is damaged is not given out.
    ///
    /// # Errors
    /// `InvalidData`: the batch at `offset` is damaged, the error names file and byte. `NotFound`: it was
    /// deleted. Otherwise the file cannot be read.
    pub fn read(&self, offset: i64, limit: usize, at_least_one: bool) -> io::Result<Bytes> {
        let Some((cursor, file, _)) = self.locate(offset)? else { return Ok(Bytes::new()) };
        self.noting(self.view(cursor, file).and_then(|view| view.read(offset, limit, at_least_one)))
    }

    /// The first batch with a record as new as `timestamp` (milliseconds since the Unix epoch).
    ///
    /// # Errors
    /// As [`Partition::read`].
    pub fn first_since(&self, timestamp: i64) -> io::Result<Option<BatchHeader>> {
        let (cursor, file) = {
            let committed = self.committed.lock();
            let has = |segment: &&Arc<Segment>| {
                segment.index.newest().is_some_and(|newest| newest.timestamp >= timestamp)
            };
            match committed.sealed.iter().find(has) {
                Some(segment) => (segment.before_timestamp(timestamp), None),
                None => (committed.active.before_timestamp(timestamp), Some(Arc::clone(&committed.file))),
            }
        };
        let found = self
            .view(cursor, file)
            .and_then(|mut view| view.find(|header| header.max_timestamp >= timestamp));
        self.noting(found)
    }

    /// The newest record by its timestamp.
    pub fn newest(&self) -> Option<Newest> {
        let committed = self.committed.lock();
        let all = committed.sealed.iter().map(|segment| segment.index.newest());
        // Of equal ones the first, as a single scan would find it.
        all.chain([committed.active.index.newest()]).flatten().rev().max_by_key(|newest| newest.timestamp)
    }

    /// Where to look for `offset`: a cursor, its file if that is open, and how many bytes are in the
    /// segments behind it. `None` at the end of the log.
    #[allow(clippy::type_complexity, reason = "three things, taken apart at once")]
    fn locate(&self, offset: i64) -> io::Result<Option<(Cursor, Option<Arc<File>>, u64)>> {
        let committed = self.committed.lock();
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
    fn view(&self, cursor: Cursor, file: Option<Arc<File>>) -> io::Result<View> {
        let (path, offset) = (Arc::clone(&cursor.path), cursor.offset);
        cursor.open(file).map_err(|error| {
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
            let mut reported = self.reported.lock();
            if *reported != text {
                tracing::error!(folder = %self.folder.display(), "a reader was refused: {text}");
                *reported = text;
            }
        }
        outcome
    }
}
