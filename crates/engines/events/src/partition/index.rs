//! The sparse index: where in the file to begin looking.
//!
//! One entry per 4 KiB of log, so a gigabyte of log costs 6 MiB of memory. From an entry on, the
//! reader walks from batch to batch: at most 4 KiB and one batch. When its segment is sealed, the index
//! is thinned to one entry per 64 KiB, so a gigabyte of history costs 400 KiB.

use bytes::{Buf, BufMut};

use crate::batch::BatchHeader;

/// Bytes of log between two entries, as Kafka's `index.interval.bytes`.
const INTERVAL: u64 = 4096;

/// Bytes of log between two entries of a sealed segment.
const SEALED_INTERVAL: u64 = 64 << 10;

#[derive(Clone, Copy, Debug)]
struct Entry {
    base_offset: i64,
    position: u64,
    /// The newest timestamp of all batches before this one. It never falls from entry to entry,
    /// although timestamps of batches may: that is what makes it searchable.
    newest_before: i64,
}

/// Finds positions in a log by offset or by time.
#[derive(Clone, Debug, Default)]
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

    /// A position at or before the batch that holds `offset`, and the offset that begins there.
    pub(super) fn before_offset(&self, offset: i64) -> Option<(u64, i64)> {
        self.last_where(|entry| entry.base_offset <= offset)
    }

    /// A position at or before the first batch that holds a record as new as `timestamp`.
    pub(super) fn before_timestamp(&self, timestamp: i64) -> Option<(u64, i64)> {
        self.last_where(|entry| entry.newest_before < timestamp)
    }

    /// The newest record of all.
    pub(super) fn newest(&self) -> Option<Newest> {
        self.newest
    }

    /// Fewer entries, for a segment that is seldom read any more.
    pub(super) fn thin(&mut self) {
        let mut kept: Option<u64> = None;
        self.entries.retain(|entry| {
            let keep = kept.is_none_or(|kept| entry.position - kept >= SEALED_INTERVAL);
            if keep {
                kept = Some(entry.position);
            }
            keep
        });
        self.entries.shrink_to_fit();
    }

    pub(super) fn encode(&self, bytes: &mut impl BufMut) {
        let newest = self.newest.unwrap_or(Newest { timestamp: i64::MIN, offset: -1 });
        bytes.put_i64(newest.timestamp);
        bytes.put_i64(newest.offset);
        bytes.put_u64(self.entries.len() as u64);
        for entry in &self.entries {
            bytes.put_i64(entry.base_offset);
            bytes.put_u64(entry.position);
            bytes.put_i64(entry.newest_before);
        }
    }

    pub(super) fn decode(bytes: &mut impl Buf) -> Option<Self> {
        let newest = Newest { timestamp: bytes.try_get_i64().ok()?, offset: bytes.try_get_i64().ok()? };
        let count = bytes.try_get_u64().ok()?;
        let entry = |_| {
            Some(Entry {
                base_offset: bytes.try_get_i64().ok()?,
                position: bytes.try_get_u64().ok()?,
                newest_before: bytes.try_get_i64().ok()?,
            })
        };
        let entries = (0..count).map(entry).collect::<Option<Vec<_>>>()?;
        Some(SparseIndex { entries, newest: (newest.offset >= 0).then_some(newest) })
    }

    fn last_where(&self, holds: impl Fn(&Entry) -> bool) -> Option<(u64, i64)> {
        let after = self.entries.partition_point(holds);
        let entry = self.entries.get(after.checked_sub(1)?)?;
        Some((entry.position, entry.base_offset))
    }
}
