//! Record batches as producers make them, encoded by `kafka-protocol` and not by us: for the tests of this crate and
//! its benchmark.

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

/// What a test says about a batch; the rest is as a plain producer has it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// One for each record.
    pub values: &'a [&'a str],
    /// The idempotent producer, or -1.
    pub producer: i64,
    /// The producer's epoch, or -1.
    pub epoch: i16,
    /// The first record's sequence number, or -1.
    pub sequence: i32,
    /// Milliseconds since the Unix epoch; each record is one later than the one before.
    pub timestamp: i64,
}

impl Default for Sent<'_> {
    fn default() -> Self {
        Sent { values: &["value"], producer: -1, epoch: -1, sequence: -1, timestamp: 1_000 }
    }
}

impl Sent<'_> {
    /// The batch on the wire.
    pub fn bytes(self) -> Bytes {
        let numbers = 0..i32::try_from(self.values.len()).expect("few records");
        let records: Vec<Record> = numbers
            .zip(self.values)
            .map(|(number, value)| Record {
                transactional: false,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: -1,
                producer_id: self.producer,
                producer_epoch: self.epoch,
                timestamp_type: TimestampType::Creation,
                offset: i64::from(number),
                // Counted on even from -1, "none": the encoder splits batches where it is not.
                sequence: self.sequence.wrapping_add(number),
                timestamp: self.timestamp + i64::from(number),
                key: None,
                value: Some(Bytes::copy_from_slice(value.as_bytes())),
                headers: Default::default(),
            })
            .collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut bytes, &records, &options).expect("encode a batch");
        bytes.freeze()
    }
}

/// A plain batch.
pub fn batch(values: &[&str]) -> Bytes {
    Sent { values, ..Sent::default() }.bytes()
}

/// The offsets and values in a sequence of batches.
pub fn records(mut bytes: Bytes) -> Vec<(i64, String)> {
    let sets = RecordBatchDecoder::decode_all(&mut bytes).expect("decode batches");
    let all = sets.into_iter().flat_map(|set| set.records);
    all.map(|record| {
        let value = record.value.expect("a value");
        (record.offset, String::from_utf8(value.to_vec()).expect("text"))
    })
    .collect()
}
