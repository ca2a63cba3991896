//! Connections that are made on the way: the round trip is the kernel's figure, the rest is the program's own.

use super::*;
use crate::semconv::name::{CONNECT, TCP_HANDSHAKE};

/// A browser that connects from 10 to 90: connect(2) is called at 20; `told` are the round trip and when it ran again,
/// counted from its beginning.
fn connecting(round_trip: Option<u64>, woken: Option<u64>) -> Journey {
    let mut connect = span("browser", 2, Some(1), Kind::Internal, TCP_HANDSHAKE, (10, 90))
        .part(PartKind::Leg)
        .stage(Stage::Tcp);
    if let Some(round_trip) = round_trip {
        connect = connect
            .with(attribute::CONNECT_CALLED_NS, 10_u64)
            .with(attribute::CONNECT_ROUND_TRIP_NS, round_trip);
    }
    if let Some(woken) = woken {
        connect = connect.with(attribute::CONNECT_WOKEN_NS, woken);
    }
    let root = span("browser", 1, None, Kind::Internal, "journey", (10, 90));
    let journey = assembled(vec![root, connect], &Roster::default());
    tiles(&journey);
    assert!(journey.parts.iter().all(|part| part.stage == Stage::Tcp), "{journey:?}");
    assert_eq!(journey.counts.connections_opened, 1);
    journey
}

fn named(journey: &Journey) -> Vec<(PartKind, &str, Quality, u64)> {
    journey.parts.iter().map(|p| (p.kind, &*p.name, p.quality, p.duration_ns)).collect()
}

#[test]
fn near_by_the_answer_is_there_before_anyone_waits() {
    let journey = connecting(Some(8), None);
    let own = |ns| (PartKind::Own, TCP_HANDSHAKE, Quality::User, ns);
    assert_eq!(
        named(&journey),
        [own(10), (PartKind::Leg, name::TCP_ROUND_TRIP, Quality::Kernel, 8), own(62)]
    );
}

#[test]
fn from_far_away_it_wakes_the_program() {
    let journey = connecting(Some(50), Some(75));
    let own = |ns| (PartKind::Own, TCP_HANDSHAKE, Quality::User, ns);
    let leg = (PartKind::Leg, name::TCP_ROUND_TRIP, Quality::Kernel, 50);
    let wake = (PartKind::Wake, name::WAKE_UP, Quality::User, 15);
    assert_eq!(named(&journey), [own(10), leg, wake, own(5)]);
}

#[test]
fn without_the_kernels_figure_all_of_it_is_the_leg() {
    assert_eq!(named(&connecting(None, None)), [(PartKind::Leg, TCP_HANDSHAKE, Quality::User, 80)]);
}

#[test]
fn a_round_trip_that_cannot_be_is_said() {
    let journey = connecting(Some(5_000), None);
    let what = "the round trip of TCP handshake ends after it";
    assert!(journey.anomalies.iter().any(|it| it.what == what && it.by_ns == 4_930), "{journey:?}");
    // The kernel counts microseconds: it may round up.
    assert!(connecting(Some(1_000), None).anomalies.is_empty());
}

/// A hop's connection onward; `begun` before the request was there is before anybody waits for it.
#[test]
fn a_request_waits_for_a_connection_and_within_for_the_round_trip() {
    let connect = span("pod", 4, Some(3), Kind::Internal, CONNECT, (20, 80))
        .part(PartKind::Wait)
        .with(attribute::CONNECT_CALLED_NS, 10_u64)
        .with(attribute::CONNECT_ROUND_TRIP_NS, 20_u64);
    let spans = vec![server("pod", 3, None, flow(1), (10, 90)), connect];
    let journey = assembled(spans, &Roster::default());
    tiles(&journey);
    assert_eq!(told(&journey), ["pod self 10", "pod wait 10", "pod leg 20", "pod wait 30", "pod self 10"]);
    assert_eq!(journey.counts.connections_opened, 1);
}

#[test]
fn what_a_layer_4_proxy_did_before_the_bytes_came_nobody_waited_for() {
    for (came, expected) in [
        (12, vec!["proxy leg 2", "proxy wait 18", "proxy leg 20", "proxy wait 30", "proxy wake 5"]),
        // SYN was on its way already.
        (40, vec!["proxy leg 30", "proxy leg 10", "proxy wait 30", "proxy wake 5"]),
        (95, vec!["proxy leg 75", "proxy wake 0", "proxy self 5"]),
    ] {
        let mut forth = relay("proxy", 3, flow(1), flow(2), Direction::Request, (85.max(came), 100));
        forth
            .stamps
            .push(Stamp { event: Event::Rx, ..stamp(flow(1), Direction::Request, 100, Event::Rx, came) });
        let mut connect = span("proxy", 4, None, Kind::Internal, CONNECT, (20, 80))
            .part(PartKind::Wait)
            .with(attribute::FLOW_IN, flow(1).to_string())
            .with(attribute::CONNECT_CALLED_NS, 10_u64)
            .with(attribute::CONNECT_ROUND_TRIP_NS, 20_u64);
        connect.trace_id = TraceId([9; 16]);
        let back = relay("proxy", 6, flow(2), flow(1), Direction::Response, (130, 135));
        let sent = if came == 95 { 20 } else { 10 };
        let mut call = client("browser", 2, 1, flow(1), (sent, 150));
        call.start = sent;
        let spans = vec![
            span("browser", 1, None, Kind::Internal, "journey", (sent, 150)),
            call,
            forth,
            connect,
            server("pod", 5, Some(2), flow(2), (110, 120)),
            back,
        ];
        let journey = assembled(spans, &Roster::default());
        tiles(&journey);
        let parts = told(&journey);
        assert_eq!(parts[..expected.len()], expected[..], "bytes came at {came}: {parts:?}");
        assert_eq!(journey.counts.connections_opened, 1);
    }
}
