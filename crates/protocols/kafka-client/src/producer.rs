//! A producer that sends records and waits until the log has them (`acks=all`).
//!
//! A topic has partitions, and each has one broker that leads it: only that one takes records. So the producer requests
//! the *metadata* of any broker, chooses the partition by the records' key, and sends to its leader. It remembers who
//! leads, and requests it anew when a broker says that it no longer does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hop::http::Exchange;
use hop::upstream::{Failure, Permit, Pool};
use hop::{clock, trace};
use journey::SpanId;
use journey::semconv::attribute;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::protocol::StrBytes;
use parking_lot::Mutex;

use crate::batch::{self, Record};
use crate::broker::Broker;
use crate::failure::{SYSTEM, failure, not_done, refused};
use crate::metadata::{self, Leaders};
use crate::partitioner;
use crate::topic::Topic;

/// Metadata older than this is requested anew, as the Java client does (`metadata.max.age.ms`).
const METADATA_AGE: Duration = Duration::from_secs(300);
/// How long a topic without a leader is left alone before it is looked at again.
const RETRY_BACKOFF: Duration = Duration::from_millis(10);
/// How often records are sent when brokers say that another one leads.
const ATTEMPTS: usize = 3;

/// Where the first record came to lie in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The number of the topic's part that the key belongs to.
    pub partition: i32,
    /// The record's offset in it.
    pub offset: i64,
}

pub(crate) struct Metadata {
    pub(crate) leaders: Leaders,
    read_at: Instant,
}

/// The producer. Connections are made when they are first needed.
pub struct Producer {
    pub(crate) topic: Topic,
    client_id: StrBytes,
    /// The name of its spans, such as `send cart-events`.
    send: String,
    pub(crate) limit: Duration,
    pub(crate) pool: Pool<Broker>,
    metadata: Mutex<Option<Arc<Metadata>>>,
}

impl Producer {
    /// A producer with at most so many connections; `limit` bounds each step.
    pub fn new(topic: Topic, client_id: &str, connections: usize, limit: Duration) -> Self {
        Producer {
            client_id: StrBytes::from_string(client_id.to_owned()),
            send: format!("send {}", topic.name),
            topic,
            limit,
            pool: Pool::new(SYSTEM, "kafka.pool", connections),
            metadata: Mutex::default(),
        }
    }

    /// Sends records with the same key, in this order; returns when all replicas that must have them have them.
    ///
    /// They are sent again only when it is certain that nothing was stored. `span_id` names the span of the first
    /// attempt: a record can carry it, so that consumers can say what caused it.
    ///
    /// # Errors
    /// See [`Failure`]; after [`Failure::Timeout`] or [`Failure::Broken`] the records may be stored or not.
    pub async fn publish(&self, span_id: SpanId, records: &[Record]) -> Result<Published, Failure> {
        let Some(key) = records.first().map(|first| &first.key) else {
            return Err(refused("(our request) no records"));
        };
        let batch = batch::encode(records).map_err(refused)?;
        let _permit = self.permit().await?;
        let mut attempt = 1;
        loop {
            let metadata = self.metadata().await?;
            let id = if attempt == 1 { span_id } else { trace::new_span_id() };
            match self.send(&metadata, id, key, &batch).await {
                Err(failure) if failure.had_no_effect() && attempt < ATTEMPTS => {
                    tracing::debug!(attempt, "send records: {}", failure.describe());
                    self.forget(&metadata);
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn send(
        &self,
        metadata: &Metadata,
        span_id: SpanId,
        key: &[u8],
        batch: &Bytes,
    ) -> Result<Published, Failure> {
        let (partition, leader) = metadata.leader(key)?;
        let mut broker = self.broker(leader).await?;
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch.clone()));
        let topic = TopicProduceData::default().with_name(self.topic.name()).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(-1) // all replicas in sync
            .with_timeout_ms(i32::try_from(self.limit.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(vec![topic]);

        let span = self.topic.producer_span(span_id, self.send.clone());
        let (response, span) = broker.call(span, self.limit, &request).await?;
        let stored = response.responses.first().and_then(|topic| topic.partition_responses.first());
        let Some(stored) = stored else { return Err(refused("a response about no partition")) };
        // Also a refusal completes its request: the connection is as good as before.
        self.pool.put_back(broker);
        if let Some(error) = stored.error_code.err() {
            Exchange::current().emit(span.with(attribute::ERROR_TYPE, error.to_string()));
            return Err(failure(error));
        }
        let span = span
            .with(attribute::MESSAGING_DESTINATION_PARTITION_ID, partition.to_string())
            .with(attribute::MESSAGING_KAFKA_OFFSET, stored.base_offset);
        Exchange::current().emit(span);
        Ok(Published { partition, offset: stored.base_offset })
    }

    pub(crate) async fn permit(&self) -> Result<Permit<'_>, Failure> {
        self.pool.permit(self.limit).await
    }

    /// What is known of the topic, requested when nothing is.
    pub(crate) async fn metadata(&self) -> Result<Arc<Metadata>, Failure> {
        let known = self.metadata.lock().clone();
        if let Some(known) = known.filter(|known| clock::since(known.read_at) < METADATA_AGE) {
            return Ok(known);
        }
        let mut broker = self.broker(self.topic.bootstrap).await?;
        // A topic that is created by this very request has no leader for its first milliseconds.
        let begun = clock::monotonic();
        let mut attempts = tokio::time::interval(RETRY_BACKOFF);
        let leaders = loop {
            attempts.tick().await;
            match metadata::leaders(&mut broker, &self.topic, true, self.limit).await? {
                Err(error) if error.is_retriable() && clock::since(begun) < self.limit => {}
                outcome => break outcome.map_err(failure)?,
            }
        };
        self.pool.put_back(broker);
        let metadata = Arc::new(Metadata { leaders, read_at: clock::monotonic() });
        *self.metadata.lock() = Some(Arc::clone(&metadata));
        Ok(metadata)
    }

    /// The next one requests the metadata anew, unless someone already did.
    pub(crate) fn forget(&self, old: &Arc<Metadata>) {
        let mut known = self.metadata.lock();
        if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, old)) {
            *known = None;
        }
    }

    pub(crate) async fn broker(&self, to: SocketAddr) -> Result<Broker, Failure> {
        match self.pool.take(to) {
            Some(broker) => Ok(broker),
            None => {
                let span = self.topic.span("ApiVersions");
                Broker::open(to, self.client_id.clone(), span, self.limit).await
            }
        }
    }
}

impl Metadata {
    /// The partition of a key, and who leads it.
    pub(crate) fn leader(&self, key: &[u8]) -> Result<(i32, SocketAddr), Failure> {
        let partition = partitioner::choose(key, self.leaders.len());
        let leader = self.leaders.get(partition).copied().flatten();
        let leader = leader.ok_or_else(|| not_done(format!("nobody leads partition {partition}")))?;
        Ok((i32::try_from(partition).unwrap_or(i32::MAX), leader))
    }
}

#[cfg(test)]
mod tests;
