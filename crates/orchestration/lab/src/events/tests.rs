use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

use super::*;

const TRACE: &str = "0664d3a6dcd7092402f7df6bebe170c1";

/// A record as the cart makes it.
fn record(offset: i64, cart: &str, id: &str, at: i64) -> Record {
    let event = format!(
        r#"{{"type":"item-added","eventId":"{id}","cartId":"{cart}","itemId":"ITEM-1","productId":"PROD-1","quantity":2,"at":{at}}}"#
    );
    let traceparent = Bytes::from(format!("00-{TRACE}-00f067aa0ba902b7-01"));
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).expect("small") - 1,
        timestamp: at,
        key: Some(Bytes::copy_from_slice(cart.as_bytes())),
        value: Some(Bytes::from(event)),
        headers: [(StrBytes::from_static_str("traceparent"), Some(traceparent))].into_iter().collect(),
    }
}

/// Partitions that say this and then wait for ever.
fn reading(follow: bool, partitions: Vec<Vec<Said>>) -> Reading {
    let mut tasks = JoinSet::new();
    let partitions = partitions.into_iter().map(|words| {
        let (tell, said) = mpsc::channel(1);
        tasks.spawn(async move {
            for word in words {
                let _ = tell.send(word).await;
            }
            std::future::pending::<()>().await;
        });
        Part { said, records: VecDeque::new(), behind: true, gone: false }
    });
    let partitions = partitions.collect();
    Reading { partitions, once: Once::default(), follow, notes: VecDeque::new(), repeated: 0, _tasks: tasks }
}

/// The ids of so many events, and the notes between them.
async fn ids(reading: &mut Reading, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        match reading.next().await.expect("no failure") {
            Some(Next::Event(told)) => ids.push(told.event_id),
            Some(Next::Note(note)) => ids.push(format!("({note})")),
            None => break,
        }
    }
    ids
}

#[tokio::test]
async fn what_was_there_is_one_story_and_each_event_is_told_once() {
    let one = vec![
        Said::Records(vec![record(0, "CART-a", "a1", 10), record(1, "CART-a", "a2", 30)]),
        // Told again by a relay, together with one that nobody has seen.
        Said::Records(vec![record(2, "CART-a", "a2", 30), record(3, "CART-a", "a3", 35)]),
        Said::CaughtUp,
    ];
    let two = vec![
        Said::Records(vec![record(0, "CART-b", "b1", 20)]),
        Said::Records(vec![record(1, "CART-b", "b2", 40)]),
        Said::CaughtUp,
    ];
    let mut reading = reading(false, vec![one, vec![Said::CaughtUp], two]);
    assert_eq!(ids(&mut reading, 9).await, ["a1", "b1", "a2", "a3", "b2"]);
    assert_eq!(reading.repeated(), 1);
}

#[tokio::test]
async fn an_event_says_what_caused_it_and_what_is_none_is_named() {
    let nothing = Record { value: Some(Bytes::from_static(b"hello")), ..record(7, "CART-a", "x", 1) };
    let long = record(8, "CART-a", &"x".repeat(200), 2);
    let untraced = Record { headers: Default::default(), ..record(9, "CART-a", "a1", 3) };
    let said =
        vec![Said::Records(vec![nothing, long, untraced, record(10, "CART-a", "a2", 4)]), Said::CaughtUp];
    let mut reading = reading(false, vec![said]);
    for offset in [7, 8] {
        let Some(Next::Note(note)) = reading.next().await.expect("no failure") else { panic!("a note") };
        assert!(note.contains(&format!("offset {offset} is no event of the shop")), "{note}");
    }
    let mut traces = Vec::new();
    while let Some(Next::Event(told)) = reading.next().await.expect("no failure") {
        assert_eq!((told.partition, told.quantity, told.cart_id.as_str()), (0, 2, "CART-a"));
        traces.push((told.offset, told.trace_id));
    }
    assert_eq!(traces, [(9, None), (10, Some(TRACE.to_owned()))]);
}

#[tokio::test]
async fn a_broker_that_is_gone_is_told_of_once_and_awaited() {
    let partition = |first: &str, then: &str| {
        vec![
            Said::Records(vec![record(0, "CART-a", first, 1)]),
            Said::CaughtUp,
            Said::Gone(anyhow::anyhow!("refused")),
            Said::Back,
            Said::Records(vec![record(1, "CART-a", then, 2)]),
        ]
    };
    let mut reading = reading(true, vec![partition("a", "b"), partition("c", "d")]);
    let mut all = ids(&mut reading, 6).await;
    let notes: Vec<String> = all.extract_if(.., |said| said.starts_with('(')).collect();
    assert!(notes[0].contains("refused") && notes[1] == "(Kafka is back)", "{notes:?}");
    all.sort();
    assert_eq!(all, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_broker_that_stays_away_is_an_error_unless_it_is_awaited() {
    let failed = vec![Said::Failed(anyhow::anyhow!("refused"))];
    let error = reading(false, vec![failed]).next().await.expect_err("it failed");
    assert_eq!(format!("{error:#}"), "read the events: refused");
}

#[test]
fn half_a_batch_is_left_for_the_next_fetch() {
    let encode = |records: &[Record]| {
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut bytes, records, &options).expect("encode");
        bytes.freeze()
    };
    let one = encode(&[record(0, "CART-a", "a1", 1), record(1, "CART-a", "a2", 2)]);
    let two = encode(&[record(2, "CART-a", "a3", 3)]);
    let both = Bytes::from([&one[..], &two[..]].concat());
    let ends = |bytes: &Bytes| {
        let batches = partition::split(bytes.clone());
        batches.iter().map(|batch| (batch.first, batch.after)).collect::<Vec<_>>()
    };
    assert_eq!(ends(&both), [(0, 2), (2, 3)]);
    for length in 0..both.len() {
        let whole = if length < one.len() { 0 } else { 1 };
        assert_eq!(ends(&both.slice(..length)).len(), whole, "{length} bytes");
    }
    assert_eq!(ends(&Bytes::from_static(&[0xff; 100])), []);
}
