//! Telling Kafka: a small producer that sends a cart's events and waits until the log has them (`acks=all`).
//!
//! A topic has partitions, and each has one broker that leads it: only that one takes records. So the
//! producer asks any broker for the *metadata*, chooses the partition by the event's key, and sends to its
//! leader. It remembers who leads, and asks anew when a broker says that it no longer does.

mod batch;
mod broker;
mod partition;
mod stored;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hop::http::Exchange;
use hop::{clock, trace};
use journey::semconv::attribute;
use journey::{Kind, Span, SpanId};
use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::config::KafkaUrl;
use crate::outbox::Outgoing;
use crate::pool::Pool;
use crate::wire::Failure;
use broker::Broker;

pub(crate) const SYSTEM: &str = "kafka";
/// Metadata older than this is asked for anew, as the Java client does (`metadata.max.age.ms`).
const METADATA_AGE: Duration = Duration::from_secs(300);
/// How long a topic without a leader is left alone before it is looked at again.
const LOOK: Duration = Duration::from_millis(10);
/// How often an event is sent when brokers say that another one leads.
const ATTEMPTS: usize = 3;

/// Where the first event came to lie in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Which partition.
    pub partition: i32,
    /// The record's offset in it.
    pub offset: i64,
}

/// Who leads each partition of the topic, by index; none where nobody does at present.
struct Metadata {
    leaders: Vec<Option<SocketAddr>>,
    asked: Instant,
}

/// The producer. Connections are made when they are first needed.
pub struct Kafka {
    url: KafkaUrl,
    client_id: StrBytes,
    /// The name of its spans, such as `send cart-events`.
    send: String,
    limit: Duration,
    pool: Pool<Broker>,
    metadata: Mutex<Option<Arc<Metadata>>>,
}

impl Kafka {
    /// A producer with at most so many connections; `limit` bounds each step.
    pub fn new(url: KafkaUrl, client_id: &str, connections: usize, limit: Duration) -> Self {
        Kafka {
            client_id: StrBytes::from_string(client_id.to_owned()),
            send: format!("send {}", url.topic),
            url,
            limit,
            pool: Pool::new(SYSTEM, "kafka.pool", connections),
            metadata: Mutex::default(),
        }
    }

    /// Sends events of one cart, in this order; returns when all replicas that must have them have them.
    ///
    /// They are sent again only when it is certain that nothing was stored. `span_id` names the span of the
    /// first attempt: the records carry it, so that consumers can say what caused them.
    ///
    /// # Errors
    /// See [`Failure`]; after [`Failure::Timeout`] or [`Failure::Broken`] the events may be stored or not.
    pub async fn publish(
        &self,
        exchange: &Exchange,
        span_id: SpanId,
        events: &[&Outgoing],
    ) -> Result<Published, Failure> {
        let Some(key) = events.first().map(|first| first.event.cart_id.as_bytes()) else {
            return Err(refused("(our request) no events".to_owned()));
        };
        let records = batch::encode(events).map_err(refused)?;
        let _place = self.pool.place(exchange, self.limit).await?;
        let mut attempt = 1;
        loop {
            let metadata = self.metadata(exchange).await?;
            let id = if attempt == 1 { span_id } else { trace::new_span_id() };
            match self.send(exchange, &metadata, id, key, &records).await {
                Err(failure) if failure.had_no_effect() && attempt < ATTEMPTS => {
                    tracing::debug!(attempt, "send an event: {}", failure.describe());
                    self.forget(&metadata);
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn send(
        &self,
        exchange: &Exchange,
        metadata: &Metadata,
        span_id: SpanId,
        key: &[u8],
        records: &Bytes,
    ) -> Result<Published, Failure> {
        let partition = partition::choose(key, metadata.leaders.len());
        let leader = metadata.leaders.get(partition).copied().flatten();
        let leader = leader.ok_or_else(|| not_done(format!("nobody leads partition {partition}")))?;
        let index = i32::try_from(partition).unwrap_or(i32::MAX);

        let mut broker = self.broker(leader, exchange).await?;
        let data = PartitionProduceData::default().with_index(index).with_records(Some(records.clone()));
        let topic = TopicProduceData::default().with_name(self.topic()).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(-1) // all replicas in sync
            .with_timeout_ms(i32::try_from(self.limit.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(vec![topic]);

        let span =
            self.span(exchange, span_id, self.send.clone()).with(attribute::MESSAGING_OPERATION_TYPE, "send");
        let (answer, span) = broker.call(exchange, span, self.limit, &request).await?;
        let stored = answer.responses.first().and_then(|topic| topic.partition_responses.first());
        let Some(stored) = stored else { return Err(refused("an answer about no partition".to_owned())) };
        // Also a refusal is a complete exchange: the connection is as good as before.
        self.pool.give_back(broker);
        if let Some(error) = stored.error_code.err() {
            exchange.emit(span.with(attribute::ERROR_TYPE, error.to_string()));
            return Err(failure(error));
        }
        let span = span
            .with(attribute::MESSAGING_DESTINATION_PARTITION_ID, index.to_string())
            .with(attribute::MESSAGING_KAFKA_OFFSET, stored.base_offset);
        exchange.emit(span);
        Ok(Published { partition: index, offset: stored.base_offset })
    }

    /// What is known of the topic, asked for when nothing is.
    async fn metadata(&self, exchange: &Exchange) -> Result<Arc<Metadata>, Failure> {
        let known = self.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| clock::since(known.asked) < METADATA_AGE) {
            return Ok(known);
        }
        let mut broker = self.broker(self.url.bootstrap, exchange).await?;
        // A topic that was created by our asking has no leader for its first milliseconds.
        let begun = clock::monotonic();
        let mut looks = tokio::time::interval(LOOK);
        let metadata = loop {
            looks.tick().await;
            match self.ask_metadata(&mut broker, exchange).await? {
                Err(error) if error.is_retriable() && clock::since(begun) < self.limit => {}
                outcome => break outcome.map_err(failure)?,
            }
        };
        self.pool.give_back(broker);
        let metadata = Arc::new(metadata);
        *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&metadata));
        Ok(metadata)
    }

    async fn ask_metadata(
        &self,
        broker: &mut Broker,
        exchange: &Exchange,
    ) -> Result<Result<Metadata, ResponseError>, Failure> {
        let topic = MetadataRequestTopic::default().with_name(Some(self.topic()));
        let request =
            MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
        let span = self.span(exchange, trace::new_span_id(), "Metadata".to_owned());
        let (answer, span) = broker.call(exchange, span, self.limit, &request).await?;
        exchange.emit(span);
        let Some(topic) = answer.topics.first() else {
            return Err(refused("metadata without the topic".to_owned()));
        };
        if let Some(error) = topic.error_code.err() {
            return Ok(Err(error));
        }
        let mut leaders = vec![None; topic.partitions.len()];
        for partition in &topic.partitions {
            let place = usize::try_from(partition.partition_index).ok().and_then(|at| leaders.get_mut(at));
            let Some(place) = place else { return Err(refused("partitions with gaps".to_owned())) };
            *place = self.address(&answer, partition.leader_id.0)?;
        }
        if leaders.is_empty() {
            return Ok(Err(ResponseError::LeaderNotAvailable));
        }
        Ok(Ok(Metadata { leaders, asked: clock::monotonic() }))
    }

    /// Where a broker says it can be reached. One on this machine must not send us off it: nothing here
    /// asks for names, and nothing of the lab leaves loopback.
    fn address(&self, metadata: &MetadataResponse, node: i32) -> Result<Option<SocketAddr>, Failure> {
        let Some(broker) = metadata.brokers.iter().find(|broker| broker.node_id.0 == node) else {
            return Ok(None);
        };
        let host = match broker.host.as_str() {
            "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host => host.parse::<IpAddr>(),
        };
        let port = u16::try_from(broker.port);
        match (host, port) {
            (Ok(host), Ok(port)) if host.is_loopback() || !self.url.bootstrap.ip().is_loopback() => {
                Ok(Some(SocketAddr::new(host, port)))
            }
            _ => Err(refused(format!(
                "its address is {}:{}, which cannot be used here: set advertised.listeners (or ADVERTISED) to the IP address and port that this service reaches it at",
                broker.host, broker.port
            ))),
        }
    }

    /// The next one asks anew, unless someone already did.
    fn forget(&self, old: &Arc<Metadata>) {
        let mut known = self.metadata.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, old)) {
            *known = None;
        }
    }

    async fn broker(&self, to: SocketAddr, exchange: &Exchange) -> Result<Broker, Failure> {
        match self.pool.take(to) {
            Some(broker) => Ok(broker),
            None => {
                let span = self.span(exchange, trace::new_span_id(), "ApiVersions".to_owned());
                Broker::open(to, self.client_id.clone(), exchange, span, self.limit).await
            }
        }
    }

    fn span(&self, exchange: &Exchange, id: SpanId, name: String) -> Span {
        exchange
            .child(id, Kind::Client, name, (0, 0))
            .with(attribute::MESSAGING_SYSTEM, "kafka")
            .with(attribute::MESSAGING_DESTINATION_NAME, self.url.topic.clone())
    }

    fn topic(&self) -> TopicName {
        TopicName(StrBytes::from_string(self.url.topic.clone()))
    }
}

/// What a broker's error code means for the event.
fn failure(error: ResponseError) -> Failure {
    use ResponseError as E;
    match error {
        // The broker appended nothing: it does not lead, does not know the topic (yet), or lacks replicas.
        E::NotLeaderOrFollower
        | E::UnknownTopicOrPartition
        | E::LeaderNotAvailable
        | E::NotEnoughReplicas => not_done(error.to_string()),
        error => refused(error.to_string()),
    }
}

fn not_done(text: String) -> Failure {
    Failure::NotDone { system: SYSTEM, text }
}

fn refused(text: String) -> Failure {
    Failure::Refused { system: SYSTEM, text }
}

#[cfg(test)]
mod tests;
