//! What nobody waits for: it is shown beside the journey, and changes nothing of it.

use proptest::prelude::*;

use super::world::World;
use super::*;
use crate::span::Link;

const BATCH: TraceId = TraceId([8; 16]);
/// A root that begins at a whole millisecond may really have ended a millisecond later than it says.
const LATER: u64 = 1_001_000;

/// The pod's work for two requests, of which the second is another journey's: 500 ns after the response, it calls the
/// inventory, which takes 60 of 80 ns.
fn confirming() -> Vec<Span> {
    let links =
        vec![Link { trace_id: TRACE, span_id: id(6) }, Link { trace_id: TraceId([1; 16]), span_id: id(99) }];
    let confirm = Span { links, ..span("pod", 20, None, Kind::Internal, "confirm", (1500, 1600)) };
    let spans = [
        confirm,
        client("pod", 21, 20, flow(5), (1510, 1590)),
        server("inventory", 22, Some(21), flow(5), (1520, 1580)),
    ];
    spans.map(|span| Span { trace_id: BATCH, ..span }).into()
}

#[test]
fn a_batch_that_links_to_a_request_is_shown_after_it() {
    let mut spans = three_hops();
    let announced = spans.iter_mut().find(|span| span.span_id == id(6)).expect("the pod");
    announced.attributes.push((attribute::DEFERRED.into(), 1_i64.into()));
    let before = assembled(spans.clone(), &Roster::default());
    assert_eq!((before.outstanding, before.after.len(), before.settled()), (1, 0, false));
    spans.extend(confirming());
    let journey = assembled(spans.clone(), &Roster::default());
    tiles(&journey);
    let [after] = &journey.after[..] else { panic!("{:?}", journey.after) };
    assert_eq!((after.hop.as_str(), after.name.as_str(), after.requests), ("pod", "confirm", 2));
    assert_eq!((after.trace_id, after.start_ns, after.duration_ns), (BATCH, 1500, 100));
    let parts: Vec<String> = after.parts.iter().map(|it| format!("{} {}", it.hop, it.duration_ns)).collect();
    assert_eq!(parts, ["pod 10", "inventory 10", "inventory 60", "pod 10", "pod 10"]);
    assert_eq!(journey, Journey { after: journey.after.clone(), outstanding: 0, ..before.clone() });
    assert_eq!((journey.settled(), journey.calls("pod", "inventory")), (true, 0));

    // What failed is tried again: it is shown, and there is more to come.
    let failed = spans.iter_mut().find(|span| span.name == "confirm").expect("it is there");
    failed.attributes.push((attribute::ERROR_TYPE.into(), "timeout".into()));
    let journey = assembled(spans.clone(), &Roster::default());
    assert_eq!((journey.outstanding, journey.after[0].error.as_deref()), (1, Some("timeout")));

    // The twin: without its link nobody can tell whose it was.
    spans.iter_mut().for_each(|span| span.links.clear());
    assert_eq!(assembled(spans, &Roster::default()), before);
}

/// What others do without links: a child that begins when all is over, with what it calls, and a message's consumer.
#[test]
fn a_child_that_begins_when_all_is_over_is_no_part_of_it() {
    let before = assembled(three_hops(), &Roster::default());
    let mut spans = three_hops();
    spans.extend([
        span("pod", 30, Some(6), Kind::Internal, "audit", (LATER + 200, LATER + 300)),
        client("pod", 31, 30, flow(6), (LATER + 210, LATER + 290)),
        server("archive", 32, Some(31), flow(6), (LATER + 220, LATER + 280)),
        span("mailer", 33, Some(7), Kind::Consumer, "cart-events process", (310, LATER)),
        // What that began by itself when it had ended.
        span("mailer", 34, Some(33), Kind::Internal, "clean up", (LATER + 6000, LATER + 6100)),
    ]);
    let journey = assembled(spans, &Roster::default());
    let names: Vec<&str> = journey.after.iter().map(|after| after.name.as_str()).collect();
    assert_eq!(names, ["cart-events process", "audit", "clean up"]);
    assert!(journey.after[1].parts.iter().any(|part| part.hop == "archive" && part.duration_ns == 60));
    assert_eq!(journey, Journey { after: journey.after.clone(), ..before });
}

/// Two requests in one trace: each has its own.
#[test]
fn a_link_belongs_to_the_request_that_it_names() {
    let mut spans =
        vec![server("edge", 1, None, flow(1), (0, 100)), server("edge", 2, None, flow(1), (200, 300))];
    let links = vec![Link { trace_id: TRACE, span_id: id(2) }];
    let confirm = span("edge", 20, None, Kind::Internal, "confirm", (1500, 1600));
    spans.push(Span { trace_id: BATCH, links, ..confirm });
    let mut index = Index::default();
    index.extend(spans);
    let after = |n| assemble_from(&index, &Roster::default(), id(n)).expect("a journey").after.len();
    assert_eq!((after(1), after(2)), (0, 1));
}

/// Links in a circle, and to itself.
#[test]
fn causes_in_a_circle_come_to_an_end() {
    let mut spans = three_hops();
    let link = |trace_id, n| Link { trace_id, span_id: id(n) };
    for (n, trace, to) in [(40, [40; 16], (TRACE, 1)), (41, [41; 16], (TraceId([40; 16]), 40))] {
        let one = span("pod", n, None, Kind::Internal, "again", (2_000 + n, 2_100));
        let links = vec![link(to.0, to.1), link(TraceId([41; 16]), 41), link(TraceId(trace), n)];
        spans.push(Span { trace_id: TraceId(trace), links, ..one });
    }
    spans[0].links.push(link(TraceId([41; 16]), 41));
    assert_eq!(assembled(spans, &Roster::default()).after.len(), 2);
}

const KINDS: [Kind; 4] = [Kind::Internal, Kind::Client, Kind::Producer, Kind::Consumer];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Whatever comes after the root's end, caused by whatever span, with links or as a child: parts, total, counts,
    /// who is missing and what is strange stay what they were.
    #[test]
    fn what_comes_after_the_end_changes_nothing(
        decisions in prop::collection::vec(any::<u16>(), 0..200),
        late in prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, any::<bool>(), 0..5_000_u64), 1..12),
    ) {
        let World { spans, roster, .. } = World::journey(decisions);
        let before = assembled(spans.clone(), &roster);
        let end = before.start_unix_ns + before.total_ns + LATER;
        let mut all = spans.clone();
        for (at, (cause, kind, linked, later)) in late.into_iter().enumerate() {
            let (n, start) = (1_000_000 + 10 * at as u64, end + later);
            let of_trace: Vec<&Span> = all.iter().filter(|span| span.trace_id == TRACE).collect();
            let (cause, hop) = { let it = cause.get(&of_trace); (it.span_id, it.hop.clone()) };
            let mut made = span("", n, None, KINDS[kind], "late", (start, start + 50));
            made.hop = hop;
            if linked {
                made.trace_id = TraceId(u128::from(n).to_be_bytes());
                made.links.push(Link { trace_id: TRACE, span_id: cause });
            } else {
                made.parent = Some(cause);
            }
            let called = Span { trace_id: made.trace_id, ..server("called", n + 1, Some(n), flow(7), (start + 10, start + 40)) };
            all.extend([made, called]);
        }
        let journey = assembled(all, &roster);
        prop_assert!(!journey.after.is_empty());
        prop_assert_eq!(Journey { after: Vec::new(), ..journey }, before);
    }
}
