//! Produce: check, hand to the appender, respond when the disk has it.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use tokio::sync::oneshot;

use super::response::{Pending, Responder, Response, text};
use crate::appender::{Append, Appended};
use crate::batch::{Batch, Invalid};
use crate::broker::Broker;
use crate::partition::Partition;

/// A partition's part of the response so far: certain, or left to the appender.
enum Part {
    Refused(ResponseError, String),
    /// The position of its batch among those handed over, and where the partition's log begins.
    HandedOver(usize, i64),
}

/// Checks every batch and hands the good ones over, in the order of requests; the future that is
/// returned waits for the disk.
pub async fn begin(broker: &Arc<Broker>, request: ProduceRequest, to: Responder) -> Pending {
    let acks = request.acks;
    let mut batches = Vec::new();
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let mut parts = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            let checked = match acks {
                // 1 and -1 mean the same here: the one copy there is, on disk.
                -1..=1 => check(broker, &topic.name, data.index, data.records, to.version),
                _ => Err((ResponseError::InvalidRequiredAcks, "acks is -1, 0 or 1".to_owned())),
            };
            parts.push((
                data.index,
                match checked {
                    Ok(batch) => {
                        let start = batch.0.offsets().start;
                        batches.push(batch);
                        Part::HandedOver(batches.len() - 1, start)
                    }
                    Err((code, why)) => Part::Refused(code, why),
                },
            ));
        }
        topics.push((topic.name, parts));
    }
    let (done, outcome) = oneshot::channel();
    if !batches.is_empty() {
        broker.appender.submit(Append { batches, queued: hop::clock::now(), done }).await;
    } else {
        drop(done);
    }
    Box::pin(finish(topics, outcome, acks, to))
}

fn check(
    broker: &Broker,
    topic: &str,
    number: i32,
    records: Option<Bytes>,
    version: i16,
) -> Result<(Arc<Partition>, Batch), (ResponseError, String)> {
    let partition = broker.topics.partition(topic, number).ok_or_else(|| {
        (ResponseError::UnknownTopicOrPartition, format!("there is no partition {number} of {topic:?}"))
    })?;
    let batch = Batch::check(records.unwrap_or_default()).map_err(|invalid| {
        let code = match invalid {
            Invalid::Corrupt(_) => ResponseError::CorruptMessage,
            Invalid::TooLarge => ResponseError::MessageTooLarge,
            Invalid::NotAllowed(_) => ResponseError::InvalidRecord,
            Invalid::Transactional => ResponseError::InvalidTxnState,
        };
        (code, invalid.to_string())
    })?;
    // Who produces with an older version could not read zstd (KIP-110).
    if version < 7 && batch.header.uses_zstd() {
        return Err((ResponseError::UnsupportedCompressionType, "zstd needs Produce version 7".to_owned()));
    }
    Ok((partition, batch))
}

async fn finish(
    topics: Vec<(TopicName, Vec<(i32, Part)>)>,
    outcome: oneshot::Receiver<Appended>,
    acks: i16,
    to: Responder,
) -> anyhow::Result<Response> {
    // An error means that nothing was handed over, or that the appender is gone: then this process
    // is about to end, and the producer may not be told that anything is on disk.
    let appended = outcome.await.ok();
    let times = appended.as_ref().map(|appended| appended.times);
    if acks == 0 {
        return Ok(Response { times, ..Response::default() });
    }
    let one = |(number, part): (i32, Part)| {
        let outcome = match part {
            Part::Refused(code, why) => Err((code, why)),
            Part::HandedOver(at, start) => {
                match appended.as_ref().and_then(|appended| appended.outcomes.get(at)) {
                    Some(Ok(base_offset)) => Ok((*base_offset, start)),
                    Some(Err(failed)) => Err((failed.code(), failed.to_string())),
                    None => Err((ResponseError::KafkaStorageError, "the server is stopping".to_owned())),
                }
            }
        };
        let response = PartitionProduceResponse::default().with_index(number).with_log_append_time_ms(-1);
        match outcome {
            Ok((base_offset, start)) => response.with_base_offset(base_offset).with_log_start_offset(start),
            Err((code, why)) => {
                response.with_base_offset(-1).with_error_code(code.code()).with_error_message(Some(text(why)))
            }
        }
    };
    let responses = topics.into_iter().map(|(name, parts)| {
        TopicProduceResponse::default()
            .with_name(name)
            .with_partition_responses(parts.into_iter().map(one).collect())
    });
    let response = to.encode(&ProduceResponse::default().with_responses(responses.collect()))?;
    Ok(Response { times, ..response })
}
