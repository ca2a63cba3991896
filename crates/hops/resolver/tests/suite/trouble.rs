use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use journey::Transport;
use journey::semconv::attribute;
use proptest::prelude::*;

use crate::fake::{COM, Fake, ROOT, SHOP, SHOP2, World, referral, reply, shop};
use crate::{data, query, reason, resolve, resolver};

const BOTH: &[(&str, std::net::IpAddr)] = &[("ns1.myshop.com.", SHOP), ("ns2.myshop.com.", SHOP2)];

#[tokio::test]
async fn a_dead_name_server_costs_no_timeout() {
    let mut world = World::with_shops(BOTH).await;
    world.0.push(Fake::dead(SHOP).await);
    world.0.push(Fake::start(SHOP2, Arc::new(|query| vec![shop(query)])).await);
    let (resolver, telemetry) = resolver(&world);
    // Which of the two is asked first is chance, so meet both orders.
    for _ in 0..8 {
        let (reply, _) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
        assert_eq!(data(&reply.answers), ["api.myshop.com. A 127.0.113.50"]);
        resolver.flush();
    }
    let spans = telemetry.take();
    let failed: Vec<_> = spans.iter().filter(|span| span.text(attribute::ERROR_TYPE).is_some()).collect();
    assert!(!failed.is_empty(), "the dead one was asked at least once");
    for span in failed {
        assert!(
            span.end - span.start < 400_000_000,
            "{} ns is a timeout, not a refusal",
            span.end - span.start
        );
    }
}

#[tokio::test]
async fn when_all_are_dead_the_answer_says_who() {
    let world = World(vec![Fake::dead(ROOT).await]);
    let (resolver, _) = resolver(&world);
    let (reply, _) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!(reply.response_code, ResponseCode::ServFail);
    let reason = reason(&reply);
    assert!(reason.contains(&world.0[0].socket.to_string()) && reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_silent_name_server_is_asked_three_times_and_then_given_up() {
    let mut world = World::with_shops(&[("ns1.myshop.com.", SHOP)]).await;
    world.0.push(Fake::start(SHOP, Arc::new(|_| Vec::new())).await);
    let (resolver, telemetry) = resolver(&world);
    let (reply, _) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!(reply.response_code, ResponseCode::ServFail);
    assert!(reason(&reply).contains("timed out"), "{}", reason(&reply));
    let spans = telemetry.take();
    let silent = spans.iter().find(|span| span.text(attribute::ERROR_TYPE).is_some()).unwrap();
    assert_eq!(silent.attribute(attribute::DNS_RESEND_COUNT), Some(&2_i64.into()));
    assert_eq!(silent.stamps.len(), 1, "it was sent; nothing came back");
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    let mut world = World::with_shops(&[("ns1.myshop.com.", SHOP)]).await;
    let first = std::sync::atomic::AtomicBool::new(true);
    let lossy = move |query: &Message| match first.swap(false, std::sync::atomic::Ordering::Relaxed) {
        true => Vec::new(),
        false => vec![shop(query)],
    };
    world.0.push(Fake::start(SHOP, Arc::new(lossy)).await);
    let (resolver, _) = resolver(&world);
    let (reply, response) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!(reply.answers.len(), 1);
    assert_eq!((response.resolved.upstream_queries, world.questions()), (3, 4));
}

#[tokio::test]
async fn a_lame_name_server_is_passed_over() {
    for code in [ResponseCode::Refused, ResponseCode::ServFail, ResponseCode::NotImp] {
        let mut world = World::with_shops(BOTH).await;
        world.0.push(Fake::start(SHOP, Arc::new(move |query| vec![reply(query, code)])).await);
        world.0.push(Fake::start(SHOP2, Arc::new(|query| vec![shop(query)])).await);
        let (resolver, _) = resolver(&world);
        for _ in 0..4 {
            let (reply, _) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
            assert_eq!(reply.answers.len(), 1, "{code:?}");
            resolver.flush();
        }
    }
}

#[tokio::test]
async fn a_circle_of_aliases_or_of_delegations_ends() {
    let world = World::usual().await;
    let (circle, _) = resolver(&world);
    let (reply, response) = resolve(&circle, "loop1.myshop.com.", RecordType::A).await;
    assert_eq!(reply.response_code, ResponseCode::ServFail);
    assert!(response.resolved.upstream_queries < 64, "{} questions", response.resolved.upstream_queries);

    // A server of com. that says: for com., ask the root; and the root: ask me.
    let up = |query: &Message| vec![referral(query, "com.", &[("a.gtld-servers.net.", COM)])];
    let world = World(vec![Fake::start(ROOT, Arc::new(up)).await, Fake::start(COM, Arc::new(up)).await]);
    let (resolver, _) = resolver(&world);
    let (reply, response) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_ne!(reply.response_code, ResponseCode::NXDomain);
    assert!(
        reply.answers.is_empty() && response.resolved.upstream_queries < 64,
        "{} questions",
        response.resolved.upstream_queries
    );
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_on_this_machine() {
    // com. names a server whose address the map does not know.
    let world = World::with_shops(&[("ns1.myshop.com.", SHOP)]).await;
    let (resolver, telemetry) = resolver(&world);
    let (reply, _) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!(reply.response_code, ResponseCode::ServFail);
    let reason = reason(&reply);
    assert!(reason.contains("203.0.113.53") && reason.contains("not on this machine"), "{reason}");
    assert!(telemetry.take().iter().all(|span| span.stamps[0].flow.server.ip().is_loopback()));
}

#[tokio::test]
async fn forged_and_stray_answers_do_not_count() {
    let mut world = World::with_shops(&[("ns1.myshop.com.", SHOP)]).await;
    let forger = |query: &Message| {
        let mut other_id = shop(query);
        other_id.metadata.id ^= 1;
        let mut other_question = reply(query, ResponseCode::NXDomain);
        other_question.queries[0].name = "other.myshop.com.".parse().unwrap();
        vec![other_id, other_question, query.clone(), shop(query)]
    };
    world.0.push(Fake::start(SHOP, Arc::new(forger)).await);
    let (resolver, _) = resolver(&world);
    let (reply, response) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!((reply.answers.len(), response.resolved.upstream_queries), (1, 3), "{reply:?}");
}

#[tokio::test]
async fn without_rd_or_for_whole_zones_it_refuses() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    assert_eq!(
        resolve(&resolver, "myshop.com.", RecordType::AXFR).await.0.response_code,
        ResponseCode::Refused
    );
    let mut iterative = query("api.myshop.com.", RecordType::A);
    iterative.metadata.recursion_desired = false;
    let trace = resolver.query_trace();
    let response = resolver.respond(&iterative.to_vec().unwrap(), Transport::Udp, &trace).await.unwrap();
    assert_eq!(response.code, ResponseCode::Refused);
    assert_eq!(world.questions(), 0);
}

#[tokio::test]
async fn many_clients_at_once_are_all_answered() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    let queries = (0..200)
        .map(|_| async { resolve(&resolver, "api.myshop.com.", RecordType::A).await.0.answers.len() });
    let answers: Vec<usize> = futures_util::future::join_all(queries).await;
    assert!(answers.iter().all(|count| *count == 1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World(vec![Fake::dead(ROOT).await]);
            let (resolver, _) = resolver(&world);
            let _ = resolver.respond(&bytes, Transport::Udp, &resolver.query_trace()).await;
        });
    }
}
