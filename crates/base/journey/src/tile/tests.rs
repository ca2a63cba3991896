//! Made-up stamps only: hand-made journeys here, random ones in the modules.

mod after;
mod coarse;
mod connects;
mod gaps;
mod messages;
mod opaque;
mod pipelining;
mod pulled;
mod random;
mod shapes;
mod slots;
mod topologies;
mod world;

use super::*;
use crate::roster::Hop;
use crate::semconv::name;
use crate::stamp::Flow;
use crate::stamp::Stamp;
use crate::trace::SpanId;

fn id(n: u64) -> SpanId {
    SpanId(n.to_be_bytes())
}

const TRACE: TraceId = TraceId([7; 16]);

fn flow(n: u16) -> Flow {
    format!("tcp 127.0.0.1:{}>127.0.1.{}:80", 40_000 + n, n % 250 + 1).parse().unwrap()
}

fn stamp(flow: Flow, direction: Direction, offset: u64, event: Event, at: u64) -> Stamp {
    Stamp { flow, direction, offset, event, at, quality: Quality::User }
}

fn span(
    hop: &'static str,
    n: u64,
    parent: Option<u64>,
    kind: Kind,
    name: &'static str,
    t: (u64, u64),
) -> Span {
    let mut span = Span::new(TRACE, id(n), parent.map(id), kind, name, t);
    span.hop = hop.into();
    span
}

fn client(hop: &'static str, n: u64, parent: u64, flow: Flow, t: (u64, u64)) -> Span {
    let mut span = span(hop, n, Some(parent), Kind::Client, "GET /", t);
    span.stamps.push(stamp(flow, Direction::Request, 100, Event::Tx, t.0));
    span.stamps.push(stamp(flow, Direction::Response, 50, Event::Wake, t.1));
    span
}

fn server(hop: &'static str, n: u64, parent: Option<u64>, flow: Flow, t: (u64, u64)) -> Span {
    let mut span = span(hop, n, parent, Kind::Server, "GET /", t);
    span.stamps.push(stamp(flow, Direction::Request, 100, Event::Wake, t.0));
    span.stamps.push(stamp(flow, Direction::Response, 50, Event::Tx, t.1));
    span
}

fn relay(hop: &'static str, n: u64, from: Flow, to: Flow, direction: Direction, t: (u64, u64)) -> Span {
    let offset = if direction == Direction::Request { 100 } else { 50 };
    let mut span = span(hop, n, None, Kind::Internal, "relay", t);
    span.trace_id = TraceId([9; 16]);
    span.stamps.push(stamp(from, direction, offset, Event::Wake, t.0));
    span.stamps.push(stamp(to, direction, offset, Event::Tx, t.1));
    span
}

fn assembled(spans: Vec<Span>, roster: &Roster) -> Journey {
    let mut index = Index::default();
    index.extend(spans);
    assemble(&index, roster, TRACE).unwrap()
}

/// Every part as `hop kind duration`.
fn told(journey: &Journey) -> Vec<String> {
    journey.parts.iter().map(|p| format!("{} {} {}", p.hop, p.kind.as_str(), p.duration_ns)).collect()
}

fn tiles(journey: &Journey) {
    let (mut at, mut gaps) = (0, 0);
    for part in &journey.parts {
        assert!(part.start_ns >= at, "{part:?} overlaps the part before it, which ends at {at}");
        gaps += part.start_ns - at;
        at = part.start_ns + part.duration_ns;
    }
    let sum: u64 = journey.parts.iter().map(|part| part.duration_ns).sum();
    assert_eq!(sum as i64 + journey.unaccounted_ns, journey.total_ns as i64);
    // What no part covers is what is called unaccounted, and nothing else is.
    let after = journey.total_ns as i64 - at as i64;
    assert_eq!(gaps as i64 + after, journey.unaccounted_ns);
}

/// browser → lb → (layer 4) → pod, which validates; the browser leaves 5 ns unnamed in front.
fn three_hops() -> Vec<Span> {
    vec![
        span("browser", 1, None, Kind::Internal, "journey", (0, 1000)),
        client("browser", 2, 1, flow(1), (5, 1000)),
        server("lb", 3, Some(2), flow(1), (100, 900)),
        client("lb", 4, 3, flow(2), (150, 850)),
        relay("cart-service", 5, flow(2), flow(3), Direction::Request, (200, 210)),
        server("pod", 6, Some(4), flow(3), (250, 700)),
        span("pod", 7, Some(6), Kind::Internal, "validate", (300, 320)),
        relay("cart-service", 8, flow(3), flow(2), Direction::Response, (750, 770)),
    ]
}

#[test]
fn every_hop_gets_its_time_and_the_rest_is_unaccounted() {
    let journey = assembled(three_hops(), &Roster::default());
    tiles(&journey);
    assert_eq!(journey.unaccounted_ns, 5);
    assert_eq!(
        told(&journey),
        [
            "lb leg 95",
            "lb self 50",
            "cart-service leg 50",
            "cart-service self 10",
            "pod leg 40",
            "pod self 50",
            "pod self 20",
            "pod self 380",
            "cart-service leg 50",
            "cart-service self 20",
            "lb leg 80",
            "lb self 50",
            "browser leg 100",
        ]
    );
    assert!(journey.sealed() && journey.anomalies.is_empty());
}

/// [`three_hops`] where the kernel stamps what arrives, 30 ns before it is read.
fn stamped_by_the_kernel() -> Vec<Span> {
    let mut spans = three_hops();
    for span in &mut spans {
        let read = span.stamps.iter().find(|stamp| stamp.event == Event::Wake).copied();
        span.stamps.extend(read.map(|read| Stamp {
            event: Event::Rx,
            quality: Quality::Kernel,
            at: read.at - 30,
            ..read
        }));
    }
    spans
}

#[test]
fn an_arrival_is_a_leg_until_the_kernel_has_it_and_then_a_wake_up() {
    let (plain, split) =
        (assembled(three_hops(), &Roster::default()), assembled(stamped_by_the_kernel(), &Roster::default()));
    tiles(&split);
    assert!(split.anomalies.is_empty());
    assert_eq!(
        told(&split)[..7],
        [
            "lb leg 65",
            "lb wake 30",
            "lb self 50",
            "cart-service leg 20",
            "cart-service wake 30",
            "cart-service self 10",
            "pod leg 10",
        ]
    );
    let legs: Vec<_> = split.parts.iter().filter(|part| part.kind == PartKind::Leg).collect();
    assert!(legs.len() == 6 && legs.iter().all(|part| part.quality == Quality::Kernel));
    // Both ways, and it is only a split: the sums are what they were.
    for hop in ["browser", "lb", "cart-service", "pod"] {
        let arrivals = |journey: &Journey| journey.sum(|part| part.hop == hop && !part.kind.is_own());
        assert_eq!(arrivals(&split), arrivals(&plain), "{hop}");
        assert_eq!(split.own(hop), plain.own(hop), "{hop}");
    }
    assert_eq!(split.sum(|part| part.name == name::WAKE_UP), 6 * 30);
}

#[test]
fn what_came_before_accept_waited_in_the_accept_queue() {
    let mut spans = stamped_by_the_kernel();
    let read = spans[2].stamps[0];
    spans[2].stamps.push(Stamp { event: Event::Accept, at: read.at - 10, ..read });
    let journey = assembled(spans, &Roster::default());
    tiles(&journey);
    assert_eq!(told(&journey)[..3], ["lb leg 65", "lb wait 20", "lb wake 10"]);
    assert_eq!(journey.parts[1].name, name::ACCEPT_QUEUE);
}

#[test]
fn an_arrival_after_it_was_read_or_before_it_was_sent_is_shown() {
    for (at, by) in [(110, 10), (2, 3)] {
        let mut spans = stamped_by_the_kernel();
        spans[2].stamps[2].at = at; // sent at 5, read at 100
        let journey = assembled(spans, &Roster::default());
        tiles(&journey);
        assert_eq!(journey.anomalies.len(), 1, "{:?}", journey.anomalies);
        assert_eq!((&*journey.anomalies[0].hop, journey.anomalies[0].by_ns), ("lb", by));
    }
}

#[test]
fn the_order_in_which_spans_arrive_does_not_matter() {
    let mut reversed = three_hops();
    reversed.reverse();
    assert_eq!(assembled(reversed, &Roster::default()), assembled(three_hops(), &Roster::default()));
}

#[test]
fn a_proxy_that_must_connect_first_says_so() {
    let mut spans = three_hops();
    let mut connect = span("cart-service", 11, None, Kind::Internal, "connect", (160, 190));
    connect.trace_id = TraceId([9; 16]);
    spans.push(connect.with(attribute::FLOW_IN, flow(2).to_string()));
    let journey = assembled(spans, &Roster::default());
    tiles(&journey);
    assert_eq!(journey.counts.connections_opened, 1);
    // 30 to connect, 10 until it has read the bytes, 10 and 20 to pass them on.
    assert_eq!(journey.own("cart-service"), 30 + 10 + 10 + 20);
}

#[test]
fn retries_are_counted_however_they_are_told() {
    let count = |spans| assembled(spans, &Roster::default()).counts.retries;
    assert_eq!(count(three_hops()), 0);
    // A forwarding server says how often in all; each CLIENT span says which try it is.
    for (told, resent, retries) in [(Kind::Server, 2_i64, 2), (Kind::Client, 2, 1)] {
        let mut spans = three_hops();
        let at = spans.iter().position(|span| span.kind == told).expect("there is one");
        spans[at] = spans[at].clone().with(attribute::HTTP_REQUEST_RESEND_COUNT, resent);
        assert_eq!(count(spans), retries, "{told:?}");
    }
}

#[test]
fn an_impossible_stamp_is_shown_and_makes_no_negative_part() {
    let mut spans = three_hops();
    spans[2].stamps[0].at = 2; // the lb claims to have read before the browser wrote
    let journey = assembled(spans, &Roster::default());
    tiles(&journey);
    assert_eq!(journey.anomalies[0].by_ns, 3);
}

#[test]
fn overlapping_children_share_no_time() {
    let mut spans = three_hops();
    spans.push(span("pod", 9, Some(6), Kind::Internal, "audit", (310, 340)));
    let journey = assembled(spans, &Roster::default());
    tiles(&journey);
    assert_eq!(journey.own("pod"), 450, "the hop's own time is the union, not the sum");
}

#[test]
fn a_trace_that_calls_itself_ends() {
    let mut spans = three_hops();
    // The pod's server span is made a child of a client span inside itself.
    spans.push(client("pod", 10, 6, flow(5), (400, 500)));
    spans[5].parent = Some(id(10));
    let mut index = Index::default();
    index.extend(spans);
    tiles(&assemble(&index, &Roster::default(), TRACE).unwrap());
}

#[test]
fn what_a_span_says_and_cannot_be_is_shown_with_its_size() {
    let with = |change: fn(&mut Vec<Span>)| {
        let mut spans = three_hops();
        change(&mut spans);
        let journey = assembled(spans, &Roster::default());
        tiles(&journey);
        journey.anomalies.into_iter().map(|it| (it.hop, it.what, it.by_ns)).collect::<Vec<_>>()
    };
    assert!(with(|_| ()).is_empty());
    let of = |hop: &str, what: &str, by_ns| vec![(hop.to_owned(), what.to_owned(), by_ns)];
    let longer = with(|spans| (spans[6].start, spans[6].end) = (240, 720));
    assert_eq!(longer, of("pod", "validate lasts longer than its parent", 30));
    let backwards = with(|spans| (spans[3].start, spans[3].end) = (850, 840));
    assert!(
        backwards.contains(&("lb".to_owned(), "GET / ends before it begins".to_owned(), 10)),
        "{backwards:?}"
    );
    let circle = with(|spans| spans[0].parent = Some(spans[0].span_id));
    assert_eq!(circle, of("browser", "journey is its own parent", 1000));
}
