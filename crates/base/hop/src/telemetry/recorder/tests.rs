use hyper::body::Bytes;
use journey::{Flow, Kind, SpanId, TraceId, Transport};

use super::*;
use crate::{Operation, clock};

fn flow(port: u16) -> Flow {
    let end = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    Flow { transport: Transport::Tcp, client: end(port), server: end(80) }
}

/// A plain value: a flow and a moment.
#[derive(Clone, Copy)]
struct Passed(u16, u64);

impl Record for Passed {
    fn times(&self) -> (u64, u64) {
        (self.1, self.1 + 10)
    }

    fn flows(&self) -> [Option<Flow>; 2] {
        [Some(flow(self.0)), None]
    }

    fn operation(&self) -> Option<(Operation, &str)> {
        Some((Operation::Relay, "relay"))
    }

    fn spans(&self, ids: Ids) -> Vec<Span> {
        vec![Span::new(ids.trace(), ids.span(0), None, Kind::Internal, "relay", self.times())]
    }
}

fn query(lines: &str) -> Query {
    Query::parse(lines.as_bytes()).unwrap()
}

fn starts(ring: &impl Source, lines: &str) -> Vec<u64> {
    let mut spans = Vec::new();
    ring.answer(&query(lines), &mut spans);
    let mut starts: Vec<u64> = spans.iter().map(|span| span.start).collect();
    starts.sort_unstable();
    starts
}

#[test]
fn what_is_asked_for_by_flow_and_time_is_found_and_nothing_else() {
    let ring = Ring::new(100, "proxy", None);
    for n in 1..=50 {
        ring.push(Passed(u16::try_from(n % 5).unwrap(), n * 100));
    }
    let on = |port, from: u64, to: u64| Query::line((from, to), Some(flow(port)));
    assert_eq!(starts(&ring, &on(1, 1_000, 2_000)), [1_100, 1_600]);
    assert_eq!(starts(&ring, &on(1, 2_111, 2_599)), [0; 0], "between two");
    assert_eq!(starts(&ring, &(on(1, 1_000, 1_500) + &on(2, 4_000, 9_000))), [1_100, 4_200, 4_700]);
    assert_eq!(starts(&ring, "1000 1200 *\n"), [1_000, 1_100, 1_200], "whatever the flow");
    assert_eq!(starts(&ring, &on(9, 0, 10_000)), [0; 0]);
    for wrong in ["1000 1200", "x 1 *", "1 2 tcp nonsense"] {
        assert!(Query::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn the_oldest_is_overwritten_and_the_ring_says_since_when_it_knows_everything() {
    let ring = Ring::new(10, "proxy", None);
    let begun = clock::now();
    let at = |n: u64| begun + n * 100;
    (0..10).for_each(|n| ring.push(Passed(1, at(n))));
    let since = |ring: &Ring<Passed>| ring.answer(&query("0 1 *"), &mut Vec::new());
    assert!(since(&ring) <= begun, "what was before it began it never knew");
    (10..25).for_each(|n| ring.push(Passed(1, at(n))));
    assert_eq!(since(&ring), at(14) + 10, "the last that is gone");
    let all = Query::line((0, u64::MAX), Some(flow(1)));
    assert_eq!(starts(&ring, &all), (15..25).map(at).collect::<Vec<_>>());
}

#[test]
fn spans_have_the_same_names_each_time_and_nobody_elses() {
    let ring = Ring::new(1_000, "proxy", None);
    (0..2_000).for_each(|n| ring.push(Passed(1, n)));
    let names = || {
        let mut spans = Vec::new();
        ring.answer(&query("0 9999 *"), &mut spans);
        assert!(spans.iter().all(|span| span.hop == "proxy"));
        spans.into_iter().map(|span| (span.trace_id, span.span_id)).collect::<Vec<_>>()
    };
    let first = names();
    assert_eq!(first, names());
    ring.push(Passed(1, 5_000));
    assert!(first.iter().skip(1).all(|name| *name != names()[0]), "the new one has names of its own");
    let distinct: std::collections::HashSet<_> = first.iter().collect();
    assert_eq!(distinct.len(), 1_000);
    let other = Ids::new(7, 1);
    assert!((0..100).all(|n| other.span(n) != Ids::new(7, 2).span(n) && other.span(n) != other.span(n + 1)));
}

/// An upstream query: its trace, its number, and its flow.
struct Sent(u8, u8, u16);

impl Record for Sent {
    fn times(&self) -> (u64, u64) {
        (1_000, 1_010)
    }

    fn flows(&self) -> [Option<Flow>; 2] {
        [Some(flow(self.2)), None]
    }

    fn operation(&self) -> Option<(Operation, &str)> {
        None
    }

    fn trace(&self) -> Option<TraceId> {
        Some(TraceId([self.0; 16]))
    }

    fn spans(&self, _: Ids) -> Vec<Span> {
        let (trace, id) = (TraceId([self.0; 16]), SpanId([self.1; 8]));
        vec![Span::new(trace, id, None, Kind::Client, "A", self.times())]
    }
}

/// A resolver's queries have flows of their own: whoever asks for the client's gets all that it caused.
#[test]
fn a_trace_is_answered_as_a_whole() {
    let ring = Ring::new(100, "resolver", None);
    for (trace, id, port) in [(1, 1, 11), (1, 2, 12), (2, 3, 13), (1, 4, 14)] {
        ring.push(Sent(trace, id, port));
    }
    let mut spans = Vec::new();
    ring.answer(&query(&Query::line((900, 1_100), Some(flow(14)))), &mut spans);
    let mut found: Vec<u8> = spans.iter().map(|span| span.span_id.0[0]).collect();
    found.sort_unstable();
    assert_eq!(found, [1, 2, 4]);
}

/// Thousands of them stay in memory: a field more is felt.
#[test]
fn records_are_small() {
    assert_eq!(size_of::<crate::Ends>(), 48);
    assert!(size_of::<crate::telemetry::Passed>() <= 216, "{}", size_of::<crate::telemetry::Passed>());
}

#[test]
fn the_response_is_otlp_and_a_wrong_line_is_refused() {
    let ring: Arc<dyn Source> = Arc::new(Ring::<Passed>::new(10, "proxy", None));
    let response = respond(&Bytes::from_static(b"0 1 *\n"), "proxy", &[Arc::clone(&ring)]);
    assert_eq!(response.headers()["content-type"], crate::otlp::CONTENT_TYPE);
    assert!(response.headers().contains_key(KEPT_SINCE));
    let refused = respond(&Bytes::from_static(b"nonsense"), "proxy", &[ring]);
    assert_eq!(refused.status(), hyper::StatusCode::BAD_REQUEST);
}
