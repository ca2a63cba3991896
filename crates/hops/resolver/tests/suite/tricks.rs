//! Name servers that are simple-minded, old, or up to something.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, NS};
use hickory_proto::rr::{RData, RecordType};
use tokio::net::UdpSocket;

use crate::fake::{
    COM, Fake, ROOT, SHOP, SHOP2, World, below, name, negative, positive, record, referral, reply, shop,
};
use crate::{data, resolve, resolver};

const ONE: &[(&str, IpAddr)] = &[("ns1.myshop.com.", SHOP)];

fn address(owner: &str) -> hickory_proto::rr::Record {
    record(owner, 300, RData::A(A::new(127, 0, 113, 50)))
}

async fn shop_that(answer: impl Fn(&Message) -> Vec<Message> + Send + Sync + 'static) -> World {
    let mut world = World::with_shops(ONE).await;
    world.0.push(Fake::start(SHOP, Arc::new(answer)).await);
    world
}

#[tokio::test]
async fn a_denied_or_refused_probe_is_no_word_on_the_name() {
    // Names between the zone and a name exist even without records (RFC 8020 §2); some servers do not know.
    for code in [ResponseCode::NXDomain, ResponseCode::Refused, ResponseCode::ServFail] {
        let world = shop_that(move |query| match query.queries[0].name.to_ascii().as_str() {
            "deep.in.the.myshop.com." => vec![positive(query, vec![address("deep.in.the.myshop.com.")])],
            _ => vec![negative(query, "myshop.com.", code)],
        })
        .await;
        let (resolver, _) = resolver(&world);
        let (answer, response) = resolve(&resolver, "deep.in.the.myshop.com.", RecordType::A).await;
        assert_eq!(data(&answer.answers), ["deep.in.the.myshop.com. A 127.0.113.50"], "{code:?}");
        assert_eq!(response.resolved.upstream_queries, 4, "A com, A myshop.com, A the, and then all of it");
        // Nor is what is remembered of the probe.
        let (answer, _) = resolve(&resolver, "the.myshop.com.", RecordType::A).await;
        assert_ne!(answer.response_code, ResponseCode::NoError);
        resolver.flush();
        resolve(&resolver, "the.myshop.com.", RecordType::A).await;
        let (answer, _) = resolve(&resolver, "deep.in.the.myshop.com.", RecordType::A).await;
        assert_eq!(answer.answers.len(), 1, "{code:?}");
    }
}

#[tokio::test]
async fn a_name_of_many_labels_takes_ten_questions_at_most() {
    for labels in [23, 60, 120] {
        let owner = format!("{}myshop.com.", "x.".repeat(labels - 2));
        let known = name(&owner);
        let world = shop_that(move |query| match query.queries[0].name == known {
            true => {
                vec![positive(query, vec![record(&known.to_ascii(), 60, RData::A(A::new(127, 0, 0, 1)))])]
            }
            false => vec![negative(query, "myshop.com.", ResponseCode::NoError)],
        })
        .await;
        let (resolver, _) = resolver(&world);
        let (answer, response) = resolve(&resolver, &owner, RecordType::A).await;
        assert_eq!(answer.answers.len(), 1, "{labels} labels: {answer:?}");
        assert!(
            response.resolved.upstream_queries <= 10,
            "{labels} labels: {} questions",
            response.resolved.upstream_queries
        );
    }
}

#[tokio::test]
async fn a_no_keeps_the_aliases_that_led_to_it() {
    let world = World::usual().await;
    let (resolver, _) = resolver(&world);
    for (owner, kind, code, to) in [
        ("dangling.myshop.com.", RecordType::A, ResponseCode::NXDomain, "nope"),
        ("typeless.myshop.com.", RecordType::AAAA, ResponseCode::NoError, "api"),
    ] {
        for cold in [true, false] {
            let (answer, response) = resolve(&resolver, owner, kind).await;
            assert_eq!(answer.response_code, code);
            assert_eq!(data(&answer.answers), [format!("{owner} CNAME {to}.myshop.com.")]);
            assert_eq!(answer.authorities[0].record_type(), RecordType::SOA);
            assert_eq!(response.resolved.upstream_queries > 0, cold);
        }
    }
}

#[tokio::test]
async fn who_knows_no_edns_is_asked_again_without() {
    for code in [ResponseCode::FormErr, ResponseCode::NotImp] {
        let world = shop_that(move |query| match query.edns.is_some() {
            // Before EDNS, a server could not even repeat such a question.
            true => vec![Message::error_msg(query.id, query.op_code, code)],
            false => vec![shop(query)],
        })
        .await;
        let (resolver, _) = resolver(&world);
        let (answer, response) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
        assert_eq!((answer.answers.len(), response.resolved.upstream_queries), (1, 4), "{code:?}");
        let (_, response) = resolve(&resolver, "www.myshop.com.", RecordType::A).await;
        assert_eq!(response.resolved.upstream_queries, 1, "{code:?}: that is remembered");
    }
}

#[tokio::test]
async fn circles_take_four_questions_at_most() {
    let world = World::usual().await;
    let (circle, _) = resolver(&world);
    for cold in [true, false] {
        let (answer, response) = resolve(&circle, "loop1.myshop.com.", RecordType::A).await;
        assert_eq!(answer.response_code, ResponseCode::ServFail);
        assert!(
            response.resolved.upstream_queries <= if cold { 4 } else { 0 },
            "{} questions",
            response.resolved.upstream_queries
        );
    }
    // a.com. is served by ns.b.com. only, and b.com. by ns.a.com.
    let root = |query: &Message| vec![referral(query, "com.", &[("a.gtld-servers.net.", COM)])];
    let com = |query: &Message| {
        let mut refer = reply(query, ResponseCode::NoError);
        let (zone, server) =
            if below("a.com.", query) { ("a.com.", "ns.b.com.") } else { ("b.com.", "ns.a.com.") };
        refer.authorities.push(record(zone, 60, RData::NS(NS(name(server)))));
        vec![refer]
    };
    let world = World(vec![Fake::start(ROOT, Arc::new(root)).await, Fake::start(COM, Arc::new(com)).await]);
    let (resolver, _) = resolver(&world);
    let (answer, response) = resolve(&resolver, "www.a.com.", RecordType::A).await;
    assert_eq!(answer.response_code, ResponseCode::ServFail);
    assert!(response.resolved.upstream_queries <= 4, "{} questions", response.resolved.upstream_queries);
}

#[tokio::test]
async fn a_chain_of_eleven_aliases_is_followed_and_a_longer_one_is_not() {
    let world = shop_that(|query| {
        let owner = query.queries[0].name.to_ascii();
        match owner.strip_prefix('c').and_then(|rest| rest.strip_suffix(".myshop.com.")?.parse::<u32>().ok())
        {
            Some(0) => vec![positive(query, vec![address(&owner)])],
            Some(n) => {
                let next = name(&format!("c{}.myshop.com.", n - 1));
                vec![positive(query, vec![record(&owner, 60, RData::CNAME(CNAME(next)))])]
            }
            None => vec![shop(query)],
        }
    })
    .await;
    let (resolver, _) = resolver(&world);
    let (answer, _) = resolve(&resolver, "c11.myshop.com.", RecordType::A).await;
    assert_eq!(answer.answers.len(), 12);
    resolver.flush();
    let (answer, response) = resolve(&resolver, "c500.myshop.com.", RecordType::A).await;
    assert_eq!(answer.response_code, ResponseCode::ServFail);
    assert!(response.resolved.upstream_queries <= 24, "{} questions", response.resolved.upstream_queries);
}

#[tokio::test]
async fn a_zone_with_a_thousand_servers_without_addresses_causes_24_questions_at_most() {
    let victim = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&victim);
    let root = |query: &Message| vec![referral(query, "com.", &[("a.gtld-servers.net.", COM)])];
    let com = move |query: &Message| {
        let mut refer = reply(query, ResponseCode::NoError);
        if below("attacker.com.", query) {
            for n in 0..1_000 {
                let server = name(&format!("n{n}.victim.com."));
                refer.authorities.push(record("attacker.com.", 60, RData::NS(NS(server))));
            }
        } else if below("victim.com.", query) {
            count.fetch_add(1, Ordering::Relaxed);
            refer = referral(query, "victim.com.", &[("ns.victim.com.", SHOP)]);
        }
        vec![refer]
    };
    let world = World(vec![
        Fake::start(ROOT, Arc::new(root)).await,
        Fake::start(COM, Arc::new(com)).await,
        Fake::start(SHOP, Arc::new(|query| vec![negative(query, "victim.com.", ResponseCode::NXDomain)]))
            .await,
    ]);
    let (resolver, _) = resolver(&world);
    let (answer, response) = resolve(&resolver, "x.attacker.com.", RecordType::A).await;
    assert_eq!(answer.response_code, ResponseCode::ServFail);
    assert!(
        response.resolved.upstream_queries <= 24 && world.questions() <= 24,
        "{} questions",
        world.questions()
    );
    assert_eq!(victim.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_server_without_glue_is_looked_up() {
    let root = |query: &Message| vec![referral(query, "com.", &[("a.gtld-servers.net.", COM)])];
    let com = |query: &Message| {
        if below("myshop.com.", query) {
            return vec![referral(query, "myshop.com.", &[("ns1.myshop.com.", SHOP)])];
        }
        let mut refer = reply(query, ResponseCode::NoError);
        refer.authorities.push(record("other.com.", 60, RData::NS(NS(name("dns.myshop.com.")))));
        // Glue that com. could give, but for a name that is not asked about and with a lie in it.
        refer.additionals.push(record("www.bank.org.", 60, RData::A(A::new(127, 6, 6, 6))));
        vec![refer]
    };
    let shop = |query: &Message| match query.queries[0].name.to_ascii().as_str() {
        "dns.myshop.com." => {
            let IpAddr::V4(other) = SHOP2 else { unreachable!() };
            vec![positive(query, vec![record("dns.myshop.com.", 60, RData::A(A(other)))])]
        }
        _ => vec![shop(query)],
    };
    let other = |query: &Message| vec![positive(query, vec![address(&query.queries[0].name.to_ascii())])];
    let world = World(vec![
        Fake::start(ROOT, Arc::new(root)).await,
        Fake::start(COM, Arc::new(com)).await,
        Fake::start(SHOP, Arc::new(shop)).await,
        Fake::start(SHOP2, Arc::new(other)).await,
    ]);
    let (resolver, _) = resolver(&world);
    let (answer, response) = resolve(&resolver, "api.other.com.", RecordType::A).await;
    assert_eq!(data(&answer.answers), ["api.other.com. A 127.0.113.50"]);
    assert_eq!(response.resolved.upstream_queries, 5, "A com, A other, A myshop, A dns.myshop, A api.other");
}

#[tokio::test]
async fn glue_and_what_a_server_says_of_others_answer_no_client() {
    // com. gives a wrong address as glue, and the shop a wrong one for a name of another zone.
    let world = shop_that(|query| {
        let mut answer = shop(query);
        if query.queries[0].name == name("api.myshop.com.") {
            answer.answers.push(address("elsewhere.com."));
            answer.additionals.push(address("elsewhere.com."));
            answer.authorities.push(record("com.", 60, RData::NS(NS(name("ns1.myshop.com.")))));
        }
        vec![answer]
    })
    .await;
    let (resolver, _) = resolver(&world);
    let (answer, _) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!(data(&answer.answers), ["api.myshop.com. A 127.0.113.50"]);
    let (glue, response) = resolve(&resolver, "ns1.myshop.com.", RecordType::A).await;
    assert!(
        glue.answers.is_empty() && response.resolved.upstream_queries == 1,
        "its own zone says that there is none"
    );
    let (answer, response) = resolve(&resolver, "elsewhere.com.", RecordType::A).await;
    assert_eq!(
        (answer.response_code, response.resolved.upstream_queries),
        (ResponseCode::NXDomain, 1),
        "com. is asked"
    );
    assert_eq!(world.0[1].count(), 2);
}

#[tokio::test]
async fn an_answer_from_another_port_than_the_one_asked_does_not_count() {
    let elsewhere = Arc::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let mut world = World::with_shops(ONE).await;
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let socket = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = udp.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let forged =
                positive(&query, vec![record("api.myshop.com.", 300, RData::A(A::new(127, 6, 6, 6)))]);
            elsewhere.send_to(&forged.to_vec().unwrap(), peer).unwrap();
            udp.send_to(&shop(&query).to_vec().unwrap(), peer).await.unwrap();
        }
    });
    world.0.push(Fake { address: SHOP, socket, seen: Arc::default() });
    let (resolver, _) = resolver(&world);
    let (answer, _) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!(data(&answer.answers), ["api.myshop.com. A 127.0.113.50"]);
}

#[tokio::test]
async fn first_and_later_clients_get_the_same_ttl() {
    let world = shop_that(|query| {
        let owner = query.queries[0].name.to_ascii();
        let one = record(&owner, 400_000, RData::A(A::new(127, 0, 0, 1)));
        let two = record(&owner, u32::MAX, RData::A(A::new(127, 0, 0, 2)));
        vec![positive(query, vec![one, two])]
    })
    .await;
    let (resolver, _) = resolver(&world);
    let (first, _) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!(first.answers.iter().map(|record| record.ttl).collect::<Vec<_>>(), [86_400, 86_400]);
    let (later, response) = resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    assert_eq!(response.resolved.cache, "hit");
    assert!(later.answers.iter().all(|record| (86_390..=86_400).contains(&record.ttl)), "{later:?}");
}
