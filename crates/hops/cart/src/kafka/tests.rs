use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use hop::trace;
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
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::partition::{choose, murmur2};
use super::{Kafka, Published};
use crate::auth::Customer;
use crate::config::KafkaUrl;
use crate::event::Event;
use crate::item::ProductId;
use crate::outbox::Outgoing;
use crate::testing::{exchange, listener, run};
use crate::wire::Failure;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn event() -> Outgoing {
    let customer = Customer::parse("alice").expect("a name");
    let event = Event::now("item-added", &customer, &ProductId::parse("PROD-1").expect("a product"), 2);
    Outgoing::new(event, TRACEPARENT.parse().expect("valid"))
}

async fn publish(kafka: &Kafka, exchange: &hop::http::Exchange) -> Result<Published, Failure> {
    kafka.publish(exchange, trace::new_span_id(), &[&event()]).await
}

#[test]
fn keys_are_hashed_as_the_java_client_does() {
    // The vectors of Kafka's own UtilsTest.
    for (key, hash) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
    }
    assert_eq!(choose(b"21", 3), (-973_932_308_i32 & 0x7fff_ffff) as usize % 3);
    assert_eq!(choose(b"anything", 1), 0);
    assert_eq!(choose(b"anything", 0), 0);
}

#[test]
fn a_batch_holds_the_event_and_says_what_caused_it() {
    let (outgoing, next) = (event(), event());
    let event = &outgoing.event;
    let mut batch = super::batch::encode(&[&outgoing, &next]).expect("encodes");
    // The decoder checks length and checksum.
    let set = RecordBatchDecoder::decode(&mut batch).expect("decodes");
    assert!(batch.is_empty() && set.version == 2);
    let [record, second] = &set.records[..] else { panic!("two records, not {}", set.records.len()) };
    assert_eq!((record.offset, second.offset), (0, 1));
    assert_eq!(second.value.as_deref(), Some(next.fields().0.as_bytes()));
    assert_eq!(record.key.as_deref(), Some(&b"CART-alice"[..]));
    let value: serde_json::Value =
        serde_json::from_slice(record.value.as_ref().expect("a value")).expect("JSON");
    assert_eq!(
        value,
        serde_json::json!({"type": "item-added", "eventId": event.event_id, "cartId": "CART-alice",
            "itemId": "ITEM-1", "productId": "PROD-1", "quantity": 2, "at": event.at})
    );
    let headers: Vec<_> = record
        .headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_deref().unwrap_or_default()))
        })
        .collect();
    let expected = [
        ("type".to_owned(), "item-added".into()),
        ("content-type".to_owned(), "application/json".into()),
        ("traceparent".to_owned(), TRACEPARENT.into()),
    ];
    assert_eq!(headers, expected);
}

/// What a scripted broker answers.
#[derive(Clone)]
struct Script {
    /// Produce versions it says it knows.
    produce: (i16, i16),
    /// The error of each Metadata answer; 0 when they run out.
    metadata: Vec<i16>,
    /// The error of each Produce answer; 0 when they run out.
    stored: Vec<i16>,
    /// The address it says it has, when not its own.
    advertised: Option<(&'static str, i32)>,
}

impl Default for Script {
    fn default() -> Self {
        Script { produce: (0, 12), metadata: vec![], stored: vec![], advertised: None }
    }
}

/// What it was asked: the API and its version, and the records of the last Produce.
#[derive(Default)]
struct Asked {
    calls: Vec<(ApiKey, i16)>,
    records: Bytes,
}

async fn broker(script: Script) -> (SocketAddr, Arc<Mutex<Asked>>) {
    let (listener, address) = listener().await;
    let asked = Arc::new(Mutex::new(Asked::default()));
    tokio::spawn(serve(listener, script, Arc::clone(&asked)));
    (address, asked)
}

async fn serve(listener: TcpListener, mut script: Script, asked: Arc<Mutex<Asked>>) {
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
        asked.lock().expect("no panic").calls.push((api, version));
        let answer = match api {
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
                let answer = MetadataResponse::default().with_brokers(vec![node]).with_topics(vec![topic]);
                encoded(header.correlation_id, &answer, version)
            }
            _ => {
                let request = ProduceRequest::decode(&mut frame, version).expect("a Produce request");
                assert_eq!(request.acks, -1);
                let records = request.topic_data[0].partition_data[0].records.clone();
                asked.lock().expect("no panic").records = records.expect("records");
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
        stream.write_all(&answer).await.expect("write");
    }
}

fn encoded<T: Encodable + HeaderVersion>(call: i32, body: &T, version: i16) -> BytesMut {
    let mut answer = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(call);
    header.encode(&mut answer, T::header_version(version)).expect("a header");
    body.encode(&mut answer, version).expect("a body");
    let mut frame = BytesMut::new();
    frame.put_u32(u32::try_from(answer.len()).expect("small"));
    frame.put(answer);
    frame
}

fn producer(bootstrap: SocketAddr) -> Kafka {
    let url = KafkaUrl { bootstrap, topic: "cart-events".to_owned() };
    Kafka::new(url, "cart-test", 1, Duration::from_secs(5))
}

const ASK_VERSIONS: (ApiKey, i16) = (ApiKey::ApiVersions, 0);
const ASK_METADATA: (ApiKey, i16) = (ApiKey::Metadata, 9);

#[test]
fn the_first_event_learns_the_way_and_the_second_knows_it() {
    run(async {
        let (address, asked) = broker(Script::default()).await;
        let kafka = producer(address);
        let (exchange, telemetry) = exchange();
        let span_id = trace::new_span_id();
        let published = kafka.publish(&exchange, span_id, &[&event()]).await.expect("stored");
        assert_eq!((published.partition, published.offset), (0, 41));
        let spans = telemetry.take();
        let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
        assert_eq!(names, ["connect", "ApiVersions", "Metadata", "send cart-events"]);
        assert_eq!(spans[3].span_id, span_id);
        let records = &mut asked.lock().expect("no panic").records.clone();
        let set = RecordBatchDecoder::decode(records).expect("decodes");
        let header = set.records[0].headers.get("traceparent".as_bytes()).expect("a traceparent").clone();
        let sent = String::from_utf8(header.expect("a value").to_vec()).expect("text");
        assert_eq!(sent, TRACEPARENT);
        let at = |span: usize, direction, event| spans[span].stamp(direction, event).expect("a stamp").offset;
        assert!(at(2, Direction::Request, Seen::Tx) < at(3, Direction::Request, Seen::Tx));
        assert!(at(2, Direction::Response, Seen::Wake) < at(3, Direction::Response, Seen::Wake));

        publish(&kafka, &exchange).await.expect("stored");
        assert_eq!(telemetry.take().len(), 1, "the connection and the way are known");
        let produce = (ApiKey::Produce, 9);
        assert_eq!(asked.lock().expect("no panic").calls, [ASK_VERSIONS, ASK_METADATA, produce, produce]);
    });
}

#[test]
fn an_old_broker_is_spoken_to_in_its_version_and_a_strange_one_not_at_all() {
    run(async {
        let (exchange, _) = exchange();
        let (address, asked) = broker(Script { produce: (0, 3), ..Script::default() }).await;
        publish(&producer(address), &exchange).await.expect("stored");
        assert_eq!(asked.lock().expect("no panic").calls.last(), Some(&(ApiKey::Produce, 3)));
        let (address, _) = broker(Script { produce: (10, 12), ..Script::default() }).await;
        let failure = publish(&producer(address), &exchange).await.expect_err("no common version");
        assert!(failure.to_string().contains("Produce"), "{failure}");
    });
}

#[test]
fn what_was_not_stored_is_sent_again_and_what_may_be_is_not() {
    run(async {
        let (exchange, _) = exchange();
        let not_leader = 6;
        let (address, asked) = broker(Script { stored: vec![not_leader], ..Script::default() }).await;
        publish(&producer(address), &exchange).await.expect("stored the second time");
        let produce = (ApiKey::Produce, 9);
        let expected = [ASK_VERSIONS, ASK_METADATA, produce, ASK_METADATA, produce];
        assert_eq!(asked.lock().expect("no panic").calls, expected);

        let timed_out_among_replicas = 7;
        let (address, asked) =
            broker(Script { stored: vec![timed_out_among_replicas], ..Script::default() }).await;
        let failure = publish(&producer(address), &exchange).await.expect_err("in doubt");
        assert!(!failure.had_no_effect(), "{failure:?}");
        assert_eq!(asked.lock().expect("no panic").calls, [ASK_VERSIONS, ASK_METADATA, produce]);
    });
}

#[test]
fn a_new_topic_gets_its_leader_a_moment_later() {
    run(async {
        let (exchange, _) = exchange();
        let (address, asked) = broker(Script { metadata: vec![3, 5, 5], ..Script::default() }).await;
        publish(&producer(address), &exchange).await.expect("stored");
        let calls = &asked.lock().expect("no panic").calls;
        assert_eq!(calls.iter().filter(|call| **call == ASK_METADATA).count(), 4);
    });
}

#[test]
fn a_broker_cannot_send_us_off_this_machine() {
    run(async {
        let (exchange, _) = exchange();
        for advertised in [("192.0.2.1", 9092), ("kafka.example", 9092), ("127.0.0.1", 70_000)] {
            let (address, _) = broker(Script { advertised: Some(advertised), ..Script::default() }).await;
            let failure = publish(&producer(address), &exchange).await.expect_err("refused");
            assert!(matches!(failure, Failure::Refused { .. }), "{failure:?}");
            assert!(failure.to_string().contains("advertised.listeners"), "{failure}");
        }
    });
}

#[test]
fn nobody_there_had_no_effect() {
    run(async {
        let (listener, address) = listener().await;
        drop(listener);
        let (exchange, _) = exchange();
        let failure = publish(&producer(address), &exchange).await.expect_err("nobody there");
        assert!(matches!(failure, Failure::Connect { .. }) && failure.had_no_effect(), "{failure:?}");
    });
}
