//! A server in this process and a client that is no more than frames.
#![allow(dead_code, unreachable_pub, reason = "the benchmark uses a part of it")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use clap::Parser as _;
use events::config::Settings;
use events::server;
use events::testing::records;
use hop::{CancellationToken, Hop, Telemetry};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Nothing in these tests takes this long unless it is broken.
const LIMIT: Duration = Duration::from_secs(20);

pub struct Server {
    pub address: SocketAddr,
    pub telemetry: Telemetry,
    data: TempDir,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    pub async fn start() -> Self {
        Self::on(tempfile::tempdir().expect("a folder"))
    }

    pub async fn with_topic(topic: &'static str) -> Self {
        let server = Self::start().await;
        let topic = MetadataRequestTopic::default().with_name(Some(name(topic)));
        let request = MetadataRequest::default().with_topics(Some(vec![topic]));
        let response: MetadataResponse = server.connect().await.call(9, &request).await;
        assert_eq!(response.topics[0].error_code, 0);
        server
    }

    fn on(data: TempDir) -> Self {
        let folder = data.path().to_str().expect("a path");
        let settings = Settings::parse_from(["events", "--listen", "127.0.0.1:0", "--data-dir", folder]);
        let listener = hop::listen::tcp(settings.listen).expect("listen");
        let address = listener.local_addr().expect("an address");
        let (telemetry, shutdown) = (Telemetry::memory("events"), CancellationToken::new());
        let hop = Hop::for_tests("events", telemetry.clone(), shutdown.clone());
        let task = tokio::spawn(server::run(listener, settings, hop));
        Server { address, telemetry, data, shutdown, task }
    }

    pub async fn connect(&self) -> Client {
        Client::connect(self.address).await.expect("connect")
    }

    /// Stops in order; what is returned completes when the server has ended.
    pub fn stop(self) -> impl Future<Output = TempDir> {
        self.shutdown.cancel();
        async move {
            self.task.await.expect("no panic").expect("a good end");
            self.data
        }
    }

    pub async fn restart(self) -> Self {
        Self::on(self.stop().await)
    }
}

pub struct Client {
    stream: TcpStream,
    correlation: i32,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, correlation: 0 })
    }

    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    /// A request as a frame, its length included.
    pub fn encode<R: Request>(version: i16, correlation: i32, request: &R) -> Bytes {
        let mut frame = BytesMut::from(&[0; 4][..]);
        RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(correlation)
            .with_client_id(Some(StrBytes::from_static_str("tests")))
            .encode(&mut frame, R::header_version(version))
            .expect("encode a header");
        request.encode(&mut frame, version).expect("encode a request");
        let length = u32::try_from(frame.len() - 4).expect("fits");
        frame[..4].copy_from_slice(&length.to_be_bytes());
        frame.freeze()
    }

    pub async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation += 1;
        self.send_raw(&Self::encode(version, self.correlation, request)).await;
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("send");
    }

    pub async fn call<R: Request, A: Decodable + HeaderVersion>(&mut self, version: i16, request: &R) -> A {
        self.send(version, request).await;
        self.receive(version).await
    }

    pub async fn receive<A: Decodable + HeaderVersion>(&mut self, version: i16) -> A {
        Self::decode(version, self.receive_frame().await)
    }

    /// An answer from its frame.
    pub fn decode<A: Decodable + HeaderVersion>(version: i16, frame: Bytes) -> A {
        let mut frame = frame.slice(4..);
        ResponseHeader::decode(&mut frame, A::header_version(version)).expect("decode a header");
        let answer = A::decode(&mut frame, version).expect("decode an answer");
        assert!(frame.is_empty(), "{} bytes are left behind the answer", frame.len());
        answer
    }

    /// The next answer, its length included.
    pub async fn receive_frame(&mut self) -> Bytes {
        self.try_receive_frame().await.expect("an answer")
    }

    /// The next answer, its length included, unless the server is gone.
    pub async fn try_receive_frame(&mut self) -> std::io::Result<Bytes> {
        let read = async {
            let length = self.stream.read_i32().await?;
            let mut frame = BytesMut::from(&length.to_be_bytes()[..]);
            frame.resize(4 + usize::try_from(length).expect("a length"), 0);
            self.stream.read_exact(&mut frame[4..]).await?;
            Ok(frame.freeze())
        };
        tokio::time::timeout(LIMIT, read).await.expect("an answer in time")
    }

    /// Whether anything arrives within this time.
    pub async fn has_response(&self, within: Duration) -> bool {
        tokio::time::timeout(within, self.stream.peek(&mut [0; 1])).await.is_ok()
    }

    /// Whether the server hangs up without a word.
    pub async fn is_closed(&mut self) -> bool {
        let read = tokio::time::timeout(LIMIT, self.stream.read(&mut [0; 1])).await.expect("an end in time");
        matches!(read, Ok(0) | Err(_))
    }
}

pub fn name(text: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(text))
}

pub fn produce(topic: &'static str, partition: i32, records: Bytes, acks: i16) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

pub fn fetch(topic: &'static str, partition: i32, offset: i64, wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(10 << 20)
        .with_topics(vec![topic])
}

/// What came back for the only partition of a produce request: error code and base offset.
pub fn produced(response: &ProduceResponse) -> (i16, i64) {
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

/// The records, with their offsets, that came back for the only partition of a fetch request.
pub fn fetched(response: &FetchResponse) -> Vec<(i64, String)> {
    let partition = &response.responses[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    records(partition.records.clone().unwrap_or_default())
}

pub fn list_offsets(topic: &'static str, partition: i32, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_topics(vec![topic])
}
