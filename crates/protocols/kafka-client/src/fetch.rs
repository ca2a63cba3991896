//! Offsets and records of one partition.

use std::time::Duration;

use bytes::Bytes;
use hop::http::Exchange;
use hop::upstream::Failure;
use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest};

use crate::broker::Broker;
use crate::failure::{failure, refused};
use crate::topic::Topic;

/// The most bytes of one fetch. A single batch may be larger, up to the broker's own limit.
const PORTION: i32 = 1 << 20;

/// An offset that is looked for, in the words of ListOffsets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Position {
    /// That of the first record.
    First,
    /// That of the next record to come.
    Last,
    /// That of the first record that is not older: milliseconds since the Unix epoch.
    Time(u64),
}

/// An offset; none if there is no such record.
pub(crate) async fn offset(
    broker: &mut Broker,
    topic: &Topic,
    partition: i32,
    position: Position,
    limit: Duration,
) -> Result<Option<i64>, Failure> {
    let timestamp = match position {
        Position::First => -2,
        Position::Last => -1,
        Position::Time(time) => i64::try_from(time).unwrap_or(i64::MAX),
    };
    let partition = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(timestamp);
    let wanted = ListOffsetsTopic::default().with_name(topic.name()).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![wanted]);
    let span = topic.span("ListOffsets");
    let (response, span) = broker.call(span, limit, &request).await?;
    Exchange::current().emit(span);
    let found = response.topics.first().and_then(|topic| topic.partitions.first());
    let found = found.ok_or_else(|| refused("offsets of no partition"))?;
    match found.error_code.err() {
        Some(error) => Err(failure(error)),
        None => Ok(Some(found.offset).filter(|offset| *offset >= 0)),
    }
}

/// What a fetch brings.
pub(crate) struct Fetched {
    /// Batches; the last one may be cut off.
    pub(crate) batches: Bytes,
    /// Where the log ends.
    pub(crate) end: i64,
}

/// Batches from an offset on, or what Kafka says about the partition instead. If there are none yet, waits so long for
/// some.
pub(crate) async fn fetch(
    broker: &mut Broker,
    topic: &Topic,
    partition: i32,
    offset: i64,
    wait: Duration,
    limit: Duration,
) -> Result<Result<Fetched, ResponseError>, Failure> {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(PORTION);
    let wanted = FetchTopic::default().with_topic(topic.name()).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(i32::from(!wait.is_zero()))
        .with_max_bytes(PORTION)
        .with_session_epoch(-1)
        .with_topics(vec![wanted]);
    let span = topic.span("Fetch");
    let (response, span) = broker.call(span, wait + limit, &request).await?;
    Exchange::current().emit(span);
    if let Some(error) = response.error_code.err() {
        return Ok(Err(error));
    }
    let found = response.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let found = found.ok_or_else(|| refused("records of no partition"))?;
    Ok(match found.error_code.err() {
        Some(error) => Err(error),
        None => Ok(Fetched { batches: found.records.unwrap_or_default(), end: found.high_watermark }),
    })
}
