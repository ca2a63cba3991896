//! A record batch: what producers send, what the log keeps, what consumers get.
//!
//! Kafka lets a server stay ignorant. Records are packed (and often compressed) by the producer and
//! unpacked by the consumer; the server reads the 61 bytes in front of them, and writes two of their
//! fields: the base offset and the leader epoch. Both lie before what the checksum covers, so the
//! rest stays byte for byte as it was sent.
//!
//! ```text
//!  0        8       12      16 17   21   23          27         35         43       51    53       57      61
//!  │ base   │ length│ leader│m│ crc │attr│last offset│ first    │ newest   │producer│epoch│ first  │ number│ records …
//!  │ offset │       │ epoch │ │     │    │ delta     │ timestamp│ timestamp│ id     │     │sequence│       │
//!  └────────┴───────┴───────┴─┴─────┴ the checksum covers everything from here ─────────────────────────────────
//! ```
//! Source: Kafka's documentation, "Implementation", §5.3.1 "Record Batch".
//!
//! A batch that is not compressed is walked record by record before it is taken (`records`): a header that
//! promises other records than there are would make consumers wait for ever, or stop them. Compressed records are
//! not unpacked: that would take four decompressors, their time for every batch, and a bound against batches that
//! unpack to gigabytes. There the header is checked against itself.

mod header;
mod records;

use bytes::Bytes;

use crate::limits::{MAX_BATCH, MAX_RECORDS};

pub use header::{BatchHeader, HEADER, Invalid};

/// What the server may change: base offset, length (which it leaves), leader epoch.
pub const MUTABLE: usize = 16;
/// Compression: none, gzip, snappy, lz4, zstd (attributes, bits 0–2).
const CODECS: std::ops::RangeInclusive<i16> = 0..=4;
/// The timestamps are the broker's (attributes, bit 3).
const LOG_APPEND_TIME: i16 = 1 << 3;
/// Marks a batch of a transaction (attributes, bit 4).
const TRANSACTIONAL: i16 = 1 << 4;
/// Marks a batch that a broker wrote to end a transaction (attributes, bit 5).
const CONTROL: i16 = 1 << 5;

/// A batch whose every checked property holds: safe to append.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What it says of itself.
    pub header: BatchHeader,
    /// All of it, as it was sent.
    pub bytes: Bytes,
}

impl Batch {
    /// Checks what a producer sent for one partition: exactly one batch, sound and allowed.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(bytes: Bytes) -> Result<Self, Invalid> {
        let header = BatchHeader::parse(&bytes).ok_or(Invalid::Corrupt("no header of format 2"))?;
        if header.length > MAX_BATCH {
            return Err(Invalid::TooLarge);
        }
        if bytes.len() < header.length {
            return Err(Invalid::Corrupt("it ends early"));
        }
        if !header.checksum_holds(&bytes) {
            return Err(Invalid::Corrupt("its checksum is wrong"));
        }
        if bytes.len() > header.length {
            return Err(Invalid::NotAllowed("more than one batch for a partition"));
        }
        // An offset per record, neither more nor fewer: otherwise consumers would wait for records that never come.
        if header.records != header.last_offset_delta.wrapping_add(1) {
            return Err(Invalid::NotAllowed("its number of records contradicts its offsets"));
        }
        if header.records > MAX_RECORDS {
            return Err(Invalid::NotAllowed("more than 1,048,576 records"));
        }
        if header.max_timestamp < header.base_timestamp {
            return Err(Invalid::NotAllowed("its newest timestamp is older than its first"));
        }
        if header.attributes & LOG_APPEND_TIME != 0 {
            return Err(Invalid::NotAllowed("log append time is the broker's to set"));
        }
        if !CODECS.contains(&header.codec()) {
            return Err(Invalid::NotAllowed("its codec does not exist"));
        }
        if header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0) {
            return Err(Invalid::NotAllowed("a producer id without epoch or sequence number"));
        }
        if header.attributes & CONTROL != 0 {
            return Err(Invalid::NotAllowed("control batches are the broker's to write"));
        }
        if header.attributes & TRANSACTIONAL != 0 {
            return Err(Invalid::Transactional);
        }
        if header.codec() == 0 {
            records::check(&header, &bytes[HEADER..header.length])?;
        } else if header.length == HEADER {
            return Err(Invalid::NotAllowed("no records"));
        }
        Ok(Batch { header, bytes })
    }
}

#[cfg(test)]
mod tests;
