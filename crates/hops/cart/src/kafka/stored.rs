//! Is it there already? Whoever finds an event that somebody else may have told looks before it tells it again.

use std::collections::HashSet;

use bytes::Bytes;
use hop::http::Exchange;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest};
use kafka_protocol::records::RecordBatchDecoder;

use super::broker::Broker;
use super::{Kafka, failure, not_done, partition, refused, trace};
use crate::outbox::Outgoing;
use crate::wire::Failure;

/// How much of the log comes in one answer, in bytes: within what an answer may have.
const PORTION: i32 = 1 << 20;
/// How many portions are looked through: some 30,000 events. What lies further ahead is told again.
const PORTIONS: usize = 16;

impl Kafka {
    /// Which of these events of one cart, by number, the log holds.
    ///
    /// A record has the time of its event, so it lies at or behind the first one that is not older (ListOffsets by
    /// time); from there on the log is read to its end.
    ///
    /// # Errors
    /// See [`Failure`]; nothing is changed by it.
    pub async fn stored(&self, exchange: &Exchange, events: &[&Outgoing]) -> Result<HashSet<usize>, Failure> {
        let mut found = HashSet::new();
        let (Some(first), Some(oldest)) =
            (events.first(), events.iter().map(|outgoing| outgoing.event.at).min())
        else {
            return Ok(found);
        };
        let _place = self.pool.place(exchange, self.limit).await?;
        let metadata = self.metadata(exchange).await?;
        let index = partition::choose(first.event.cart_id.as_bytes(), metadata.leaders.len());
        let leader = metadata.leaders.get(index).copied().flatten();
        let leader = leader.ok_or_else(|| not_done(format!("nobody leads partition {index}")))?;
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        let mut broker = self.broker(leader, exchange).await?;

        let Some(mut offset) =
            self.offset_at(&mut broker, exchange, index, oldest).await.inspect_err(|_| {
                self.forget(&metadata);
            })?
        else {
            self.pool.give_back(broker);
            return Ok(found);
        };
        for _ in 0..PORTIONS {
            let (mut portion, end) = self.portion(&mut broker, exchange, index, offset).await?;
            let before = offset;
            // The last batch may be cut off at the portion's end: it comes whole with the next one.
            while !portion.is_empty()
                && let Ok(set) = RecordBatchDecoder::decode(&mut portion)
            {
                for record in set.records {
                    offset = offset.max(record.offset + 1);
                    let value = record.value.as_deref();
                    let same = |outgoing: &&Outgoing| value == Some(outgoing.fields().0.as_bytes());
                    found.extend(events.iter().position(same));
                }
            }
            if offset >= end || offset == before || found.len() == events.len() {
                break;
            }
        }
        self.pool.give_back(broker);
        Ok(found)
    }

    /// Where the first record lies that is not older; none if all are.
    async fn offset_at(
        &self,
        broker: &mut Broker,
        exchange: &Exchange,
        index: i32,
        time: u64,
    ) -> Result<Option<i64>, Failure> {
        let time = i64::try_from(time).unwrap_or(i64::MAX);
        let partition = ListOffsetsPartition::default().with_partition_index(index).with_timestamp(time);
        let topic = ListOffsetsTopic::default().with_name(self.topic()).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
        let span = self.span(exchange, trace::new_span_id(), "ListOffsets".to_owned());
        let (answer, span) = broker.call(exchange, span, self.limit, &request).await?;
        exchange.emit(span);
        let found = answer.topics.first().and_then(|topic| topic.partitions.first());
        let found = found.ok_or_else(|| refused("offsets of no partition".to_owned()))?;
        match found.error_code.err() {
            Some(error) => Err(failure(error)),
            None => Ok(Some(found.offset).filter(|offset| *offset >= 0)),
        }
    }

    /// Records from an offset on, and where the log ends.
    async fn portion(
        &self,
        broker: &mut Broker,
        exchange: &Exchange,
        index: i32,
        offset: i64,
    ) -> Result<(Bytes, i64), Failure> {
        let partition = FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(PORTION);
        let topic = FetchTopic::default().with_topic(self.topic()).with_partitions(vec![partition]);
        // It answers with what there is, and waits for nothing.
        let request = FetchRequest::default()
            .with_replica_id((-1).into())
            .with_max_wait_ms(0)
            .with_min_bytes(0)
            .with_max_bytes(PORTION)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let span = self.span(exchange, trace::new_span_id(), "Fetch".to_owned());
        let (answer, span) = broker.call(exchange, span, self.limit, &request).await?;
        exchange.emit(span);
        let found = answer.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
        let found = found.ok_or_else(|| refused("records of no partition".to_owned()))?;
        match found.error_code.err() {
            Some(error) => Err(failure(error)),
            None => Ok((found.records.unwrap_or_default(), found.high_watermark)),
        }
    }
}
