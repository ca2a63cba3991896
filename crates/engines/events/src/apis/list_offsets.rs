//! ListOffsets: where does a partition begin, where does it end, and where was it at some time?

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::fetch::unreadable;
use crate::broker::Broker;
use crate::partition::Partition;

/// Requests the end of the log (its next offset).
const LATEST: i64 = -1;
/// Requests the beginning of the log.
const EARLIEST: i64 = -2;
/// Requests the newest record by timestamp (KIP-734).
const NEWEST: i64 = -3;

/// The offset of each partition at the requested time.
pub fn respond(broker: &Broker, request: ListOffsetsRequest, version: i16) -> ListOffsetsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let one = |wanted: &ListOffsetsPartition| {
            let partition = broker.topics.partition(&topic.name, wanted.partition_index);
            let found = match &partition {
                Some(partition) => find(partition, wanted.timestamp),
                None => Err(ResponseError::UnknownTopicOrPartition),
            };
            let response =
                ListOffsetsPartitionResponse::default().with_partition_index(wanted.partition_index);
            match found {
                Ok(TimestampAndOffset { offset, timestamp }) => {
                    let response = response.with_offset(offset).with_timestamp(timestamp);
                    // Before version 4 the response has no field for it, and encoding it fails.
                    if version < 4 || offset < 0 { response } else { response.with_leader_epoch(0) }
                }
                Err(code) => response.with_error_code(code.code()),
            }
        };
        let partitions = topic.partitions.iter().map(one).collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

struct TimestampAndOffset {
    offset: i64,
    timestamp: i64,
}

/// What means "no such record".
const NOWHERE: TimestampAndOffset = TimestampAndOffset { offset: -1, timestamp: -1 };

fn find(partition: &Partition, timestamp: i64) -> Result<TimestampAndOffset, ResponseError> {
    Ok(match timestamp {
        LATEST => TimestampAndOffset { offset: partition.offsets().end, timestamp: -1 },
        EARLIEST => TimestampAndOffset { offset: partition.offsets().start, timestamp: -1 },
        NEWEST => partition.newest().map_or(NOWHERE, |newest| TimestampAndOffset {
            offset: newest.offset,
            timestamp: newest.timestamp,
        }),
        // Records are packed away in their batch, so the result is the first record of the batch: never
        // too late, at most one batch too early. Exact where batches hold one record.
        _ => partition.first_since(timestamp).map_err(|error| unreadable(&error))?.map_or(NOWHERE, |batch| {
            TimestampAndOffset { offset: batch.base_offset, timestamp: batch.base_timestamp }
        }),
    })
}
