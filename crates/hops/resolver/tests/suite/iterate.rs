use std::collections::BTreeSet;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Transport};

use crate::fake::World;
use crate::{LIMIT, data, resolve, resolver};

#[tokio::test]
async fn a_cold_name_takes_three_questions_and_a_warm_one_none() {
    let world = World::usual().await;
    let (resolver, telemetry) = resolver(&world);
    let (reply, response) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!(data(&reply.answers), ["api.myshop.com. A 127.0.113.50"]);
    assert!(!reply.authoritative, "it only passes on what it heard");
    assert_eq!((response.resolved.upstream_queries, response.resolved.ttl), (3, Some(300)));
    // QNAME minimisation: nobody learns more of the name than needed to point the way.
    let seen: Vec<String> = world
        .0
        .iter()
        .flat_map(|fake| fake.seen.lock().unwrap().clone())
        .map(|(_, question, _)| question)
        .collect();
    assert_eq!(seen, ["A com.", "A myshop.com.", "A api.myshop.com."]);

    let spans = telemetry.take();
    assert_eq!(spans.len(), 3);
    let mut said = BTreeSet::new();
    for span in &spans {
        assert_eq!(span.kind, Kind::Client);
        let tx = span.stamp(Direction::Request, Event::Tx).unwrap();
        let wake = span.stamp(Direction::Response, Event::Wake).unwrap();
        assert!(tx.at <= wake.at && (span.start, span.end) == (tx.at, wake.at));
        assert_eq!((tx.flow, tx.offset), (wake.flow, wake.offset));
        assert_eq!(tx.flow.transport, Transport::Udp);
        assert_eq!(tx.flow.client.ip().to_string(), "127.0.0.53", "its own address");
        said.insert((tx.flow.server, u16::try_from(tx.offset).unwrap(), tx.flow.client));
    }
    assert_eq!(said, world.seen().into_iter().collect(), "flow and id are those that the servers saw");

    let (_, response) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!((response.resolved.upstream_queries, telemetry.take().len(), world.questions()), (0, 0, 3));
}

#[tokio::test]
async fn questions_are_children_of_the_query_that_caused_them() {
    let world = World::usual().await;
    let (resolver, telemetry) = resolver(&world);
    let query = crate::query("api.myshop.com.", RecordType::A).to_vec().unwrap();
    let trace = resolver.query_trace();
    resolver.respond(&query, Transport::Udp, &trace).await.unwrap();
    let spans = telemetry.take();
    assert_eq!(spans.len(), 3);
    assert!(
        spans.iter().all(|span| (span.trace_id, span.parent) == (trace.trace_id(), Some(trace.span_id())))
    );
}

#[tokio::test]
async fn ttls_count_down_and_run_out() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    resolve(&resolver, "brief.myshop.com.", RecordType::A).await;
    hop::wait::until("a smaller TTL", LIMIT, async || {
        let (_, response) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
        (response.resolved.upstream_queries == 0 && response.resolved.ttl < Some(300)).then_some(())
    })
    .await
    .unwrap();
    hop::wait::until("a record of one second to expire", LIMIT, async || {
        (resolve(&resolver, "brief.myshop.com.", RecordType::A).await.1.resolved.upstream_queries == 1)
            .then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn no_is_remembered_too_as_long_as_the_soa_allows() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    for (name, kind, code) in [
        ("nope.myshop.com.", RecordType::A, ResponseCode::NXDomain),
        ("api.myshop.com.", RecordType::AAAA, ResponseCode::NoError),
        ("nothing.org.", RecordType::A, ResponseCode::NXDomain),
    ] {
        for cold in [true, false] {
            let (reply, response) = resolve(&resolver, name, kind).await;
            assert_eq!(reply.response_code, code, "{name}");
            assert!(reply.answers.is_empty());
            assert_eq!(reply.authorities.len(), 1, "{name}: the SOA");
            assert_eq!(reply.authorities[0].record_type(), RecordType::SOA);
            assert!(
                response.resolved.ttl.unwrap() <= 60,
                "{name}: {:?} s, MINIMUM is 60",
                response.resolved.ttl
            );
            assert_eq!(response.resolved.upstream_queries > 0, cold, "{name}");
        }
    }
}

#[tokio::test]
async fn aliases_are_followed_also_where_the_server_stops() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    for name in ["www.myshop.com.", "hop.myshop.com."] {
        let (reply, _) = resolve(&resolver, name, RecordType::A).await;
        let expected = [format!("{name} CNAME api.myshop.com."), "api.myshop.com. A 127.0.113.50".to_owned()];
        assert_eq!(data(&reply.answers), expected);
    }
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let world = World::usual().await;
    let (resolver, telemetry) = resolver(&world);
    let (reply, response) = resolve(&resolver, "big.myshop.com.", RecordType::A).await;
    assert_eq!((reply.answers.len(), response.resolved.upstream_queries), (100, 4));
    let spans = telemetry.take();
    let stream = spans
        .iter()
        .find(|span| span.text(attribute::NETWORK_TRANSPORT) == Some("tcp"))
        .expect("a TCP question");
    let tx = stream.stamp(Direction::Request, Event::Tx).unwrap();
    let wake = stream.stamp(Direction::Response, Event::Wake).unwrap();
    assert_eq!(tx.flow.transport, Transport::Tcp);
    assert!(
        tx.offset > 12 && wake.offset > 1600,
        "offsets count bytes on TCP: {} {}",
        tx.offset,
        wake.offset
    );
}

#[tokio::test]
async fn a_flush_forgets_everything() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    for _ in 0..2 {
        assert_eq!(resolve(&resolver, "api.myshop.com.", RecordType::A).await.1.resolved.upstream_queries, 3);
        assert_eq!(resolve(&resolver, "api.myshop.com.", RecordType::A).await.1.resolved.upstream_queries, 0);
        resolver.flush();
    }
}
