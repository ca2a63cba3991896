//! Many at once: who asks the same shares, and who waits holds nobody up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use hop::clock;

use crate::fake::{Fake, SHOP, World, negative, shop};
use crate::{LIMIT, resolve, resolver};

const ONE: &[(&str, std::net::IpAddr)] = &[("ns1.myshop.com.", SHOP)];

#[tokio::test]
async fn the_same_cold_question_from_a_hundred_clients_is_asked_once() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    let queries = (0..100).map(|_| resolve(&resolver, "api.myshop.com.", RecordType::A));
    let answers = join_all(queries).await;
    assert!(answers.iter().all(|(reply, _)| reply.answers.len() == 1));
    assert_eq!(world.questions(), 3);
    let of = |cache| answers.iter().filter(|(_, response)| response.resolved.cache == cache).count();
    assert_eq!((of("miss"), of("shared"), of("hit")), (1, 99, 0));
}

#[tokio::test]
async fn a_hundred_cold_names_of_one_zone_ask_the_way_once() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    let names: Vec<String> = (0..100).map(|n| format!("n{n}.myshop.com.")).collect();
    join_all(names.iter().map(|name| resolve(&resolver, name, RecordType::A))).await;
    let counts: Vec<usize> = world.0.iter().map(Fake::count).collect();
    assert_eq!(counts, [1, 1, 100]);
}

#[tokio::test]
async fn four_hundred_questions_come_from_as_many_ports_with_as_many_ids() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    let names: Vec<String> = (0..400).map(|n| format!("n{n}.myshop.com.")).collect();
    let answers = join_all(names.iter().map(|name| resolve(&resolver, name, RecordType::A))).await;
    assert!(answers.iter().all(|(reply, _)| reply.response_code == ResponseCode::NoError));
    let (mut ports, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for (_, id, client) in world.seen() {
        ports.insert(client.port());
        ids.insert(id);
    }
    // Of 403 random ids of 16 bits, one or two meet by chance; the sockets are open side by side.
    assert!(ports.len() >= 395 && ids.len() >= 395, "{} ports, {} ids", ports.len(), ids.len());
}

#[tokio::test]
async fn slow_questions_keep_no_cached_answer_waiting_and_no_other_zone_out() {
    let mut world = World::with_shops(ONE).await;
    let slow = |query: &hickory_proto::op::Message| match query.queries[0].name.to_ascii().starts_with("slow")
    {
        true => Vec::new(),
        false => vec![shop(query)],
    };
    world.0.push(Fake::start(SHOP, Arc::new(slow)).await);
    let (resolver, _) = resolver(&world);
    resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    let names: Vec<String> = (0..2_000).map(|n| format!("slow{n}.myshop.com.")).collect();
    let slow = join_all(names.iter().map(|name| resolve(&resolver, name, RecordType::A)));
    let others = async {
        hop::wait::until("five hundred to wait for the server", LIMIT, async || {
            (world.0[2].count() >= 500).then_some(())
        })
        .await
        .unwrap();
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let begun = clock::monotonic();
            let (reply, response) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
            assert_eq!((reply.answers.len(), response.resolved.cache), (1, "hit"));
            slowest = slowest.max(clock::since(begun));
        }
        // Not in the cache, but com. is well.
        let (reply, response) = resolve(&resolver, "elsewhere.com.", RecordType::A).await;
        assert_eq!((reply.response_code, response.resolved.upstream_queries), (ResponseCode::NXDomain, 1));
        slowest
    };
    let (answers, slowest) = futures_util::future::join(slow, others).await;
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    assert!(answers.iter().all(|(reply, _)| reply.response_code == ResponseCode::ServFail));
    assert!(
        answers.iter().any(|(reply, _)| crate::reason(reply).contains("already")),
        "the surplus is told so"
    );
}

#[tokio::test]
async fn what_is_shared_may_be_a_no() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    let answers = join_all((0..20).map(|_| resolve(&resolver, "nope.myshop.com.", RecordType::A))).await;
    let expected =
        negative(&crate::query("nope.myshop.com.", RecordType::A), "myshop.com.", ResponseCode::NXDomain);
    for (reply, _) in answers {
        assert_eq!(reply.response_code, ResponseCode::NXDomain);
        assert_eq!(reply.authorities[0].data, expected.authorities[0].data);
    }
    assert_eq!(world.questions(), 3);
}
