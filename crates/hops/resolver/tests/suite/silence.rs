//! Name servers that do not answer: how long that takes, what is remembered of it, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hop::clock;
use journey::semconv::attribute;

use crate::fake::{Fake, SHOP, SHOP2, World, shop};
use crate::{LIMIT, data, reason, resolve, resolver};

const ONE: &[(&str, std::net::IpAddr)] = &[("ns1.myshop.com.", SHOP)];
const BOTH: &[(&str, std::net::IpAddr)] = &[("ns1.myshop.com.", SHOP), ("ns2.myshop.com.", SHOP2)];
const API: &str = "api.myshop.com.";

/// SERVFAIL with EDE 22 "No Reachable Authority" (RFC 8914 §4.23).
fn is_failure(reply: &Message) -> bool {
    let errors = dnswire::ExtendedError::all_of(reply);
    reply.response_code == ResponseCode::ServFail && errors.iter().any(|error| error.code == 22)
}

#[tokio::test]
async fn a_hung_server_costs_a_second_once_and_its_late_answer_ends_it_at_once() {
    let mut world = World::with_shops(ONE).await;
    let (hung, go_on) = Fake::stopped(SHOP, Arc::new(|query| vec![shop(query)])).await;
    world.0.push(hung);
    let (resolver, _) = resolver(&world);
    let begun = clock::monotonic();
    let (reply, response) = resolve(&resolver, API, RecordType::A).await;
    assert!(is_failure(&reply), "{reply:?}");
    assert!(clock::since(begun) < Duration::from_millis(1_500), "{:?}", clock::since(begun));
    assert_eq!(response.resolved.upstream_queries, 3);
    // Remembered (RFC 9520 §3.2), for this name and for others that need the same server.
    for name in [API, "www.myshop.com."] {
        let (reply, response) = resolve(&resolver, name, RecordType::A).await;
        assert!(is_failure(&reply));
        assert!(
            response.resolved.upstream_queries == 0,
            "{name}: {} questions",
            response.resolved.upstream_queries
        );
    }
    go_on.notify_one();
    hop::wait::until("the late answer to end the failure", Duration::from_millis(900), async || {
        (resolve(&resolver, API, RecordType::A).await.0.response_code == ResponseCode::NoError).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_failure_is_forgotten_after_a_second_even_without_news() {
    let mut world = World::with_shops(ONE).await;
    let silent = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&silent);
    let moody = move |query: &Message| match switch.load(Ordering::Relaxed) {
        true => Vec::new(),
        false => vec![shop(query)],
    };
    world.0.push(Fake::start(SHOP, Arc::new(moody)).await);
    let (resolver, _) = resolver(&world);
    assert!(is_failure(&resolve(&resolver, API, RecordType::A).await.0));
    let failed = clock::monotonic();
    silent.store(false, Ordering::Relaxed);
    hop::wait::until("the failure to be forgotten", LIMIT, async || {
        (resolve(&resolver, API, RecordType::A).await.0.response_code == ResponseCode::NoError).then_some(())
    })
    .await
    .unwrap();
    assert!(clock::since(failed) >= Duration::from_millis(900), "RFC 9520 §3.2: at least a second");
}

#[tokio::test]
async fn the_other_server_is_asked_while_the_first_is_silent_and_first_from_then_on() {
    let mut world = World::with_shops(BOTH).await;
    world.0.push(Fake::start(SHOP, Arc::new(|_| Vec::new())).await);
    world.0.push(Fake::start(SHOP2, Arc::new(|query| vec![shop(query)])).await);
    let (resolver, _) = resolver(&world);
    for _ in 0..4 {
        // Whoever is asked first.
        let begun = clock::monotonic();
        assert_eq!(
            data(&resolve(&resolver, API, RecordType::A).await.0.answers),
            ["api.myshop.com. A 127.0.113.50"]
        );
        assert!(clock::since(begun) < Duration::from_millis(900), "{:?}", clock::since(begun));
        resolver.flush();
    }
    // Once it is known to be silent, nobody waits for it any more.
    hop::wait::until("the silent server to be asked", LIMIT, async || {
        let before = world.0[2].count();
        resolver.flush();
        resolve(&resolver, API, RecordType::A).await;
        (world.0[2].count() > before).then_some(())
    })
    .await
    .unwrap();
    let patient = world.0[2].count();
    for name in ["www.myshop.com.", "hop.myshop.com.", "brief.myshop.com.", "nope.myshop.com."] {
        let (_, response) = resolve(&resolver, name, RecordType::A).await;
        assert!(response.resolved.upstream_queries > 0, "{name}");
    }
    let later = world.0[2].count();
    // What it was sent while the first question to it still ran: no more than two further sendings.
    assert!(later <= patient + 2, "{later} after {patient}");
}

#[tokio::test]
async fn a_dead_address_is_asked_once_per_resolution() {
    let mut world = World::with_shops(BOTH).await;
    world.0.push(Fake::dead(SHOP).await);
    world.0.push(Fake::dead(SHOP2).await);
    let (resolver, telemetry) = resolver(&world);
    let (reply, response) = resolve(&resolver, API, RecordType::A).await;
    assert!(is_failure(&reply));
    assert!(reason(&reply).contains("refused"), "{}", reason(&reply));
    assert_eq!(response.resolved.upstream_queries, 4, "root, com, and each of the two once");
    let spans = telemetry.take();
    let dead: Vec<_> = spans.iter().filter(|span| span.text(attribute::ERROR_TYPE).is_some()).collect();
    assert_eq!(dead.len(), 2);
    assert_ne!(dead[0].attribute(attribute::SERVER_PORT), dead[1].attribute(attribute::SERVER_PORT));
}
