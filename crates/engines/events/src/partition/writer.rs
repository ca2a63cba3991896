//! The appending half of a partition: what is being written and not yet promised to anyone.

use std::fs::File;
use std::sync::Arc;

use crate::batch::{Batch, BatchHeader, MUTABLE};

use super::producers::{Producers, Verdict};

/// There is only ever one leader here, so its epoch never changes.
const LEADER_EPOCH: i32 = 0;

/// A staging buffer larger than this is given back after its group.
const KEEP_BUFFER: usize = 1 << 20;

/// Why a sound batch is not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Batches before it are missing.
    #[error("the producer's sequence number leaves a gap")]
    OutOfOrder,
    /// A later life of the same producer has written already.
    #[error("a newer instance of this producer took over")]
    Fenced,
    /// Offsets are 63 bits wide.
    #[error("the partition is full")]
    Full,
}

/// State that only the appender thread touches.
#[derive(Debug)]
pub(super) struct Writer {
    /// The active segment's file.
    pub(super) file: Arc<File>,
    /// The offset of the next record. Ahead of what readers see while a group is staged.
    pub(super) next_offset: i64,
    /// Where the staged bytes go: the end of what is safely on disk.
    pub(super) position: u64,
    pub(super) producers: Producers,
    /// The staged batches and where they will be.
    pub(super) staged: Vec<(BatchHeader, u64)>,
    pub(super) bytes: Vec<u8>,
    /// The last group could not be written. Kept so that an outage is logged once, and so is its end.
    pub(super) failing: bool,
    /// The last roll failed. Kept for the same reason.
    pub(super) roll_failing: bool,
}

impl Writer {
    /// Writes on at `position` of `file`, where the record with `next_offset` goes.
    pub(super) fn new(file: Arc<File>, next_offset: i64, position: u64, producers: Producers) -> Self {
        Writer {
            file,
            next_offset,
            position,
            producers,
            staged: Vec::new(),
            bytes: Vec::new(),
            failing: false,
            roll_failing: false,
        }
    }

    /// Gives a batch its offset, behind all that was staged before it.
    ///
    /// Returns the offset of its first record: the old one if the batch is a repetition.
    pub(super) fn stage(&mut self, batch: &Batch) -> Result<i64, Rejected> {
        match self.producers.check(&batch.header) {
            Verdict::Next => {}
            Verdict::Duplicate(base_offset) => return Ok(base_offset),
            Verdict::OutOfOrder => return Err(Rejected::OutOfOrder),
            Verdict::Fenced => return Err(Rejected::Fenced),
        }
        let header = BatchHeader { base_offset: self.next_offset, ..batch.header };
        if header.next_offset() == i64::MAX {
            return Err(Rejected::Full);
        }
        self.staged.push((header, self.position + self.bytes.len() as u64));
        // The only bytes that are ever changed; see the picture in `batch`.
        self.bytes.extend_from_slice(&header.base_offset.to_be_bytes());
        self.bytes.extend_from_slice(&batch.bytes[8..12]);
        self.bytes.extend_from_slice(&LEADER_EPOCH.to_be_bytes());
        self.bytes.extend_from_slice(&batch.bytes[MUTABLE..]);
        self.producers.note(&header);
        self.next_offset = header.next_offset();
        Ok(header.base_offset)
    }

    /// The staged bytes are on disk: they are part of the log now.
    pub(super) fn commit(&mut self) -> Vec<(BatchHeader, u64)> {
        self.position += self.bytes.len() as u64;
        self.bytes.clear();
        if self.bytes.capacity() > KEEP_BUFFER {
            self.bytes = Vec::new();
        }
        self.producers.commit();
        std::mem::take(&mut self.staged)
    }

    /// The staged bytes are not on disk: back to where the log ends, at `next_offset`.
    pub(super) fn rollback(&mut self, next_offset: i64) {
        self.next_offset = next_offset;
        self.bytes = Vec::new();
        self.producers.rollback();
        self.staged.clear();
    }
}
