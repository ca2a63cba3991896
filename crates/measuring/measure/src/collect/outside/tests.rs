use journey::{Hop, Kind};

use super::*;

const TRACE: TraceId = TraceId([7; 16]);

fn id(n: u64) -> SpanId {
    SpanId(n.to_be_bytes())
}

fn span(hop: &'static str, n: u64, parent: Option<u64>, kind: Kind) -> Span {
    let mut span = Span::new(TRACE, id(n), parent.map(id), kind, "GET /", (10 * n, 1000 - n));
    span.hop = hop.into();
    if kind == Kind::Server { span.with(attribute::URL_PATH, "/") } else { span }
}

/// edge → api.
fn roster() -> Roster {
    let mut roster = Roster::default();
    for (name, onward) in [("edge", vec!["api".to_owned()]), ("api", Vec::new())] {
        let role = name.to_owned();
        roster
            .add(Hop { name: name.to_owned(), role, reports: true, keeps: false, begins: None, onward }, []);
    }
    roster
}

/// The roots of what is from outside, by what has been reported.
fn found(spans: &[Span]) -> Vec<SpanId> {
    let (mut index, mut candidates) = (Index::default(), Candidates::default());
    for span in spans {
        candidates.add(span);
        index.insert(span.clone());
    }
    std::iter::from_fn(|| candidates.next(&index, &roster()).ok()).map(|outside| outside.root).collect()
}

#[test]
fn a_request_is_shown_once_with_or_without_a_traceparent() {
    let api = span("api", 4, Some(3), Kind::Server);
    for parent in [None, Some(99)] {
        let edge = span("edge", 2, parent, Kind::Server);
        let call = span("edge", 3, Some(2), Kind::Client);
        // Hops report in any order.
        assert_eq!(found(&[edge.clone(), call.clone(), api.clone()]), [id(2)], "{parent:?}");
        assert_eq!(found(&[api.clone(), call, edge]), [id(2)], "{parent:?}");
    }
}

#[test]
fn two_requests_with_the_same_traceparent_are_two() {
    let spans = [2, 5].map(|n| span("edge", n, Some(99), Kind::Server));
    assert_eq!(found(&spans), [id(2), id(5)]);
}

#[test]
fn what_the_labs_browser_sent_is_not_from_outside() {
    let browser = span("browser", 1, None, Kind::Client);
    assert_eq!(found(&[browser, span("edge", 2, Some(1), Kind::Server)]), []);
}

#[test]
fn a_sender_that_reports_is_where_it_begins() {
    let sender = span("my-script", 1, None, Kind::Client);
    assert_eq!(found(&[sender, span("edge", 2, Some(1), Kind::Server)]), [id(1)]);
}

#[test]
fn an_inner_hop_waits_for_its_caller() {
    let (mut index, mut candidates) = (Index::default(), Candidates::default());
    let api = span("api", 4, Some(3), Kind::Server);
    candidates.add(&api);
    index.insert(api);
    let due = candidates.next(&index, &roster()).expect_err("its caller may still report");
    assert!(due.is_some_and(|due| due <= CALLER_LIMIT));
    // Its caller never did: somebody sent the request directly to it.
    candidates.orphans[0].0 -= CALLER_LIMIT;
    assert_eq!(candidates.next(&index, &roster()).map(|outside| outside.root), Ok(id(4)));
    assert_eq!(candidates.next(&index, &roster()), Err(None));

    // The twin: its caller did.
    candidates.add(&span("api", 4, Some(3), Kind::Server));
    assert!(candidates.next(&index, &roster()).is_err());
    index.insert(span("edge", 3, Some(2), Kind::Client));
    candidates.orphans[0].0 -= CALLER_LIMIT;
    assert_eq!(candidates.next(&index, &roster()), Err(None));
}
