use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use hop::http::Exchange;
use hop::upstream::Failure;
use hop::{Telemetry, trace};
use journey::{Direction, Event as Seen};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, MetadataResponse, ProduceRequest, ProduceResponse, ResponseHeader,
};
use kafka_protocol::protocol::{
    Decodable as _, Encodable, HeaderVersion, StrBytes, decode_request_header_from_buffer,
};
use kafka_protocol::records::RecordBatchDecoder;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Producer, Published};
use crate::{Record, Topic};

fn record() -> Record {
    Record::new("CART-alice", "{}", 7).header("traceparent", "00-1")
}

async fn publish(producer: &Producer) -> Result<Published, Failure> {
    producer.publish(trace::new_span_id(), &[record()]).await
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind a port");
    let address = listener.local_addr().expect("the port's address");
    (listener, address)
}

/// What a scripted broker responds.
#[derive(Clone)]
struct Script {
    /// Produce versions it says it knows.
    produce: (i16, i16),
    /// The error of each Metadata response; 0 when they run out.
    metadata: Vec<i16>,
    /// The error of each Produce response; 0 when they run out.
    stored: Vec<i16>,
    /// The address it says it has, when not its own.
    advertised: Option<(&'static str, i32)>,
}

impl Default for Script {
    fn default() -> Self {
        Script { produce: (0, 12), metadata: vec![], stored: vec![], advertised: None }
    }
}

/// What it received: the API and its version, and the records of the last Produce.
#[derive(Default)]
struct Received {
    calls: Vec<(ApiKey, i16)>,
    records: Bytes,
}

async fn broker(script: Script) -> (SocketAddr, Arc<Mutex<Received>>) {
    let (listener, address) = listener().await;
    let received = Arc::new(Mutex::new(Received::default()));
    tokio::spawn(serve(listener, script, Arc::clone(&received)));
    (address, received)
}

async fn serve(listener: TcpListener, mut script: Script, received: Arc<Mutex<Received>>) {
    let address = listener.local_addr().expect("an address");
    let (mut stream, _) = listener.accept().await.expect("accept");
    loop {
        let Ok(length) = stream.read_u32().await else { return };
        let mut frame = vec![0; length as usize];
        stream.read_exact(&mut frame).await.expect("a whole frame");
        let mut frame = Bytes::from(frame);
        let header = decode_request_header_from_buffer(&mut frame).expect("a header");
        let api = ApiKey::try_from(header.request_api_key).expect("a known API");
        let version = header.request_api_version;
        received.lock().calls.push((api, version));
        let response = match api {
            ApiKey::ApiVersions => {
                let range = |api: ApiKey, (min, max)| {
                    ApiVersion::default().with_api_key(api as i16).with_min_version(min).with_max_version(max)
                };
                let known = vec![range(ApiKey::Produce, script.produce), range(ApiKey::Metadata, (0, 12))];
                encoded(header.correlation_id, &ApiVersionsResponse::default().with_api_keys(known), version)
            }
            ApiKey::Metadata => {
                let error = if script.metadata.is_empty() { 0 } else { script.metadata.remove(0) };
                let (host, port) = script.advertised.unwrap_or(("127.0.0.1", i32::from(address.port())));
                let leads = MetadataResponsePartition::default().with_leader_id(BrokerId(7));
                let topic = MetadataResponseTopic::default()
                    .with_error_code(error)
                    .with_name(Some(StrBytes::from_static_str("cart-events").into()))
                    .with_partitions(if error == 0 { vec![leads] } else { vec![] });
                let node = MetadataResponseBroker::default()
                    .with_node_id(BrokerId(7))
                    .with_host(StrBytes::from_static_str(host))
                    .with_port(port);
                let response = MetadataResponse::default().with_brokers(vec![node]).with_topics(vec![topic]);
                encoded(header.correlation_id, &response, version)
            }
            _ => {
                let request = ProduceRequest::decode(&mut frame, version).expect("a Produce request");
                assert_eq!(request.acks, -1);
                let records = request.topic_data[0].partition_data[0].records.clone();
                received.lock().records = records.expect("records");
                let error = if script.stored.is_empty() { 0 } else { script.stored.remove(0) };
                let stored = PartitionProduceResponse::default().with_error_code(error).with_base_offset(41);
                let topic = TopicProduceResponse::default().with_partition_responses(vec![stored]);
                encoded(
                    header.correlation_id,
                    &ProduceResponse::default().with_responses(vec![topic]),
                    version,
                )
            }
        };
        stream.write_all(&response).await.expect("write");
    }
}

fn encoded<T: Encodable + HeaderVersion>(call: i32, body: &T, version: i16) -> BytesMut {
    let mut response = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(call);
    header.encode(&mut response, T::header_version(version)).expect("a header");
    body.encode(&mut response, version).expect("a body");
    let mut frame = BytesMut::new();
    frame.put_u32(u32::try_from(response.len()).expect("small"));
    frame.put(response);
    frame
}

fn producer(bootstrap: SocketAddr) -> Producer {
    let topic = Topic { bootstrap, name: "cart-events".to_owned() };
    Producer::new(topic, "cart-test", 1, Duration::from_secs(5))
}

const GET_VERSIONS: (ApiKey, i16) = (ApiKey::ApiVersions, 0);
const GET_METADATA: (ApiKey, i16) = (ApiKey::Metadata, 9);

#[tokio::test]
async fn the_first_event_learns_the_way_and_the_second_knows_it() {
    let (address, received) = broker(Script::default()).await;
    let producer = producer(address);
    let telemetry = Telemetry::memory("cart");
    let exchange = Exchange::for_tests(&telemetry);
    let span_id = trace::new_span_id();
    let records = [record()];
    let publishing = exchange.clone().scope(producer.publish(span_id, &records));
    let published = publishing.await.expect("stored");
    assert_eq!((published.partition, published.offset), (0, 41));
    let spans = telemetry.take();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["connect", "ApiVersions", "Metadata", "send cart-events"]);
    assert_eq!((spans[3].span_id, spans[3].kind), (span_id, journey::Kind::Producer));
    let records = &mut received.lock().records.clone();
    let set = RecordBatchDecoder::decode(records).expect("decodes");
    let header = set.records[0].headers.get("traceparent".as_bytes()).expect("a traceparent").clone();
    let sent = String::from_utf8(header.expect("a value").to_vec()).expect("text");
    assert_eq!(sent, "00-1");
    let at = |span: usize, direction, event| spans[span].stamp(direction, event).expect("a stamp").offset;
    assert!(at(2, Direction::Request, Seen::Tx) < at(3, Direction::Request, Seen::Tx));
    assert!(at(2, Direction::Response, Seen::Wake) < at(3, Direction::Response, Seen::Wake));

    exchange.scope(publish(&producer)).await.expect("stored");
    assert_eq!(telemetry.take().len(), 1, "the connection and the way are known");
    let produce = (ApiKey::Produce, 9);
    assert_eq!(received.lock().calls, [GET_VERSIONS, GET_METADATA, produce, produce]);
}

#[tokio::test]
async fn an_old_broker_is_spoken_to_in_its_version_and_a_strange_one_not_at_all() {
    let (address, received) = broker(Script { produce: (0, 3), ..Script::default() }).await;
    publish(&producer(address)).await.expect("stored");
    assert_eq!(received.lock().calls.last(), Some(&(ApiKey::Produce, 3)));
    let (address, _) = broker(Script { produce: (10, 12), ..Script::default() }).await;
    let failure = publish(&producer(address)).await.expect_err("no common version");
    assert!(failure.to_string().contains("Produce"), "{failure}");
}

#[tokio::test]
async fn what_was_not_stored_is_sent_again_and_what_may_be_is_not() {
    let not_leader = 6;
    let (address, received) = broker(Script { stored: vec![not_leader], ..Script::default() }).await;
    publish(&producer(address)).await.expect("stored the second time");
    let produce = (ApiKey::Produce, 9);
    let expected = [GET_VERSIONS, GET_METADATA, produce, GET_METADATA, produce];
    assert_eq!(received.lock().calls, expected);

    let timed_out_among_replicas = 7;
    let (address, received) =
        broker(Script { stored: vec![timed_out_among_replicas], ..Script::default() }).await;
    let failure = publish(&producer(address)).await.expect_err("in doubt");
    assert!(!failure.had_no_effect(), "{failure:?}");
    assert_eq!(received.lock().calls, [GET_VERSIONS, GET_METADATA, produce]);
}

#[tokio::test]
async fn a_new_topic_gets_its_leader_a_moment_later() {
    let (address, received) = broker(Script { metadata: vec![3, 5, 5], ..Script::default() }).await;
    publish(&producer(address)).await.expect("stored");
    let calls = &received.lock().calls;
    assert_eq!(calls.iter().filter(|call| **call == GET_METADATA).count(), 4);
}

#[tokio::test]
async fn a_broker_cannot_send_us_off_this_machine() {
    for advertised in [("192.0.2.1", 9092), ("kafka.example", 9092), ("127.0.0.1", 70_000)] {
        let (address, _) = broker(Script { advertised: Some(advertised), ..Script::default() }).await;
        let failure = publish(&producer(address)).await.expect_err("refused");
        assert!(matches!(failure, Failure::Refused { .. }), "{failure:?}");
        assert!(failure.to_string().contains("advertised.listeners"), "{failure}");
    }
}

#[tokio::test]
async fn nobody_there_had_no_effect() {
    let (listener, address) = listener().await;
    drop(listener);
    let failure = publish(&producer(address)).await.expect_err("nobody there");
    assert!(matches!(failure, Failure::Connect { .. }) && failure.had_no_effect(), "{failure:?}");
}
