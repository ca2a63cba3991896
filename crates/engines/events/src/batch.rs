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

mod records;

use bytes::{Buf as _, Bytes};

use crate::limits::{MAX_BATCH, MAX_RECORDS};

/// Bytes before the records.
pub const HEADER: usize = 61;
/// The length field counts what comes after it: all but the base offset and itself.
const BEFORE_LENGTH_COUNTS: usize = 12;
/// What the server may change: base offset, length (which it leaves), leader epoch.
pub const MUTABLE: usize = 16;
/// Where the checksummed bytes begin.
const CHECKED: usize = 21;
/// The batch format of Kafka 0.11 and later, the only one produced today.
const MAGIC: i8 = 2;
/// Compression: none, gzip, snappy, lz4, zstd (attributes, bits 0–2).
const CODECS: std::ops::RangeInclusive<i16> = 0..=4;
/// The timestamps are the broker's (attributes, bit 3).
const LOG_APPEND_TIME: i16 = 1 << 3;
/// Marks a batch of a transaction (attributes, bit 4).
const TRANSACTIONAL: i16 = 1 << 4;
/// Marks a batch that a broker wrote to end a transaction (attributes, bit 5).
const CONTROL: i16 = 1 << 5;

/// What the server reads of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record. The server's to set.
    pub base_offset: i64,
    /// The whole batch in bytes, this header included.
    pub length: usize,
    /// CRC-32C of everything after it.
    pub crc: u32,
    /// Compression (bits 0–2), timestamp type (3), transactional (4), control (5).
    pub attributes: i16,
    /// The last record's offset minus the first one's.
    pub last_offset_delta: i32,
    /// When the first record was made, in milliseconds since the Unix epoch.
    pub base_timestamp: i64,
    /// When the newest record was made, in milliseconds since the Unix epoch.
    pub max_timestamp: i64,
    /// Who sent it, or -1 when the producer is not idempotent.
    pub producer_id: i64,
    /// Which life of that producer.
    pub producer_epoch: i16,
    /// The first record's number among all this producer sent to this partition.
    pub base_sequence: i32,
    /// How many records.
    pub records: i32,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`; `None` when no batch can begin there.
    pub fn parse(mut bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER {
            return None;
        }
        let base_offset = bytes.get_i64();
        let length = usize::try_from(bytes.get_i32()).ok()?.checked_add(BEFORE_LENGTH_COUNTS)?;
        let _leader_epoch = bytes.get_i32();
        let magic = bytes.get_i8();
        let header = BatchHeader {
            base_offset,
            length,
            crc: bytes.get_u32(),
            attributes: bytes.get_i16(),
            last_offset_delta: bytes.get_i32(),
            base_timestamp: bytes.get_i64(),
            max_timestamp: bytes.get_i64(),
            producer_id: bytes.get_i64(),
            producer_epoch: bytes.get_i16(),
            base_sequence: bytes.get_i32(),
            records: bytes.get_i32(),
        };
        let sound = magic == MAGIC && length >= HEADER && header.last_offset_delta >= 0;
        sound.then_some(header)
    }

    /// The last record's offset.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// The offset of whatever comes next.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// The last record's sequence number. Sequence numbers start again at 0 after `i32::MAX`.
    pub fn last_sequence(&self) -> i32 {
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }

    /// How its records are compressed (attributes, bits 0–2); 0 is not at all.
    fn codec(&self) -> i16 {
        self.attributes & 0b111
    }

    /// Whether its records are compressed with zstd.
    pub fn uses_zstd(&self) -> bool {
        self.codec() == 4
    }

    /// Whether the checksum of `batch`, which this header was read from, is right.
    pub fn checksum_holds(&self, batch: &[u8]) -> bool {
        batch.get(CHECKED..self.length).is_some_and(|checked| crc32c::crc32c(checked) == self.crc)
    }
}

/// Why a batch is not taken. Always the producer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It is not a batch, or it was damaged on the way.
    #[error("the record batch is damaged: {0}")]
    Corrupt(&'static str),
    /// It is longer than [`MAX_BATCH`].
    #[error("the record batch is longer than {MAX_BATCH} bytes")]
    TooLarge,
    /// It is a batch, but not one that a producer may send.
    #[error("the record batch is not allowed: {0}")]
    NotAllowed(&'static str),
    /// It belongs to a transaction.
    #[error("transactions are not served here: use Kafka")]
    Transactional,
}

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
