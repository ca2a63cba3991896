//! Messages instead of requests: PRODUCER spans are read as CLIENT spans, CONSUMER spans as SERVER spans that nobody waits
//! for.

use super::*;

/// A pod that tells a broker something on the way; `consumed` is when somebody handles the message.
fn with_message(kind: Kind, consumed: Option<(u64, u64)>) -> Vec<Span> {
    let mut sent = client("pod", 4, 3, flow(2), (20, 80)).with(attribute::CONNECTION_REUSED, true);
    sent.kind = kind;
    let mut broker = server("broker", 5, None, flow(2), (30, 70));
    broker.trace_id = TraceId([9; 16]);
    let consumer = consumed.map(|times| span("mailer", 6, Some(4), Kind::Consumer, "process", times));
    let mut spans = vec![
        span("browser", 1, None, Kind::Internal, "journey", (0, 100)),
        client("browser", 2, 1, flow(1), (0, 100)),
        server("pod", 3, Some(2), flow(1), (10, 90)),
        sent,
        broker,
    ];
    spans.extend(consumer);
    spans
}

#[test]
fn a_producer_waits_for_its_broker_as_a_client_for_its_server() {
    let journey = |kind| assembled(with_message(kind, None), &Roster::default());
    let produced = journey(Kind::Producer);
    tiles(&produced);
    assert_eq!(produced, journey(Kind::Client));
    assert_eq!(produced.own("broker"), 40);
    assert_eq!(produced.counts.connections_reused, 1);
    // The twin: what is within the pod is not with the broker.
    assert_eq!(journey(Kind::Internal).own("broker"), 0);
}

#[test]
fn nobody_on_the_way_waits_for_who_handles_the_message() {
    let without = assembled(with_message(Kind::Producer, None), &Roster::default());
    // Before the acknowledgement, while the response is on its way, long after the journey.
    for consumed in [(40, 60), (75, 95), (500, 900)] {
        let with = assembled(with_message(Kind::Producer, Some(consumed)), &Roster::default());
        let [handled] = &with.after[..] else { panic!("{:?}", with.after) };
        assert_eq!((handled.start_ns, handled.hop.as_str()), (consumed.0 as i64, "mailer"));
        assert_eq!(Journey { after: Vec::new(), ..with }, without, "consumed at {consumed:?}");
    }
}

#[test]
fn a_message_from_outside_is_handled_as_a_request_is() {
    let mut handled = server("mailer", 1, None, flow(1), (10, 90));
    handled.kind = Kind::Consumer;
    let spans = vec![
        handled,
        client("mailer", 2, 1, flow(2), (20, 80)),
        server("store", 3, Some(2), flow(2), (30, 70)),
    ];
    let journey = assembled(spans, &Roster::default());
    tiles(&journey);
    assert_eq!(told(&journey)[0], "mailer self 10");
    assert_eq!((journey.own("mailer"), journey.own("store")), (20, 40));
}
