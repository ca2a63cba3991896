//! Records as a batch (format 2), the unit that producers send and the log stores as it is.

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    self, Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

/// A record that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Records with the same key are in one partition, in order.
    pub key: Bytes,
    /// What consumers read.
    pub value: Bytes,
    /// Milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// Facts about the value, for whoever has not read it.
    pub headers: Vec<(&'static str, Bytes)>,
}

impl Record {
    /// A record without headers.
    pub fn new(key: impl Into<Bytes>, value: impl Into<Bytes>, timestamp: u64) -> Self {
        Record { key: key.into(), value: value.into(), timestamp, headers: Vec::new() }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<Bytes>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The batch with its checksum.
///
/// No compression: small records would only grow. No producer id: what keeps a record from counting twice is an id in
/// its value, which also holds when another process sends it again.
pub(crate) fn encode(records: &[Record]) -> Result<Bytes, String> {
    let record = |(number, record): (usize, &Record)| records::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: number as i64,
        // The encoder makes a batch of its own of each record whose number does not follow; of a batch only the first
        // one's is written, and that says "none".
        sequence: NO_SEQUENCE.wrapping_add(number as i32),
        timestamp: i64::try_from(record.timestamp).unwrap_or(i64::MAX),
        key: Some(record.key.clone()),
        value: Some(record.value.clone()),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| (StrBytes::from_static_str(name), Some(value.clone())))
            .collect(),
    };
    let records: Vec<records::Record> = records.iter().enumerate().map(record).collect();
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut batch, &records, &options).map_err(|error| error.to_string())?;
    Ok(batch.freeze())
}

/// A batch as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) bytes: Bytes,
    /// The offset of its first record.
    pub(crate) first: i64,
    /// The offset of the record that follows it.
    pub(crate) after: i64,
}

/// The whole batches of a fetch. A broker cuts at a byte, not at a batch: half a batch at the end comes whole the next
/// time.
///
/// Of a batch's header (Kafka's documentation, "Record Batch") this reads the base offset (8 bytes), the length of
/// what follows it (4), and the last record's offset relative to the base (4, at byte 23).
pub(crate) fn split(mut bytes: Bytes) -> Vec<Batch> {
    const BEFORE: usize = 12;
    const LAST: std::ops::Range<usize> = 23..27;
    let mut batches = Vec::new();
    while bytes.len() > LAST.end {
        let first = (&bytes[..8]).get_i64();
        let length =
            usize::try_from((&bytes[8..BEFORE]).get_i32()).unwrap_or(usize::MAX).saturating_add(BEFORE);
        if length < LAST.end || length > bytes.len() {
            break;
        }
        let after = first + i64::from((&bytes[LAST]).get_i32()) + 1;
        batches.push(Batch { bytes: bytes.split_to(length), first, after });
    }
    batches
}

#[cfg(test)]
mod tests;
