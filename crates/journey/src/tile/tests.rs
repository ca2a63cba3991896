//! Made-up stamps only: hand-made journeys first, then random ones.

use proptest::prelude::*;

use super::*;
use crate::index::Known;
use crate::stamp::Flow;
use crate::stamp::Stamp;
use crate::trace::SpanId;

fn id(n: u64) -> SpanId {
    SpanId(n.to_be_bytes())
}

pub(super) const TRACE: TraceId = TraceId([7; 16]);

fn flow(n: u16) -> Flow {
    format!("tcp 127.0.0.1:{}>127.0.1.{}:80", 40_000 + n, n % 250 + 1).parse().unwrap()
}

pub(super) fn stamp(flow: Flow, direction: Direction, offset: u64, event: Event, at: u64) -> Stamp {
    Stamp { flow, direction, offset, event, at, quality: Quality::User }
}

pub(super) fn span(
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
    spans.into_iter().for_each(|span| index.insert(span));
    assemble(&index, roster, TRACE).unwrap()
}

/// Every part as `hop kind duration`.
fn told(journey: &Journey) -> Vec<String> {
    journey.parts.iter().map(|p| format!("{} {} {}", p.hop, p.kind.as_str(), p.duration_ns)).collect()
}

pub(super) fn tiles(journey: &Journey) {
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

fn roster(name: &str, flow: Flow, reports: bool) -> Roster {
    let mut roster = Roster::default();
    roster.add(
        Known { name: name.into(), role: name.into(), reports, onward: vec!["pod".into()] },
        [flow.server],
    );
    roster
}

#[test]
fn a_hop_that_should_report_and_does_not_is_named() {
    let without_relay: Vec<Span> = three_hops().into_iter().filter(|span| span.name != "relay").collect();
    let journey = assembled(without_relay.clone(), &roster("cart-service", flow(2), true));
    tiles(&journey);
    assert_eq!(journey.silent, ["cart-service"]);
    // The same program, known to report nothing, is opaque: its time is inferred from its neighbours.
    let journey = assembled(without_relay, &roster("cart-service", flow(2), false));
    tiles(&journey);
    assert!(journey.sealed());
    assert_eq!(journey.own("cart-service"), (250 - 150) + (850 - 700));
    assert_eq!(journey.own("pod"), 450);
}

#[test]
fn a_journey_is_not_complete_while_nobody_behind_an_opaque_hop_has_reported() {
    let mut roster = roster("cart-service", flow(2), false);
    let pod = Known { name: "pod".into(), role: "cart".into(), reports: true, onward: Vec::new() };
    roster.add(pod, [flow(3).server]);
    let early: Vec<Span> =
        three_hops().into_iter().filter(|span| span.hop != "pod" && span.name != "relay").collect();
    assert_eq!(assembled(early, &roster).silent, ["pod"]);
    let late: Vec<Span> = three_hops().into_iter().filter(|span| span.name != "relay").collect();
    assert!(assembled(late, &roster).sealed());
}

#[test]
fn nobody_behind_an_opaque_load_balancer_is_missed_in_its_handshake() {
    let mut roster = roster("lb", flow(1), false);
    roster.add(
        Known { name: "pod".into(), role: "pod".into(), reports: true, onward: Vec::new() },
        [flow(2).server],
    );
    let journey = |stage: Option<Stage>| {
        let asked = client("browser", 2, 1, flow(1), (10, 300));
        let asked = stage.into_iter().fold(asked, Span::stage);
        let root = span("browser", 1, None, Kind::Internal, "journey", (0, 1000));
        assembled(vec![root, asked], &roster)
    };
    assert!(journey(Some(Stage::Tls)).sealed());
    assert_eq!(journey(Some(Stage::Tls)).own("lb"), 290);
    assert_eq!(journey(None).silent, ["pod"], "a request is passed on");
}

#[test]
fn an_opaque_program_in_front_of_a_relay_ends_where_the_relay_begins() {
    // lb → nginx (reports nothing, passes traceparent on) → layer 4 → pod
    let mut spans = three_hops();
    for span in &mut spans {
        if span.name == "relay" {
            for stamp in &mut span.stamps {
                if stamp.flow == flow(2) {
                    stamp.flow = flow(4);
                }
            }
        }
    }
    let journey = assembled(spans, &roster("nginx", flow(2), false));
    tiles(&journey);
    assert!(journey.sealed(), "{:?}", journey.silent);
    assert_eq!(journey.own("nginx"), (200 - 150) + (850 - 770));
    assert_eq!(journey.own("cart-service"), 10 + 20);
}

#[test]
fn opaque_programs_in_a_row_share_a_part_that_names_them_all() {
    let known = |name: &str, reports, onward: &[&str]| Known {
        name: name.into(),
        role: name.into(),
        reports,
        onward: onward.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut roster = Roster::default();
    roster.add(known("ingress", false, &["cart-service"]), [flow(2).server]);
    roster.add(known("cart-service", false, &["other", "pod"]), [flow(4).server]);
    roster.add(known("other", false, &["nobody"]), [flow(5).server]);
    roster.add(known("pod", true, &[]), [flow(3).server]);
    let spans = three_hops().into_iter().filter(|span| span.name != "relay").collect();
    let journey = assembled(spans, &roster);
    tiles(&journey);
    let names = |kind| journey.parts.iter().filter(move |part| part.kind == kind).map(|part| &*part.name);
    assert_eq!(
        names(PartKind::Opaque).collect::<Vec<_>>(),
        ["ingress + cart-service (request)", "ingress + cart-service (response)"]
    );
    assert_eq!(journey.own("ingress"), (250 - 150) + (850 - 700));
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
    spans.into_iter().for_each(|span| index.insert(span));
    tiles(&assemble(&index, &Roster::default(), TRACE).unwrap());
}

/// A random tree of spans with random, often impossible, times and stamps.
fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    let hops = prop::sample::select(vec!["lb", "ingress", "cart-service", "pod", "redis"]);
    let one = (hops, 0u64..40, 0u8..4, 0u64..2000, 0u64..2000, 0u16..6, 0u64..300, prop::bool::ANY);
    prop::collection::vec(one, 0..40).prop_map(|many| {
        let mut spans = vec![span("browser", 1, None, Kind::Internal, "journey", (500, 1500))];
        for (n, (hop, parent, kind, start, end, to, offset, stamped)) in many.into_iter().enumerate() {
            let n = n as u64 + 2;
            let kind = [Kind::Internal, Kind::Server, Kind::Client, Kind::Producer][usize::from(kind)];
            let mut span = span(hop, n, Some(parent % n), kind, "x", (start, end.max(start)));
            if stamped {
                let (asks, answers) =
                    if kind == Kind::Server { (Event::Wake, Event::Tx) } else { (Event::Tx, Event::Wake) };
                span.stamps.push(stamp(flow(to), Direction::Request, offset, asks, start));
                let back = if kind == Kind::Internal { flow(to + 1) } else { flow(to) };
                let direction = if kind == Kind::Internal { Direction::Request } else { Direction::Response };
                span.stamps.push(stamp(back, direction, offset, answers, end));
            }
            spans.push(span);
        }
        spans
    })
}

/// A chain of hops, each with gaps of its own, with or without relays: consistent times.
fn any_chain() -> impl Strategy<Value = (Vec<Span>, Vec<u64>)> {
    prop::collection::vec((1u64..100, 1u64..100, 1u64..100, 1u64..100), 1..8).prop_map(|gaps| {
        const HOPS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let total: u64 = 1000 + gaps.iter().map(|(a, b, c, d)| a + b + c + d).sum::<u64>();
        let mut spans = vec![span("browser", 1, None, Kind::Internal, "journey", (0, total))];
        let (mut from, mut to, mut parent) = (0, total, 1);
        let mut own = Vec::new();
        for (n, (leg_in, work_in, work_out, leg_out)) in gaps.iter().enumerate() {
            let (asks, answers) = (2 * n as u64 + 2, 2 * n as u64 + 3);
            let asker = if n == 0 { "browser" } else { HOPS[n - 1] };
            spans.push(client(asker, asks, parent, flow(n as u16), (from, to)));
            (from, to) = (from + leg_in, to - leg_out);
            spans.push(server(HOPS[n], answers, Some(asks), flow(n as u16), (from, to)));
            (from, to) = (from + work_in, to - work_out);
            parent = answers;
            own.push(work_in + work_out);
        }
        if let Some(last) = own.last_mut() {
            *last += to - from;
        }
        (spans, own)
    })
}

proptest! {
    #[test]
    fn whatever_is_reported_parts_tile_and_none_is_negative(spans in any_spans()) {
        tiles(&assembled(spans, &Roster::default()));
    }

    #[test]
    fn consistent_stamps_give_every_hop_exactly_its_own_time((spans, own) in any_chain()) {
        let journey = assembled(spans, &Roster::default());
        tiles(&journey);
        prop_assert_eq!(journey.unaccounted_ns, 0);
        prop_assert!(journey.anomalies.is_empty());
        for (hop, time) in ["a", "b", "c", "d", "e", "f", "g", "h"].iter().zip(own) {
            prop_assert_eq!(journey.own(hop), time);
        }
    }
}
