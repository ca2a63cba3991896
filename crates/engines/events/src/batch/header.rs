//! The 61 bytes in front of the records, and why a batch is not taken.

use bytes::Buf as _;

use crate::limits::MAX_BATCH;

/// Bytes before the records.
pub const HEADER: usize = 61;
/// The length field counts what comes after it: all but the base offset and itself.
const BEFORE_LENGTH_COUNTS: usize = 12;
/// Where the checksummed bytes begin.
const CHECKED: usize = 21;
/// The batch format of Kafka 0.11 and later, the only one produced today.
const MAGIC: i8 = 2;

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
    /// Grows each time that producer starts again.
    pub producer_epoch: i16,
    /// The first record's number among all this producer sent to this partition.
    pub base_sequence: i32,
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
    pub(super) fn codec(&self) -> i16 {
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
