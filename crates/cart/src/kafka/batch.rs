//! One event as a record batch (format 2), the unit that producers send and the log stores as it is.

use bytes::{Bytes, BytesMut};
use journey::Traceparent;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use crate::event::Event;

/// The batch with its checksum. Headers say what the value is before anyone reads it.
///
/// No compression: one small record would only grow. No producer id: an event is sent again only when it
/// is certain that nothing was stored.
pub(crate) fn encode(event: &Event, traceparent: Traceparent) -> Result<Bytes, String> {
    let header = |name: &'static str, value: Bytes| (StrBytes::from_static_str(name), Some(value));
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp: i64::try_from(event.at).unwrap_or(i64::MAX),
        key: Some(Bytes::copy_from_slice(event.cart_id.as_bytes())),
        value: Some(serde_json::to_vec(event).map_err(|error| error.to_string())?.into()),
        headers: [
            header("type", Bytes::from_static(event.kind.as_bytes())),
            header("content-type", Bytes::from_static(b"application/json")),
            header("traceparent", Bytes::from(traceparent.to_string())),
        ]
        .into_iter()
        .collect(),
    };
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut batch, [&record], &options).map_err(|error| error.to_string())?;
    Ok(batch.freeze())
}
