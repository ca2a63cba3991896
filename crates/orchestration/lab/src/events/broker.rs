//! A connection to a Kafka broker, and the three requests of a reader, each in one version that every broker since
//! 2.4 knows and that the lab's own speaks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    FetchRequest, ListOffsetsRequest, MetadataRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{
    Decodable as _, HeaderVersion as _, Request, StrBytes, encode_request_header_into_buffer,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Source;

/// Any answer but that to a fetch that waits comes within this time.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a fetch waits for news.
const WAIT: Duration = Duration::from_secs(1);
/// The most bytes of one fetch. A single batch may be larger, up to the broker's own limit.
const FETCH: i32 = 1 << 20;
/// No answer is larger.
const LARGEST: usize = 64 << 20;

pub(crate) const METADATA: i16 = 8;
const LIST_OFFSETS: i16 = 5;
const FETCH_VERSION: i16 = 11;

/// An end of a partition, in the words of ListOffsets.
#[derive(Clone, Copy)]
pub(super) enum End {
    First = -2,
    Last = -1,
}

/// A connection.
pub(crate) struct Broker {
    stream: TcpStream,
    calls: i32,
}

/// Who leads each partition of the topic; `None` if there is no such topic yet.
///
/// # Errors
/// No broker answers, or it does not know the leaders yet.
pub(super) async fn topic(source: &Source) -> anyhow::Result<Option<Vec<SocketAddr>>> {
    let mut broker = Broker::connect(source.bootstrap).await?;
    let topic = MetadataRequestTopic::default().with_name(Some(name(&source.topic)));
    // Reading creates nothing.
    let request =
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
    let answer = broker.call(METADATA, LIMIT, &request).await?;
    let topic = answer.topics.first().context("Kafka's metadata lack the topic")?;
    match topic.error_code.err() {
        Some(ResponseError::UnknownTopicOrPartition) => return Ok(None),
        Some(error) => bail!("Kafka says of {}: {error}", source.topic),
        None => {}
    }
    let mut leaders = vec![None; topic.partitions.len()];
    for partition in &topic.partitions {
        let place = usize::try_from(partition.partition_index).ok().and_then(|at| leaders.get_mut(at));
        let leader = answer.brokers.iter().find(|broker| broker.node_id == partition.leader_id);
        *place.context("the topic's partitions have gaps")? =
            leader.map(|leader| address(leader.host.as_str(), leader.port)).transpose()?;
    }
    let leaders: Option<Vec<_>> = leaders.into_iter().collect();
    let leaders = leaders.filter(|leaders| !leaders.is_empty());
    leaders.context("nobody leads the topic at present").map(Some)
}

/// Where a broker says it can be reached: on this machine.
fn address(host: &str, port: i32) -> anyhow::Result<SocketAddr> {
    let ip = if host == "localhost" { Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { host.parse() };
    match (ip, u16::try_from(port)) {
        (Ok(ip), Ok(port)) if ip.is_loopback() => Ok(SocketAddr::new(ip, port)),
        _ => bail!(
            "Kafka says it is at {host}:{port}, which is not on this machine: set its advertised.listeners"
        ),
    }
}

impl Broker {
    /// # Errors
    /// Nobody answers there.
    pub(crate) async fn connect(to: SocketAddr) -> anyhow::Result<Self> {
        let connected = tokio::time::timeout(LIMIT, TcpStream::connect(to)).await;
        let stream = connected.map_err(anyhow::Error::from).and_then(|stream| Ok(stream?));
        let stream = stream.with_context(|| format!("connect to {to}"))?;
        stream.set_nodelay(true)?;
        Ok(Broker { stream, calls: 0 })
    }

    /// The offset at one end of a partition: that of its first record, or of the next one to come.
    ///
    /// # Errors
    /// The connection breaks, or Kafka can't say.
    pub(super) async fn end(&mut self, topic: &str, partition: usize, end: End) -> anyhow::Result<i64> {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(i32::try_from(partition)?)
            .with_timestamp(end as i64);
        let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
        let answer =
            self.call(LIST_OFFSETS, LIMIT, &ListOffsetsRequest::default().with_topics(vec![topic])).await?;
        let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
        let partition = partition.context("Kafka lists no offset")?;
        match partition.error_code.err() {
            Some(error) => bail!("Kafka lists no offset: {error}"),
            None => Ok(partition.offset),
        }
    }

    /// Batches from an offset on, at once or as soon as there are some; perhaps none.
    ///
    /// # Errors
    /// The connection breaks; what Kafka says about the partition is the inner error.
    pub(super) async fn fetch(
        &mut self,
        topic: &str,
        partition: usize,
        offset: i64,
    ) -> anyhow::Result<Result<Bytes, ResponseError>> {
        let partition = FetchPartition::default()
            .with_partition(i32::try_from(partition)?)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(FETCH);
        let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_max_wait_ms(i32::try_from(WAIT.as_millis())?)
            .with_min_bytes(1)
            .with_max_bytes(FETCH)
            .with_topics(vec![topic]);
        let mut answer = self.call(FETCH_VERSION, WAIT + LIMIT, &request).await?;
        if let Some(error) = answer.error_code.err() {
            return Ok(Err(error));
        }
        let partition = answer.responses.first_mut().and_then(|topic| topic.partitions.first_mut());
        let partition = partition.context("Kafka answers about no partition")?;
        match partition.error_code.err() {
            Some(error) => Ok(Err(error)),
            None => Ok(Ok(partition.records.take().unwrap_or_default())),
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    /// The connection breaks, no answer comes within `limit`, or it is not Kafka's protocol.
    pub(crate) async fn call<R: Request>(
        &mut self,
        version: i16,
        limit: Duration,
        request: &R,
    ) -> anyhow::Result<R::Response> {
        self.calls = self.calls.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.calls)
            .with_client_id(Some(StrBytes::from_static_str("lab")));
        let mut frame = BytesMut::from(&[0; 4][..]);
        encode_request_header_into_buffer(&mut frame, &header)?;
        request.encode(&mut frame, version)?;
        let length = u32::try_from(frame.len() - 4)?;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        let exchange = async {
            self.stream.write_all(&frame).await?;
            let length = usize::try_from(self.stream.read_u32().await?)?;
            ensure!(length <= LARGEST, "an answer of {length} bytes");
            let mut answer = vec![0; length];
            self.stream.read_exact(&mut answer).await?;
            anyhow::Ok(Bytes::from(answer))
        };
        let answer = tokio::time::timeout(limit, exchange).await;
        let mut answer =
            answer.with_context(|| format!("no answer within {limit:?}"))?.context("ask Kafka")?;
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(version))?;
        ensure!(header.correlation_id == self.calls, "an answer to another question");
        R::Response::decode(&mut answer, version)
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}
