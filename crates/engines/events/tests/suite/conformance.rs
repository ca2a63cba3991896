//! One suite, any engine: the lab's event log and a real Apache Kafka must answer alike.
//!
//! The suite knows an address and nothing else. `KAFKA_ADDRESS=127.0.0.1:9092 cargo test -p events --test suite
//! any_address` runs it on whatever listens there. What is asked: with `kcat`, as users do; and in
//! frames of our own, where a client would hide what was answered.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, FetchResponse, InitProducerIdRequest, InitProducerIdResponse,
    ListOffsetsResponse, MetadataRequest, MetadataResponse, ProduceResponse,
};

use rskafka::chrono::DateTime;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, OffsetAt, UnknownTopicHandling};
use rskafka::record::Record;

use events::testing::{Sent, batch};

use crate::client::{Client, fetch, fetched, list_offsets, name, produce, produced};
use crate::engines::{Engine, did_not_run};
use crate::kcat::kcat;
use crate::process::{Events, LIMIT};

#[tokio::test]
async fn on_events() {
    let data = tempfile::tempdir().expect("a folder");
    let events = Events::start(data.path(), &[]);
    suite(events.address).await;
}

#[tokio::test]
async fn on_apache_kafka() {
    match Engine::kafka(&crate::workspace()).await {
        Ok(kafka) => suite(kafka.address()).await,
        Err(why) => did_not_run("the suite on Apache Kafka", &why),
    }
}

#[tokio::test]
async fn on_any_address() {
    if let Ok(address) = std::env::var("KAFKA_ADDRESS") {
        suite(address.parse().expect("KAFKA_ADDRESS is IP:PORT")).await;
    }
}

async fn suite(address: SocketAddr) {
    every_codec_passes_through_kcat(address).await;
    keys_stay_together_and_in_order(address).await;
    a_client_in_pure_rust_is_served(address).await;
    every_version_produces_and_fetches(address).await;
    offsets_are_listed(address).await;
    repetitions_are_kept_once_and_gaps_refused(address).await;
    what_is_wrong_is_refused_by_name(address).await;
    a_waiting_fetch_is_woken(address).await;
    without_acks_there_is_no_answer(address).await;
}

/// Makes a topic of three partitions and waits until it can be used.
async fn topic(address: SocketAddr, topic: &'static str) -> Client {
    hop::wait::until("the topic", LIMIT, async || {
        let mut client = Client::connect(address).await.ok()?;
        let wanted = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(3)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_timeout_ms(10_000).with_topics(vec![wanted]);
        let _: CreateTopicsResponse = client.call(4, &request).await;
        let wanted = MetadataRequestTopic::default().with_name(Some(name(topic)));
        let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
        let known: MetadataResponse = client.call(9, &request).await;
        let partitions = &known.topics[0].partitions;
        let led = partitions.iter().filter(|p| p.error_code == 0 && p.leader_id.0 >= 0).count();
        // Kafka names a leader before that leader knows.
        for number in (led == 3).then_some(0..3)? {
            let answer: ListOffsetsResponse = client.call(7, &list_offsets(topic, number, -1)).await;
            (answer.topics[0].partitions[0].error_code == 0).then_some(())?;
        }
        Some(client)
    })
    .await
    .expect("a topic")
}

async fn every_codec_passes_through_kcat(address: SocketAddr) {
    topic(address, "codecs").await;
    assert!(kcat(address, &["-L", "-t", "codecs"], "").await.contains("\"codecs\" with 3 partitions"));
    let mut sent = Vec::new();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        for idempotent in ["false", "true"] {
            // Long enough to be worth compressing.
            let lines: Vec<String> =
                (0..20).map(|number| format!("{codec} {idempotent} {number} {}", "x".repeat(200))).collect();
            let setting = format!("enable.idempotence={idempotent}");
            let arguments = ["-P", "-t", "codecs", "-p", "0", "-z", codec, "-X", "acks=all", "-X", &setting];
            kcat(address, &arguments, &(lines.join("\n") + "\n")).await;
            sent.extend(lines);
        }
    }
    let read = kcat(address, &["-C", "-t", "codecs", "-p", "0", "-o", "beginning", "-e", "-q"], "").await;
    assert_eq!(read.lines().collect::<Vec<_>>(), sent);
    let end = kcat(address, &["-Q", "-t", "codecs:0:-1"], "").await;
    assert!(end.contains(&format!("offset {}", sent.len())), "{end}");
    let last = kcat(address, &["-C", "-t", "codecs", "-p", "0", "-o", "-1", "-e", "-q"], "").await;
    assert_eq!(Some(last.trim_end()), sent.last().map(String::as_str));
}

async fn keys_stay_together_and_in_order(address: SocketAddr) {
    topic(address, "keys").await;
    let lines: String = (0..60).map(|number| format!("CART-{}:{number}\n", number % 6)).collect();
    kcat(address, &["-P", "-t", "keys", "-K", ":", "-H", "traceparent=00-1-2-01"], &lines).await;
    let read =
        kcat(address, &["-C", "-t", "keys", "-o", "beginning", "-e", "-q", "-f", "%k %p %s %h\\n"], "").await;
    let mut last = std::collections::HashMap::new();
    for line in read.lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        let [key, partition, value, headers] = parts[..] else { panic!("{line:?}") };
        let value: u32 = value.parse().expect("a number");
        if let Some((at, before)) = last.insert(key, (partition, value)) {
            assert!(at == partition && before < value, "{key}: {before} in {at}, {value} in {partition}");
        }
        assert_eq!(headers, "traceparent=00-1-2-01");
    }
    assert_eq!((read.lines().count(), last.len()), (60, 6));
}

async fn a_client_in_pure_rust_is_served(address: SocketAddr) {
    let client = ClientBuilder::new(vec![address.to_string()]).build().await.expect("connect");
    let controller = client.controller_client().expect("a controller");
    controller.create_topic("rust", 1, 1, 10_000).await.expect("a topic");
    let partition =
        client.partition_client("rust", 0, UnknownTopicHandling::Retry).await.expect("a partition");
    for number in 0..3_i64 {
        let records = (0..2).map(|_| Record {
            key: Some(b"CART-1".to_vec()),
            value: Some(format!("item {number}").into_bytes()),
            headers: [("traceparent".to_owned(), b"00-1-2-01".to_vec())].into(),
            timestamp: DateTime::from_timestamp_millis(1_700_000_000_000 + number).expect("a time"),
        });
        let offsets =
            partition.produce(records.collect(), Compression::NoCompression).await.expect("produce");
        assert_eq!(offsets, [2 * number, 2 * number + 1]);
    }
    let (records, end) = partition.fetch_records(1, 1..1_000_000, 1_000).await.expect("fetch");
    assert_eq!((records.len(), end), (5, 6));
    let first = &records[0];
    assert_eq!((first.offset, first.record.value.as_deref()), (1, Some(&b"item 0"[..])));
    assert_eq!(first.record.headers["traceparent"], b"00-1-2-01");
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await.expect("an offset"), 0);
    assert_eq!(partition.get_offset(OffsetAt::Latest).await.expect("an offset"), 6);
}

async fn every_version_produces_and_fetches(address: SocketAddr) {
    let mut client = topic(address, "versions").await;
    for version in 3..=9 {
        let response: ProduceResponse =
            client.call(version, &produce("versions", 0, batch(&["a", "b"]), -1)).await;
        assert_eq!(produced(&response), (0, 2 * (i64::from(version) - 3)), "version {version}");
    }
    for version in 4..=12 {
        let response: FetchResponse = client.call(version, &fetch("versions", 0, 2, 0)).await;
        let found = fetched(&response);
        assert_eq!((found.len(), &found[0]), (12, &(2, "a".to_owned())), "version {version}");
        assert_eq!(response.responses[0].partitions[0].high_watermark, 14);
    }
}

async fn offsets_are_listed(address: SocketAddr) {
    let mut client = topic(address, "listed").await;
    let now = i64::try_from(hop::clock::now() / 1_000_000).expect("fits");
    for later in [0, 1_000, 2_000] {
        let sent = Sent { timestamp: now + later, ..Sent::default() }.bytes();
        let response: ProduceResponse = client.call(9, &produce("listed", 0, sent, -1)).await;
        assert_eq!(produced(&response).0, 0);
    }
    for version in 1..=7 {
        for (timestamp, offset) in
            [(-2, 0), (-1, 3), (0, 0), (now + 1, 1), (now + 1_000, 1), (now + 9_000, -1)]
        {
            let response: ListOffsetsResponse =
                client.call(version, &list_offsets("listed", 0, timestamp)).await;
            let partition = &response.topics[0].partitions[0];
            let found = (partition.error_code, partition.offset);
            assert_eq!(found, (0, offset), "version {version}, {timestamp}");
        }
    }
}

async fn repetitions_are_kept_once_and_gaps_refused(address: SocketAddr) {
    let mut client = topic(address, "idempotent").await;
    let client = &mut client;
    // A broker that has just begun may not have its coordinator yet: clients ask again.
    let request =
        InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
    let mut id = None;
    for _ in 0..200 {
        let answer: InitProducerIdResponse = client.call(4, &request).await;
        if answer.error_code == 0 {
            id = Some(answer.producer_id.0);
            break;
        }
        assert!(!client.has_response(Duration::from_millis(50)).await, "nothing was asked");
    }
    let producer = id.expect("a producer id");
    let sent = |sequence| {
        let values = &["a", "b"][..];
        Sent { values, producer, epoch: 0, sequence, ..Sent::default() }.bytes()
    };
    let mut outcomes = Vec::new();
    for sequence in [0, 2, 0, 2, 9, 4] {
        let response: ProduceResponse = client.call(9, &produce("idempotent", 0, sent(sequence), -1)).await;
        outcomes.push(produced(&response));
    }
    let gap = ResponseError::OutOfOrderSequenceNumber.code();
    assert_eq!(outcomes, [(0, 0), (0, 2), (0, 0), (0, 2), (gap, -1), (0, 4)]);
    let response: FetchResponse = client.call(12, &fetch("idempotent", 0, 0, 0)).await;
    assert_eq!(fetched(&response).len(), 6);
}

async fn what_is_wrong_is_refused_by_name(address: SocketAddr) {
    let mut client = topic(address, "refused").await;
    let good = batch(&["v"]);
    let mut damaged = good.to_vec();
    damaged[66] ^= 1;
    for (bytes, code) in [
        (Bytes::from(damaged), ResponseError::CorruptMessage),
        (Bytes::from([&good[..], &good[..]].concat()), ResponseError::InvalidRecord),
        (batch(&["x".repeat(1_100_000).as_str()]), ResponseError::MessageTooLarge),
    ] {
        let response: ProduceResponse = client.call(9, &produce("refused", 0, bytes, -1)).await;
        assert_eq!(produced(&response), (code.code(), -1), "{code}");
    }
    let response: ProduceResponse = client.call(9, &produce("refused", 7, good.clone(), -1)).await;
    assert_eq!(produced(&response).0, ResponseError::UnknownTopicOrPartition.code());
    let response: ProduceResponse = client.call(9, &produce("refused", 0, good, 2)).await;
    assert_eq!(produced(&response).0, ResponseError::InvalidRequiredAcks.code());
    for offset in [1, 1_000] {
        let response: FetchResponse = client.call(12, &fetch("refused", 0, offset, 0)).await;
        let code = response.responses[0].partitions[0].error_code;
        assert_eq!(code, ResponseError::OffsetOutOfRange.code());
    }
    let response: FetchResponse = client.call(12, &fetch("unheard-of", 0, 0, 0)).await;
    let code = response.responses[0].partitions[0].error_code;
    assert_eq!(code, ResponseError::UnknownTopicOrPartition.code());
    client.send_raw(&[0xff; 64]).await;
    assert!(client.is_closed().await, "garbage closes its connection");
}

async fn a_waiting_fetch_is_woken(address: SocketAddr) {
    let mut reader = topic(address, "woken").await;
    let mut writer = Client::connect(address).await.expect("connect");
    reader.send(12, &fetch("woken", 0, 0, 120_000)).await;
    assert!(!reader.has_response(Duration::from_millis(50)).await);
    let response: ProduceResponse = writer.call(9, &produce("woken", 0, batch(&["news"]), -1)).await;
    assert_eq!(produced(&response), (0, 0));
    let response: FetchResponse = reader.receive(12).await;
    assert_eq!(fetched(&response), [(0, "news".to_owned())]);
}

async fn without_acks_there_is_no_answer(address: SocketAddr) {
    let mut client = topic(address, "quiet").await;
    client.send(9, &produce("quiet", 0, batch(&["quiet"]), 0)).await;
    let response: ProduceResponse = client.call(9, &produce("quiet", 0, batch(&["loud"]), -1)).await;
    assert_eq!(produced(&response), (0, 1));
}
