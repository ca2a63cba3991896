//! The records of a batch that is not compressed, walked once: lengths, offsets, timestamps, headers.
//!
//! ```text
//! length │ attributes (1 byte) │ timestamp delta │ offset delta │ key length │ key │ value length │ value │ headers …
//! ```
//! Numbers are zigzag varints of up to ten bytes, as in Protocol Buffers; a length of -1 is null. Nothing is
//! allocated. Source: Kafka's documentation, "Implementation", §5.3.2 "Record".

use super::header::{BatchHeader, Invalid};

/// Compares the records with what their header says.
pub(super) fn check(header: &BatchHeader, bytes: &[u8]) -> Result<(), Invalid> {
    let mut bytes = Bytes(bytes);
    let mut newest = i64::MIN;
    for number in 0..header.records {
        let length =
            bytes.varint().ok_or(Invalid::NotAllowed("it has fewer records than its header says"))?;
        let mut record =
            bytes.take(length).ok_or(Invalid::NotAllowed("a record is longer than its batch"))?;
        let (timestamp, offset) =
            record.walk().ok_or(Invalid::NotAllowed("a record contradicts its length"))?;
        if offset != i64::from(number) {
            return Err(Invalid::NotAllowed("its offsets do not count up from 0"));
        }
        let timestamp = header.base_timestamp.checked_add(timestamp);
        newest = newest.max(timestamp.ok_or(Invalid::NotAllowed("a timestamp is out of range"))?);
    }
    if !bytes.0.is_empty() {
        return Err(Invalid::NotAllowed("it has more records than its header says"));
    }
    // Without a timestamp all are -1. sarama, which counts in nanoseconds, rounds each number by itself: its newest
    // may be one too late.
    if !(newest..=newest.saturating_add(1)).contains(&header.max_timestamp) {
        return Err(Invalid::NotAllowed("its newest timestamp is not that of a record"));
    }
    Ok(())
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<i64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        None
    }

    fn take(&mut self, length: i64) -> Option<Bytes<'a>> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(Bytes(taken))
    }

    /// Skips bytes behind their length.
    fn blob(&mut self, may_be_null: bool) -> Option<()> {
        match self.varint()? {
            -1 if may_be_null => Some(()),
            length => self.take(length).map(|_| ()),
        }
    }

    /// One record to its last byte: its timestamp and offset, both relative.
    fn walk(&mut self) -> Option<(i64, i64)> {
        self.byte()?; // attributes: none are in use
        let (timestamp, offset) = (self.varint()?, self.varint()?);
        self.blob(true)?;
        self.blob(true)?;
        for _ in 0..self.varint().filter(|count| *count >= 0)? {
            self.blob(false)?; // a header's name
            self.blob(true)?;
        }
        self.0.is_empty().then_some((timestamp, offset))
    }
}
