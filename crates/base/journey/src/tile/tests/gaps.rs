//! What one program did is missing, and what it did next on the same connection is there.

use super::*;

/// As `span`, of a message of so many bytes that ends `more` bytes later in the stream, `later` nanoseconds later.
fn shifted(mut span: Span, n: u64, more: u64, later: u64) -> Span {
    span.span_id = id(n);
    (span.start, span.end) = (span.start + later, span.end + later);
    for stamp in &mut span.stamps {
        (stamp.offset, stamp.at) = (stamp.offset + more, stamp.at + later);
    }
    span
}

fn sized(span: Span) -> Span {
    let read = span.stamps.iter().find(|stamp| stamp.event == Event::Wake).expect("a read").offset;
    span.with(attribute::READ_SIZE, if read > 100 { 100 } else { read })
}

fn roster() -> Roster {
    let hop = |name: &str, onward: &[&str]| {
        let onward = onward.iter().map(|name| (*name).to_owned()).collect();
        Hop { name: name.into(), role: name.into(), reports: true, keeps: false, begins: None, onward }
    };
    let mut roster = Roster::default();
    roster.add(hop("cart-service", &["pod"]), [flow(2).server]);
    roster.add(hop("pod", &["redis"]), [flow(3).server]);
    roster.add(hop("redis", &[]), [flow(4).server]);
    roster
}

/// browser → lb → (layer 4) → pod → redis, and what layer 4 and redis did for the next request on the same connections.
fn with_the_next() -> Vec<Span> {
    let mut spans = three_hops();
    spans.push(client("pod", 9, 6, flow(4), (400, 500)));
    spans.push(Span { trace_id: TraceId([9; 16]), ..server("redis", 10, None, flow(4), (420, 480)) });
    let of_next = [(5, 25), (8, 28), (10, 30)];
    for (n, next) in of_next {
        let span = spans.iter().find(|span| span.span_id == id(n)).expect("it is there").clone();
        spans.push(shifted(span, next, 100, 2_000));
    }
    let by_bytes = |span: &Span| span.trace_id != TRACE;
    spans.into_iter().map(|span| if by_bytes(&span) { sized(span) } else { span }).collect()
}

fn without(spans: &[Span], n: u64) -> Vec<Span> {
    spans.iter().filter(|span| span.span_id != id(n)).cloned().collect()
}

#[test]
fn what_is_missing_is_not_taken_from_the_next_message() {
    let spans = with_the_next();
    let whole = assembled(spans.clone(), &roster());
    assert!(whole.clean() && whole.anomalies.is_empty(), "{whole:?}");
    for (n, hop) in [(5, "cart-service"), (8, "cart-service"), (10, "redis")] {
        let journey = assembled(without(&spans, n), &roster());
        tiles(&journey);
        assert_eq!(journey.silent, [hop], "without {n}: {:#?}", told(&journey));
        assert!(journey.anomalies.is_empty() && journey.total_ns == whole.total_ns, "{journey:?}");
    }
}

/// The twin: who does not say how many bytes a message has is believed to have had all before it.
#[test]
fn without_sizes_the_next_message_is_taken() {
    let mut spans = with_the_next();
    spans.iter_mut().for_each(|span| span.attributes.retain(|(key, _)| key != attribute::READ_SIZE));
    for n in [5, 10] {
        let journey = assembled(without(&spans, n), &roster());
        assert!(journey.sealed(), "without {n} nobody is missed: {:#?}", told(&journey));
    }
}
