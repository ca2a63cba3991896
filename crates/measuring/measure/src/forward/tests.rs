use journey::{Kind, SpanId, TraceId};

use super::*;
use crate::collect::Collector;

const SOON: Duration = Duration::from_secs(20);

fn span(id: u8) -> Span {
    Span::new(TraceId([9; 16]), SpanId([id; 8]), None, Kind::Internal, "work", (1, 2))
}

fn message(ids: std::ops::RangeInclusive<u8>) -> (Bytes, usize) {
    let spans: Vec<Span> = ids.map(span).collect();
    (hop::otlp::encode("lb", &spans).into(), spans.len())
}

async fn until_sent(forward: &Forward, spans: u64) {
    let sent = hop::wait::until("the spans are sent", SOON, async || {
        (forward.sent() + forward.lost() >= spans).then_some(())
    });
    sent.await.expect("all spans meet their fate");
}

#[test]
fn several_messages_are_one_with_all_their_spans() {
    let (one, other) = (message(1..=2), message(3..=5));
    let items = [Item::Message(one.0, 2), Item::Spans(vec![span(6)]), Item::Message(other.0, 3)];
    let spans = hop::otlp::decode(&encode(&items)).expect("one message");
    let seen: Vec<(u8, &str)> = spans.iter().map(|span| (span.span_id.0[0], &*span.hop)).collect();
    assert_eq!(seen, [(1, "lb"), (2, "lb"), (6, BROWSER), (3, "lb"), (4, "lb"), (5, "lb")]);
}

#[tokio::test]
async fn what_comes_in_goes_on_and_nothing_is_lost() {
    let theirs = Collector::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let to = theirs.endpoint().trim_start_matches("http://").parse().unwrap();
    let ours = Collector::bind("127.0.0.1:0".parse().unwrap(), Some(to)).unwrap();
    let here = ours.endpoint().trim_start_matches("http://").parse().unwrap();
    let mut hop = Exporter::new(here);
    hop.send(message(1..=3).0).await.unwrap();
    ours.insert(vec![span(4)]);
    let forward = ours.forward().unwrap();
    until_sent(forward, 4).await;
    assert_eq!((forward.sent(), forward.lost()), (4, 0));
    // Its own address would be a circle.
    assert!(Collector::bind(here, Some(here)).is_err());
}

#[tokio::test]
async fn a_receiver_that_comes_late_gets_what_there_was_room_for() {
    let free = hop::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let to = free.local_addr().unwrap();
    drop(free);
    let forward = Forward::start(to).unwrap();
    let (bytes, spans) = message(1..=200);
    for _ in 0..CAPACITY / spans + 3 {
        forward.message(bytes.clone(), spans);
    }
    assert_eq!(forward.lost(), 3 * 200, "three messages found the queue full");
    let _theirs = Collector::bind(to, None).unwrap();
    until_sent(&forward, (CAPACITY + 600) as u64).await;
    assert_eq!((forward.sent(), forward.lost()), (CAPACITY as u64, 600));
}

#[tokio::test]
async fn what_is_refused_is_counted_and_not_sent_again() {
    let listener = hop::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let to = listener.local_addr().unwrap();
    // It knows no /v1/traces.
    tokio::spawn(hop::Admin::new("other").serve(listener));
    let forward = Forward::start(to).unwrap();
    let (bytes, spans) = message(1..=5);
    forward.message(bytes, spans);
    until_sent(&forward, 5).await;
    assert_eq!((forward.sent(), forward.lost()), (0, 5));
    forward.finish().await;
}
