use journey::semconv::attribute;
use journey::{Direction, Event, Hop, Kind, Quality, SpanId, Stamp};

use super::*;

fn id(n: u64) -> SpanId {
    SpanId((n + 1).to_be_bytes())
}

fn trace(n: u64) -> TraceId {
    TraceId((u128::from(n) + 1).to_be_bytes())
}

/// A foreign program's: a trace of its own, and attributes of so many bytes.
fn foreign(n: u64, bytes: usize) -> Span {
    let span = Span::new(trace(1_000_000 + n), id(1_000_000 + n), None, Kind::Internal, "work", (n, n + 1));
    span.with(attribute::ERROR_MESSAGE, "x".repeat(bytes))
}

fn flow() -> Flow {
    "tcp 127.0.0.1:40000>127.0.1.1:80".parse().unwrap()
}

fn stamp(n: u64, direction: Direction, event: Event, at: u64) -> Stamp {
    Stamp { flow: flow(), direction, offset: 100 + n, event, at, quality: Quality::User }
}

/// What a program calls, with the bytes on their way.
fn client(n: u64, (from, to): (u64, u64)) -> Span {
    let mut span = Span::new(trace(n), id(n), None, Kind::Client, "GET /", (from, to));
    span.stamps.push(stamp(n, Direction::Request, Event::Tx, from));
    span.stamps.push(stamp(n, Direction::Response, Event::Wake, to));
    span
}

fn server(n: u64, (from, to): (u64, u64)) -> Span {
    let mut span = Span { kind: Kind::Server, stamps: Vec::new(), ..client(n, (from, to)) };
    (span.trace_id, span.span_id) = (trace(500_000 + n), id(500_000 + n));
    span.stamps.push(stamp(n, Direction::Request, Event::Wake, from));
    span.stamps.push(stamp(n, Direction::Response, Event::Tx, to));
    span
}

fn roster() -> Roster {
    let mut roster = Roster::default();
    let name = || "redis".to_owned();
    let onward = Vec::new();
    roster.add(
        Hop { name: name(), role: name(), reports: true, keeps: true, begins: None, onward },
        [flow().server],
    );
    roster
}

#[test]
fn a_flood_of_what_nobody_waits_for_is_bounded_in_number_and_in_bytes() {
    let mut store = Store::default();
    for n in 0..30_000 {
        store.add(vec![foreign(n, 10)], false);
    }
    assert_eq!(store.index.len(), LOOSE.0);
    assert!(store.index.joined(trace(1_000_000 + 29_999)).len() == 1, "the newest is there");
    assert!(store.index.joined(trace(1_000_000)).is_empty(), "the oldest is not");
    for n in 30_000..30_100 {
        store.add(vec![foreign(n, 1 << 20)], false);
    }
    assert!(store.index.len() <= 12 && store.loose_bytes <= LOOSE.1, "{} spans", store.index.len());
    assert!(store.loose_order.len() <= 2 * LOOSE.0);
}

#[test]
fn a_journey_outlasts_a_flood_and_what_is_kept_of_those_put_together_is_bounded() {
    let mut store = Store::default();
    assert!(store.open(trace(1), true), "it was not known");
    store.add(vec![client(1, (100, 200))], false);
    store.add(vec![server(1, (120, 180))], true);
    (0..20_000).for_each(|n| store.add(vec![foreign(n, 10)], false));
    assert_eq!(store.index.joined(trace(1)).len(), 2, "both are there");
    store.close(trace(1));
    assert_eq!(store.index.joined(trace(1)).len(), 2, "they tell those beside it what was not theirs");
    // Thousands of journeys, one after the other, leave the newest.
    for n in 2..60_000 {
        store.open(trace(n), true);
        store.add(vec![client(n, (n * 1_000, n * 1_000 + 100))], false);
        store.add(vec![server(n, (n * 1_000 + 20, n * 1_000 + 80))], true);
        store.close(trace(n));
    }
    assert_eq!((store.index.len(), store.open.len()), (LOOSE.0 + HELD, 0));
    assert!(store.index.joined(trace(1)).is_empty() && store.held.len() == HELD);
    // Once nobody can wait for them any more, so many bytes are left, whether something comes in or not.
    store.shrink(clock::monotonic() + WAITED_FOR * 2);
    assert!(store.held_bytes <= HELD_BYTES && store.held.len() > 1_000, "{} bytes", store.held_bytes);
    let newest = &store.index.joined(trace(59_999));
    assert_eq!((newest.len(), store.index.len()), (2, LOOSE.0 + store.held.len()));
}

#[test]
fn a_recorder_is_queried_once_for_a_time_and_again_for_more_or_when_it_did_not_reply() {
    let (mut store, roster) = (Store::default(), roster());
    store.open(trace(1), true);
    store.add(vec![client(1, (100, 200))], false);
    let queries = store.query(&roster);
    assert_eq!(queries.len(), 1);
    let wanted = &queries[0].wanted;
    assert_eq!((wanted.hop.as_str(), wanted.flow, wanted.from, wanted.to), ("redis", Some(flow()), 100, 200));
    assert!(store.query(&roster).is_empty(), "nothing new");
    assert!(!store.answered(&queries, |_| None), "it did not reply");
    store.query_again(trace(1), &[]);
    let queries = store.query(&roster);
    assert_eq!(queries.len(), 1, "so it is queried again");
    assert!(store.answered(&queries, |_| Some(150)));
    assert!(store.query(&roster).is_empty());
    // It had overwritten what was before 150, which explains why it is silent.
    let said = store.overwritten(trace(1), &["redis".to_owned(), "kafka".to_owned()]);
    assert!(said.len() == 1 && said[0].hop == "redis" && said[0].by_ns == 50, "{said:?}");
    // The same connection, later.
    store.add(vec![Span { span_id: id(77), ..client(1, (300, 400)) }], false);
    let queries = store.query(&roster);
    assert!(queries.len() == 1 && queries[0].wanted.to == 400, "more is wanted");
}
