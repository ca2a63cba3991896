use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::TimestampType;

use super::*;

const TRACE: &str = "0664d3a6dcd7092402f7df6bebe170c1";

/// A record as the cart makes it.
fn record(offset: i64, cart: &str, id: &str, at: i64) -> StoredRecord {
    let event = format!(
        r#"{{"type":"item-added","eventId":"{id}","cartId":"{cart}","itemId":"ITEM-1","productId":"PROD-1","quantity":2,"at":{at}}}"#
    );
    let traceparent = Bytes::from(format!("00-{TRACE}-00f067aa0ba902b7-01"));
    StoredRecord {
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

/// The ids of the events of these records.
fn ids(filter: &mut Filter, records: Vec<StoredRecord>) -> Vec<String> {
    let event = |record| match filter.pass(0, &record)? {
        Next::Event(event) => Some(event.event_id),
        Next::Note(note) => panic!("{note}"),
    };
    records.into_iter().filter_map(event).collect()
}

#[test]
fn each_event_is_told_once() {
    let mut filter = Filter::default();
    let all = [
        ("a", "a1", 10),
        ("b", "b1", 20),
        ("a", "a2", 30),
        ("a", "a2", 30),
        ("a", "a3", 35),
        ("b", "b2", 40),
    ];
    let records = all.map(|(cart, id, at)| record(at, &format!("CART-{cart}"), id, at)).to_vec();
    assert_eq!(ids(&mut filter, records), ["a1", "b1", "a2", "a3", "b2"]);
    assert_eq!(filter.repeated, 1);
}

#[test]
fn an_event_says_what_caused_it_and_what_is_none_is_named() {
    let mut filter = Filter::default();
    let nothing = StoredRecord { value: Some(Bytes::from_static(b"hello")), ..record(7, "CART-a", "x", 1) };
    let long = record(8, "CART-a", &"x".repeat(200), 2);
    for (record, offset) in [(nothing, 7), (long, 8)] {
        let Some(Next::Note(note)) = filter.pass(0, &record) else { panic!("a note") };
        assert!(note.contains(&format!("offset {offset} is no event of the shop")), "{note}");
    }
    let untraced = StoredRecord { headers: Default::default(), ..record(9, "CART-a", "a1", 3) };
    let mut traces = Vec::new();
    for record in [untraced, record(10, "CART-a", "a2", 4)] {
        let Some(Next::Event(event)) = filter.pass(0, &record) else { panic!("an event") };
        assert_eq!((event.partition, event.quantity, event.cart_id.as_str()), (0, 2, "CART-a"));
        traces.push((event.offset, event.trace_id));
    }
    assert_eq!(traces, [(9, None), (10, Some(TRACE.to_owned()))]);
}
