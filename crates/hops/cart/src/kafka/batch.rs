//! Events as a record batch (format 2), the unit that producers send and the log stores as it is.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use crate::outbox::Outgoing;

/// The batch with its checksum. Headers say what a value is before anyone reads it.
///
/// No compression: small records would only grow. No producer id: what keeps an event from counting twice is
/// its own id, which also holds when another process sends it again.
pub(crate) fn encode(outgoing: &[&Outgoing]) -> Result<Bytes, String> {
    let header = |name: &'static str, value: Bytes| (StrBytes::from_static_str(name), Some(value));
    let record = |(number, outgoing): (usize, &&Outgoing)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: number as i64,
        // The encoder makes a batch of its own of each record whose number does not follow; of a batch
        // only the first one's is written, and that says "none".
        sequence: NO_SEQUENCE.wrapping_add(number as i32),
        timestamp: i64::try_from(outgoing.event.at).unwrap_or(i64::MAX),
        key: Some(Bytes::copy_from_slice(outgoing.event.cart_id.as_bytes())),
        value: Some(Bytes::copy_from_slice(outgoing.fields().0.as_bytes())),
        headers: [
            header("type", Bytes::copy_from_slice(outgoing.event.kind.as_bytes())),
            header("content-type", Bytes::from_static(b"application/json")),
            header("traceparent", Bytes::copy_from_slice(outgoing.fields().1.as_bytes())),
        ]
        .into_iter()
        .collect(),
    };
    let records: Vec<Record> = outgoing.iter().enumerate().map(record).collect();
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut batch, &records, &options).map_err(|error| error.to_string())?;
    Ok(batch.freeze())
}
