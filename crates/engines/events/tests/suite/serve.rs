//! The event log as its clients meet it: over a socket, in frames encoded by `kafka-protocol`.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest,
    InitProducerIdResponse, ListOffsetsResponse, MetadataRequest, MetadataResponse, ProduceResponse,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use events::testing::{Sent, batch};
use journey::semconv::attribute;

use crate::client::{Client, Server, fetch, fetched, list_offsets, name, produce, produced};

#[tokio::test]
async fn a_topic_is_created_by_asking_for_it() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let metadata = |may_create| {
        let topic = MetadataRequestTopic::default().with_name(Some(name("item-added")));
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(may_create)
    };
    let absent: MetadataResponse = client.call(9, &metadata(false)).await;
    assert_eq!(absent.topics[0].error_code, ResponseError::UnknownTopicOrPartition.code());
    for version in 0..=12 {
        let present: MetadataResponse = client.call(version, &metadata(true)).await;
        assert_eq!(present.topics[0].error_code, 0);
        assert_eq!(present.topics[0].partitions.len(), 3);
        assert_eq!(present.brokers[0].port, i32::from(server.address.port()));
    }
    let all: MetadataResponse = client.call(5, &MetadataRequest::default().with_topics(None)).await;
    assert_eq!(all.topics.len(), 1);
    let none: MetadataResponse = client.call(5, &MetadataRequest::default().with_topics(Some(vec![]))).await;
    assert_eq!(none.topics.len(), 0);
}

#[tokio::test]
async fn what_is_produced_is_fetched_in_every_version() {
    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    for version in 3..=9 {
        let response: ProduceResponse =
            client.call(version, &produce("item-added", 0, batch(&["v"]), -1)).await;
        assert_eq!(produced(&response), (0, i64::from(version) - 3));
    }
    for version in 4..=12 {
        let response: FetchResponse = client.call(version, &fetch("item-added", 0, 2, 0)).await;
        assert_eq!(fetched(&response).first(), Some(&(2, "v".to_owned())), "version {version}");
        assert_eq!(response.responses[0].partitions[0].high_watermark, 7);
    }
}

#[tokio::test]
async fn a_request_that_comes_with_the_end_is_answered() {
    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    let first: ProduceResponse = client.call(9, &produce("item-added", 0, batch(&["a"]), -1)).await;
    client.send(9, &produce("item-added", 0, batch(&["b"]), -1)).await;
    let stopped = server.stop();
    let last: ProduceResponse = client.receive(9).await;
    assert_eq!((produced(&first), produced(&last)), ((0, 0), (0, 1)));
    stopped.await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_restart() {
    let server = Server::with_topic("item-added").await;
    let sent =
        |sequence| Sent { values: &["a", "b"], producer: 77, epoch: 0, sequence, ..Sent::default() }.bytes();
    let mut client = server.connect().await;
    for (sequence, offset) in [(0, 0), (2, 2)] {
        let response: ProduceResponse = client.call(7, &produce("item-added", 1, sent(sequence), -1)).await;
        assert_eq!(produced(&response), (0, offset));
    }
    let server = server.restart().await;
    let mut client = server.connect().await;
    let response: FetchResponse = client.call(12, &fetch("item-added", 1, 0, 0)).await;
    assert_eq!(fetched(&response).len(), 4);
    // The same again is not appended again; a gap is refused.
    let again: ProduceResponse = client.call(7, &produce("item-added", 1, sent(2), -1)).await;
    assert_eq!(produced(&again), (0, 2));
    let gap: ProduceResponse = client.call(7, &produce("item-added", 1, sent(9), -1)).await;
    assert_eq!(produced(&gap), (ResponseError::OutOfOrderSequenceNumber.code(), -1));
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_an_append() {
    let server = Server::with_topic("item-added").await;
    let mut reader = server.connect().await;
    let mut writer = server.connect().await;
    // Far longer than the test may take: only the append can end the wait.
    reader.send(12, &fetch("item-added", 0, 0, 120_000)).await;
    let response: ProduceResponse = writer.call(9, &produce("item-added", 2, batch(&["elsewhere"]), 1)).await;
    assert_eq!(produced(&response), (0, 0));
    assert!(!reader.has_response(Duration::from_millis(50)).await, "another partition is not awaited");
    let response: ProduceResponse = writer.call(9, &produce("item-added", 0, batch(&["news"]), 1)).await;
    assert_eq!(produced(&response), (0, 0));
    let response: FetchResponse = reader.receive(12).await;
    assert_eq!(fetched(&response), [(0, "news".to_owned())]);
}

#[tokio::test]
async fn a_waiting_fetch_is_answered_empty_when_its_time_is_up() {
    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    let begun = hop::clock::monotonic();
    let response: FetchResponse = client.call(12, &fetch("item-added", 0, 0, 80)).await;
    assert!(hop::clock::since(begun) >= Duration::from_millis(80));
    assert_eq!(fetched(&response), []);
}

#[tokio::test]
async fn fetch_says_what_it_cannot_find() {
    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    // Errors are answered at once, however long the client would wait.
    for (request, code) in [
        (fetch("item-added", 0, 1, 120_000), ResponseError::OffsetOutOfRange),
        (fetch("item-added", 0, -1, 120_000), ResponseError::OffsetOutOfRange),
        (fetch("item-added", 3, 0, 120_000), ResponseError::UnknownTopicOrPartition),
        (fetch("unheard-of", 0, 0, 120_000), ResponseError::UnknownTopicOrPartition),
    ] {
        let response: FetchResponse = client.call(12, &request).await;
        assert_eq!(response.responses[0].partitions[0].error_code, code.code());
    }
    let session: FetchResponse = client.call(12, &fetch("item-added", 0, 0, 0).with_session_id(5)).await;
    assert_eq!(session.error_code, ResponseError::FetchSessionIdNotFound.code());
}

#[tokio::test]
async fn offsets_are_listed_by_end_and_by_time() {
    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    for timestamp in [1_000, 2_000, 3_000] {
        let sent = Sent { timestamp, ..Sent::default() }.bytes();
        let _: ProduceResponse = client.call(9, &produce("item-added", 0, sent, -1)).await;
    }
    for version in 1..=7 {
        for (timestamp, offset) in [(-2, 0), (-1, 3), (0, 0), (1_001, 1), (2_000, 1), (2_001, 2), (9_000, -1)]
        {
            let response: ListOffsetsResponse =
                client.call(version, &list_offsets("item-added", 0, timestamp)).await;
            let partition = &response.topics[0].partitions[0];
            assert_eq!(
                (partition.error_code, partition.offset),
                (0, offset),
                "version {version}, {timestamp}"
            );
        }
    }
    let newest: ListOffsetsResponse = client.call(7, &list_offsets("item-added", 0, -3)).await;
    assert_eq!((newest.topics[0].partitions[0].offset, newest.topics[0].partitions[0].timestamp), (2, 3_000));
}

#[tokio::test]
async fn without_acks_there_is_no_answer_but_a_record() {
    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    client.send(9, &produce("item-added", 0, batch(&["quiet"]), 0)).await;
    // The next answer belongs to the next question.
    let response: ProduceResponse = client.call(9, &produce("item-added", 0, batch(&["loud"]), 1)).await;
    assert_eq!(produced(&response), (0, 1));
    let response: FetchResponse = client.call(12, &fetch("item-added", 0, 0, 0)).await;
    assert_eq!(fetched(&response), [(0, "quiet".to_owned()), (1, "loud".to_owned())]);
}

#[tokio::test]
async fn requests_sent_together_are_answered_in_order() {
    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    // More than may be under way at once: the rest waits its turn.
    for _ in 0..100 {
        client.send(9, &produce("item-added", 0, batch(&["v"]), -1)).await;
    }
    for offset in 0..100 {
        let response: ProduceResponse = client.receive(9).await;
        assert_eq!(produced(&response), (0, offset));
    }
}

#[tokio::test]
async fn bad_batches_are_refused_by_name_and_the_connection_goes_on() {
    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    let good = batch(&["v"]);
    let mut damaged = good.to_vec();
    damaged[66] ^= 1;
    for (bytes, code) in [
        (Bytes::new(), ResponseError::CorruptMessage),
        (Bytes::from_static(b"no batch at all"), ResponseError::CorruptMessage),
        (good.slice(..good.len() - 1), ResponseError::CorruptMessage),
        (damaged.into(), ResponseError::CorruptMessage),
        ([&good[..], &good[..]].concat().into(), ResponseError::InvalidRecord),
        (batch(&["x".repeat(1_100_000).as_str()]), ResponseError::MessageTooLarge),
    ] {
        let response: ProduceResponse = client.call(9, &produce("item-added", 0, bytes, -1)).await;
        assert_eq!(produced(&response), (code.code(), -1));
        assert!(response.responses[0].partition_responses[0].error_message.is_some());
    }
    let response: ProduceResponse = client.call(9, &produce("item-added", 0, good.clone(), 2)).await;
    assert_eq!(produced(&response).0, ResponseError::InvalidRequiredAcks.code());
    let response: ProduceResponse = client.call(9, &produce("unheard-of", 0, good.clone(), -1)).await;
    assert_eq!(produced(&response).0, ResponseError::UnknownTopicOrPartition.code());
    let response: ProduceResponse = client.call(9, &produce("item-added", 0, good, -1)).await;
    assert_eq!(produced(&response), (0, 0));
}

#[tokio::test]
async fn a_large_batch_passes_and_comes_back_whole() {
    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    let value = "x".repeat(900_000);
    let sent = batch(&[value.as_str()]);
    for offset in 0..3 {
        let response: ProduceResponse = client.call(9, &produce("item-added", 0, sent.clone(), -1)).await;
        assert_eq!(produced(&response), (0, offset));
    }
    let mut request = fetch("item-added", 0, 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 10;
    let response: FetchResponse = client.call(12, &request).await;
    assert_eq!(fetched(&response), [(0, value)], "longer than asked for, but otherwise never");
}

#[tokio::test]
async fn topics_are_created_on_request_or_refused_with_a_reason() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let topic = |text, partitions, replicas| {
        CreatableTopic::default()
            .with_name(name(text))
            .with_num_partitions(partitions)
            .with_replication_factor(replicas)
    };
    let topics = vec![
        topic("five", 5, 1),
        topic("default", -1, -1),
        topic("a/b", 1, 1),
        topic("many", 9999, 1),
        topic("copies", 1, 3),
    ];
    let request = CreateTopicsRequest::default().with_topics(topics);
    let expected = [
        0,
        0,
        ResponseError::InvalidTopicException.code(),
        ResponseError::InvalidPartitions.code(),
        ResponseError::InvalidReplicationFactor.code(),
    ];
    let response: CreateTopicsResponse = client.call(2, &request).await;
    assert_eq!(response.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), expected);
    for version in 3..=7 {
        let again: CreateTopicsResponse = client.call(version, &request).await;
        assert_eq!(again.topics[0].error_code, ResponseError::TopicAlreadyExists.code());
        assert!(again.topics[0].error_message.is_some());
    }
}

#[tokio::test]
async fn groups_and_transactions_are_declined_for_good_and_the_remedy_is_named() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let key = StrBytes::from_static_str("key");
    for (kind, error, remedy) in [
        (0, ResponseError::InvalidRequest, "assign partitions instead of subscribing, or use Apache Kafka"),
        (1, ResponseError::ClusterAuthorizationFailed, "without a transactional id, or use Apache Kafka"),
        (2, ResponseError::InvalidRequest, "use Apache Kafka"),
    ] {
        assert!(!error.is_retriable(), "{error:?} means: not yet");
        for version in 0..=3 {
            // Version 0 knows only groups.
            let kind_field = if version == 0 { 0 } else { kind };
            let request = FindCoordinatorRequest::default().with_key(key.clone()).with_key_type(kind_field);
            let response: FindCoordinatorResponse = client.call(version, &request).await;
            if version > 0 {
                assert_eq!(response.error_code, error.code());
                assert!(response.error_message.is_some_and(|text| text.contains(remedy)));
            }
        }
        let request =
            FindCoordinatorRequest::default().with_key_type(kind).with_coordinator_keys(vec![key.clone()]);
        let response: FindCoordinatorResponse = client.call(4, &request).await;
        assert_eq!(response.coordinators[0].error_code, error.code());
        let text = response.coordinators[0].error_message.clone();
        assert!(text.is_some_and(|text| text.contains(remedy)));
    }
    let mut given = std::collections::HashSet::new();
    for version in 0..=4 {
        let response: InitProducerIdResponse =
            client.call(version, &InitProducerIdRequest::default().with_transactional_id(None)).await;
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        assert!(given.insert(response.producer_id));
    }
    let id = TransactionalId(StrBytes::from_static_str("id"));
    let request = InitProducerIdRequest::default().with_transactional_id(Some(id));
    let response: InitProducerIdResponse = client.call(4, &request).await;
    assert_eq!(response.error_code, ResponseError::ClusterAuthorizationFailed.code());
}

#[tokio::test]
async fn a_client_from_the_future_is_told_what_there_is() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for version in 0..=3 {
        let response: ApiVersionsResponse = client.call(version, &ApiVersionsRequest::default()).await;
        assert_eq!((response.error_code, response.api_keys.len()), (0, 8));
        let produce = response.api_keys.iter().find(|api| api.api_key == ApiKey::Produce as i16);
        assert_eq!(produce.map(|api| (api.min_version, api.max_version)), Some((0, 9)));
    }
    client.send(4, &ApiVersionsRequest::default()).await;
    let response: ApiVersionsResponse = client.receive(0).await;
    assert_eq!(response.error_code, ResponseError::UnsupportedVersion.code());
    assert!(!response.api_keys.is_empty());
}

#[tokio::test]
async fn garbage_closes_its_connection_and_no_other() {
    let server = Server::with_topic("item-added").await;
    let mut witness = server.connect().await;
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 64],
        &[0, 0, 0, 0],
        &[0, 0, 0, 3, 0, 18, 0],
        // Metadata version 1 that promises two billion topics.
        &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff],
        // Heartbeat, which is not served.
        &[0, 0, 0, 10, 0, 12, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
    ];
    for bytes in garbage {
        let mut client = server.connect().await;
        client.send_raw(bytes).await;
        assert!(client.is_closed().await, "{bytes:?}");
    }
    let response: ProduceResponse = witness.call(9, &produce("item-added", 0, batch(&["v"]), -1)).await;
    assert_eq!(produced(&response), (0, 0));
}

#[tokio::test]
async fn a_request_may_arrive_byte_by_byte() {
    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    for byte in Client::encode(9, 1, &produce("item-added", 0, batch(&["slow"]), -1)) {
        client.send_raw(&[byte]).await;
    }
    let response: ProduceResponse = client.receive(9).await;
    assert_eq!(produced(&response), (0, 0));
}

#[tokio::test]
async fn stopping_answers_what_waits() {
    let server = Server::with_topic("item-added").await;
    let mut reader = server.connect().await;
    reader.send(12, &fetch("item-added", 0, 0, 120_000)).await;
    assert!(!reader.has_response(Duration::from_millis(50)).await);
    let stopped = server.stop();
    let response: FetchResponse = reader.receive(12).await;
    assert_eq!(fetched(&response), []);
    stopped.await;
}

#[tokio::test]
async fn a_request_says_what_its_time_was_spent_on() {
    use journey::{Direction, Event, Kind};

    let server = Server::with_topic("item-added").await;
    let mut client = server.connect().await;
    server.telemetry.take();
    // Two requests in one write, so that the server reads them together.
    let first = Client::encode(9, 1, &produce("item-added", 0, batch(&["a"]), -1));
    let second = Client::encode(9, 2, &produce("item-added", 0, batch(&["bb"]), -1));
    client.send_raw(&[&first[..], &second[..]].concat()).await;
    let answers = [client.receive_frame().await.len() as u64, client.receive_frame().await.len() as u64];

    let limit = Duration::from_secs(10);
    let mut spans = Vec::new();
    hop::wait::until("two requests with five steps each", limit, async || {
        spans.extend(server.telemetry.take());
        (spans.len() == 12).then_some(())
    })
    .await
    .expect("spans");
    let requests: Vec<_> = spans.iter().filter(|span| span.kind == Kind::Server).collect();
    let read = |at: usize| requests[at].stamp(Direction::Request, Event::Wake).expect("a stamp");
    let written = |at: usize| requests[at].stamp(Direction::Response, Event::Tx).expect("a stamp");
    assert_eq!(read(0).offset, first.len() as u64);
    assert_eq!(read(1).offset, (first.len() + second.len()) as u64);
    let size = |at: usize| requests[at].attribute(attribute::READ_SIZE);
    assert_eq!(size(0), Some(&(first.len() as u64).into()));
    assert_eq!(size(1), Some(&(second.len() as u64).into()));
    assert_eq!(written(0).offset, answers[0]);
    assert_eq!(written(1).offset, answers[0] + answers[1]);
    assert_eq!(read(0).flow.client, client.address());
    for request in requests {
        assert_eq!(request.name, "Produce item-added");
        assert_eq!(request.text(attribute::MESSAGING_SYSTEM), Some("kafka"));
        assert_eq!(request.text(attribute::MESSAGING_OPERATION_TYPE), Some("send"));
        assert_eq!(request.text(attribute::MESSAGING_DESTINATION_NAME), Some("item-added"));
        let steps: Vec<_> = spans.iter().filter(|span| span.parent == Some(request.span_id)).collect();
        assert_eq!(
            steps.iter().map(|step| &*step.name).collect::<Vec<_>>(),
            ["parse", "queue", "append", "fsync", "respond"]
        );
        let mut at = request.start;
        for step in steps {
            assert!(
                at == step.start && step.start <= step.end,
                "steps follow each other, with nothing between"
            );
            at = step.end;
        }
        assert_eq!(at, request.end);
    }
}
