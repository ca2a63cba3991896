//! Fetch: data if there is any, or else a long wait that ends the moment some arrives.

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hop::{CancellationToken, clock};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse};

use super::response::{Responder, Response};
use crate::broker::Broker;
use crate::limits::{MAX_BATCH, MAX_FETCH, MAX_WAIT, SMALL_FRAME};
use crate::partition::Partition;

/// Waits until there is enough to send, the client's patience is over, or the server stops.
///
/// # Errors
/// The response cannot be encoded: a mistake of ours.
pub async fn respond(
    broker: &Broker,
    request: &FetchRequest,
    to: Responder,
    stop: &CancellationToken,
) -> anyhow::Result<Response> {
    // Sessions (KIP-227) save bytes between brokers with thousands of partitions. There are none
    // here: session 0 in every response tells the client to name its partitions each time.
    if request.session_id != 0 {
        let code = ResponseError::FetchSessionIdNotFound.code();
        return to.encode(&FetchResponse::default().with_error_code(code));
    }
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(MAX_WAIT);
    let until = clock::monotonic() + wait;
    let partitions: Vec<Vec<Option<Arc<Partition>>>> = request
        .topics
        .iter()
        .map(|topic| {
            topic.partitions.iter().map(|p| broker.topics.partition(&topic.topic, p.partition)).collect()
        })
        .collect();
    let all: Vec<(&FetchPartition, Option<&Partition>)> = request
        .topics
        .iter()
        .zip(&partitions)
        .flat_map(|(topic, found)| topic.partitions.iter().zip(found.iter().map(Option::as_deref)))
        .collect();
    wait_for_data(&all, u64::try_from(request.min_bytes).unwrap_or(0), until, stop).await;

    // Now it is known how much there is: large responses take turns. The first batch is sent even if it
    // is longer than the request allows.
    let most = usize::try_from(request.max_bytes).unwrap_or(0).min(MAX_FETCH);
    let there = usize::try_from(readable(&all)).unwrap_or(usize::MAX).min(most + MAX_BATCH);
    let permit = if there > SMALL_FRAME {
        Some(Arc::clone(&broker.response_memory).acquire_many_owned(u32::try_from(there)?).await?)
    } else {
        None
    };
    let mut left = most.min(there);
    let mut empty = true;
    let responses = request.topics.iter().zip(&partitions).map(|(topic, found)| {
        let read = |(wanted, partition): (&FetchPartition, &Option<Arc<Partition>>)| {
            let data = read(wanted, partition.as_deref(), left, empty);
            let bytes = data.records.as_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(bytes);
            empty &= bytes == 0;
            data
        };
        let partitions = topic.partitions.iter().zip(found).map(read).collect();
        FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_partitions(partitions)
    });
    let response = FetchResponse::default().with_responses(responses.collect());
    Ok(Response { permit, ..to.encode(&response)? })
}

/// Returns when `enough` bytes can be read, something is wrong (which the client is told at once), or time is up.
async fn wait_for_data(
    all: &[(&FetchPartition, Option<&Partition>)],
    enough: u64,
    until: Instant,
    stop: &CancellationToken,
) {
    loop {
        // Registered before looking: what is appended between the look and the wait is not missed.
        let mut growth: Vec<_> = all.iter().filter_map(|(_, p)| p.map(|p| Box::pin(p.grew()))).collect();
        for grew in &mut growth {
            grew.as_mut().enable();
        }
        if available(all).is_none_or(|bytes| bytes >= enough) {
            return;
        }
        let any_grew = pin!(poll_fn(|context| {
            let ready = growth.iter_mut().any(|grew| grew.as_mut().poll(context).is_ready());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        }));
        let left = until.saturating_duration_since(clock::monotonic());
        tokio::select! {
            woken = tokio::time::timeout(left, any_grew) => if woken.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

/// The bytes that could be sent now; `None` when a partition gets an error.
fn available(all: &[(&FetchPartition, Option<&Partition>)]) -> Option<u64> {
    all.iter().try_fold(0_u64, |sum, (wanted, partition)| {
        let partition = (*partition)?;
        let offsets = partition.offsets();
        if !(offsets.start..=offsets.end).contains(&wanted.fetch_offset) {
            return None;
        }
        let most = u64::try_from(wanted.partition_max_bytes).unwrap_or(0);
        let bytes = partition.bytes_from(wanted.fetch_offset).ok()?;
        // A batch larger than the limit is sent all the same, so it counts as data.
        Some(sum + bytes.min(most.max(1)))
    })
}

/// The bytes from the requested offsets to the ends of the logs.
fn readable(all: &[(&FetchPartition, Option<&Partition>)]) -> u64 {
    let bytes = |(wanted, partition): &(&FetchPartition, Option<&Partition>)| {
        partition.and_then(|partition| partition.bytes_from(wanted.fetch_offset).ok()).unwrap_or(0)
    };
    all.iter().map(bytes).fold(0, u64::saturating_add)
}

fn read(wanted: &FetchPartition, partition: Option<&Partition>, left: usize, empty: bool) -> PartitionData {
    let data = PartitionData::default()
        .with_partition_index(wanted.partition)
        .with_high_watermark(-1)
        .with_aborted_transactions(None)
        .with_records(Some(Bytes::new()));
    let Some(partition) = partition else {
        return data.with_error_code(ResponseError::UnknownTopicOrPartition.code());
    };
    let Range { start, end } = partition.offsets();
    let data = data.with_high_watermark(end).with_last_stable_offset(end).with_log_start_offset(start);
    if !(start..=end).contains(&wanted.fetch_offset) {
        return data.with_error_code(ResponseError::OffsetOutOfRange.code());
    }
    let limit = usize::try_from(wanted.partition_max_bytes).unwrap_or(0).min(left);
    match partition.read(wanted.fetch_offset, limit, empty) {
        Ok(records) => data.with_records(Some(records)),
        Err(error) => data.with_error_code(unreadable(&error).code()),
    }
}

/// What a client is told when a log cannot be read; the partition has said it to the operator.
pub(super) fn unreadable(error: &io::Error) -> ResponseError {
    match error.kind() {
        // Clients report this one. A storage error they would try again in silence, for ever.
        io::ErrorKind::InvalidData => ResponseError::CorruptMessage,
        // Deleted between the look at the offsets and the read.
        io::ErrorKind::NotFound => ResponseError::OffsetOutOfRange,
        _ => ResponseError::KafkaStorageError,
    }
}
