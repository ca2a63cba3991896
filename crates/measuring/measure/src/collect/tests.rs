//! Waiting for what a request leaves to be done.

use journey::semconv::attribute;
use journey::{Kind, Link, SpanId};

use super::*;

/// Nobody is to wait for so long.
const LONG: Duration = Duration::from_secs(3600);
const TRACE: TraceId = TraceId([7; 16]);
const EDGE: SpanId = SpanId([1; 8]);

/// A request that leaves so many things to be done, and the collector that has it.
async fn answered(deferred: u64) -> (Collector, Journey) {
    let collector = Collector::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let mut edge = Span::new(TRACE, EDGE, None, Kind::Server, "POST /cart/items", (1_100, 1_900));
    if deferred > 0 {
        edge = edge.with(attribute::DEFERRED, deferred);
    }
    edge.hop = "edge".into();
    collector.add(vec![edge]);
    let journey = collector.journey(TRACE, &Roster::default(), LONG).await.expect("it is complete");
    (collector, journey)
}

fn confirmed() -> Span {
    let (trace_id, id) = (hop::trace::new_trace_id(), hop::trace::new_span_id());
    let mut span = Span::new(trace_id, id, None, Kind::Internal, "confirm", (5_000, 6_000));
    span.hop = "edge".into();
    Span { links: vec![Link { trace_id: TRACE, span_id: EDGE }], ..span }
}

#[tokio::test]
async fn a_journey_is_not_held_up_and_settles_when_what_was_announced_is_done() {
    let (collector, mut journey) = answered(1).await;
    assert_eq!((journey.outstanding, journey.after.len()), (1, 0), "it was not waited for");
    let roster = Roster::default();
    let settle = collector.settle(&mut journey, &roster, LONG);
    let report = async { collector.add(vec![confirmed()]) };
    let ((), ()) = tokio::join!(settle, report);
    assert_eq!((journey.outstanding, journey.after.len(), journey.total_ns), (0, 1, 800));
    assert_eq!(journey.after[0].start_ns, 3_900);
}

#[tokio::test]
async fn who_announces_nothing_is_not_waited_for_and_who_does_nothing_not_for_ever() {
    let (collector, mut journey) = answered(0).await;
    let before = journey.clone();
    collector.settle(&mut journey, &Roster::default(), LONG).await;
    assert_eq!(journey, before);
    let (collector, mut journey) = answered(2).await;
    collector.add(vec![confirmed()]);
    collector.settle(&mut journey, &Roster::default(), Duration::from_millis(20)).await;
    assert_eq!((journey.outstanding, journey.after.len()), (1, 1), "what is known is there all the same");
}
