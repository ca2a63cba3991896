//! The sparse index: where in the file to begin looking.
//!
//! One entry per 4 KiB of log, so a gigabyte of log costs 6 MiB of memory. From an entry on, the
//! reader walks from batch header to batch header: at most 4 KiB and one batch. The index lives in
//! memory only and is rebuilt by the scan that verifies the file at start.

use crate::batch::BatchHeader;

/// Bytes of log between two entries, as Kafka's `index.interval.bytes`.
const INTERVAL: u64 = 4096;

#[derive(Clone, Copy, Debug)]
struct Entry {
    base_offset: i64,
    position: u64,
    /// The newest timestamp of all batches before this one. It never falls from entry to entry,
    /// although timestamps of batches may: that is what makes it searchable.
    newest_before: i64,
}

/// Finds places in a log by offset or by time.
#[derive(Debug, Default)]
pub(super) struct SparseIndex {
    entries: Vec<Entry>,
    newest: Option<Newest>,
}

/// The newest record so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its timestamp: milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The offset of the last record of its batch (which record exactly is packed away in the batch).
    pub offset: i64,
}

impl SparseIndex {
    /// Takes note of a batch that was appended at `position`.
    pub(super) fn note(&mut self, header: &BatchHeader, position: u64) {
        if self.entries.last().is_none_or(|last| position - last.position >= INTERVAL) {
            let newest_before = self.newest.map_or(i64::MIN, |newest| newest.timestamp);
            self.entries.push(Entry { base_offset: header.base_offset, position, newest_before });
        }
        if self.newest.is_none_or(|newest| header.max_timestamp > newest.timestamp) {
            self.newest = Some(Newest { timestamp: header.max_timestamp, offset: header.last_offset() });
        }
    }

    /// A position at or before the batch that holds `offset`.
    pub(super) fn before_offset(&self, offset: i64) -> u64 {
        self.last_where(|entry| entry.base_offset <= offset)
    }

    /// A position at or before the first batch that holds a record as new as `timestamp`.
    pub(super) fn before_timestamp(&self, timestamp: i64) -> u64 {
        self.last_where(|entry| entry.newest_before < timestamp)
    }

    /// The newest record of all.
    pub(super) fn newest(&self) -> Option<Newest> {
        self.newest
    }

    fn last_where(&self, holds: impl Fn(&Entry) -> bool) -> u64 {
        let after = self.entries.partition_point(holds);
        after.checked_sub(1).and_then(|at| self.entries.get(at)).map_or(0, |entry| entry.position)
    }
}
