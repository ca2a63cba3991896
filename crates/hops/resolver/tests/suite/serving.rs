use std::sync::Arc;

use clap::Parser as _;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hop::listen::Pair;
use hop::{CancellationToken, Hop};
use journey::semconv::attribute;
use journey::{Direction, Event, Kind};
use resolver::config::Settings;
use resolver::server::run;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::fake::{Fake, SHOP, World, shop};
use crate::{LIMIT, query, resolver};

#[tokio::test]
async fn both_sockets_answer_and_tell_what_the_cache_knew() {
    let world = World::usual().await;
    let (resolver, telemetry) = resolver(&world);
    let sockets = Pair::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = sockets.address().unwrap();
    let stop = CancellationToken::new();
    let hop = Hop::for_tests("resolver", telemetry.clone(), stop.clone());
    let running = tokio::spawn(run(sockets, None, resolver, hop));

    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    udp.connect(address).await.unwrap();
    let cold = query("big.myshop.com.", RecordType::A);
    udp.send(&cold.to_vec().unwrap()).await.unwrap();
    let mut buffer = [0; 4096];
    let length = tokio::time::timeout(LIMIT, udp.recv(&mut buffer)).await.expect("an answer").unwrap();
    let reply = Message::from_vec(&buffer[..length]).unwrap();
    assert!(reply.truncation && reply.answers.is_empty(), "100 addresses do not fit");

    // What the cache knows takes the other way through the receive loop, and is cut the same.
    udp.send(&cold.to_vec().unwrap()).await.unwrap();
    let length = tokio::time::timeout(LIMIT, udp.recv(&mut buffer)).await.expect("an answer").unwrap();
    assert_eq!(Message::from_vec(&buffer[..length]).unwrap(), reply);

    let mut tcp = TcpStream::connect(address).await.unwrap();
    let warm = query("big.myshop.com.", RecordType::A).to_vec().unwrap();
    tcp.write_u16(u16::try_from(warm.len()).unwrap()).await.unwrap();
    tcp.write_all(&warm).await.unwrap();
    let mut reply = vec![0; usize::from(tcp.read_u16().await.unwrap())];
    tcp.read_exact(&mut reply).await.unwrap();
    assert_eq!(Message::from_vec(&reply).unwrap().answers.len(), 100);

    stop.cancel();
    tokio::time::timeout(LIMIT, running).await.expect("an end").unwrap().unwrap();
    let spans = telemetry.take();
    let servers: Vec<_> = spans.iter().filter(|span| span.kind == Kind::Server).collect();
    let [by_udp, hit, by_tcp] = servers.as_slice() else { panic!("{} SERVER spans", servers.len()) };
    assert_eq!((hit.text(attribute::DNS_CACHE), hit.name.as_ref()), (Some("hit"), by_udp.name.as_ref()));
    let flow =
        |span: &journey::Span| span.stamp(Direction::Response, Event::Tx).map(|tx| (tx.flow, tx.offset));
    assert_eq!(flow(hit), flow(by_udp), "the same socket and id");
    assert_eq!(
        (by_udp.text(attribute::DNS_CACHE), by_tcp.text(attribute::DNS_CACHE)),
        (Some("miss"), Some("hit"))
    );
    assert_eq!(by_udp.attribute(attribute::DNS_UPSTREAM_QUERIES), Some(&4_i64.into()));
    assert_eq!(by_tcp.attribute(attribute::DNS_UPSTREAM_QUERIES), Some(&0_i64.into()));
    assert!(by_tcp.attribute(attribute::DNS_ANSWER_TTL).is_some());
    let children = spans.iter().filter(|span| span.parent == Some(by_udp.span_id)).count();
    assert_eq!(children, 4, "A com, A myshop, A big, A big over TCP");
    let wake = by_udp.stamp(Direction::Request, Event::Wake).unwrap();
    assert_eq!((wake.offset, wake.flow.client), (u64::from(cold.id), udp.local_addr().unwrap()));
    assert_eq!(wake.flow.server, address);
    let wake = by_tcp.stamp(Direction::Request, Event::Wake).unwrap();
    let tx = by_tcp.stamp(Direction::Response, Event::Tx).unwrap();
    assert_eq!((wake.offset, tx.offset), (2 + warm.len() as u64, 2 + reply.len() as u64));
}

#[tokio::test]
async fn a_slow_query_holds_up_no_cached_one_on_the_same_connection() {
    let mut world = World::with_shops(&[("ns1.myshop.com.", SHOP)]).await;
    let slow = |query: &Message| match query.queries[0].name.to_ascii().starts_with("slow") {
        true => Vec::new(),
        false => vec![shop(query)],
    };
    world.0.push(Fake::start(SHOP, Arc::new(slow)).await);
    let (resolver, telemetry) = resolver(&world);
    let sockets = Pair::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = sockets.address().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(run(sockets, None, resolver, Hop::for_tests("resolver", telemetry, stop.clone())));
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let (warm, slow) = (query("api.myshop.com.", RecordType::A), query("slow.myshop.com.", RecordType::A));
    let framed = |query: &Message| dnswire::framed(&query.to_vec().unwrap()).unwrap();
    tcp.write_all(&framed(&warm)).await.unwrap();
    let (reading, mut writing) = tcp.split();
    let mut frames = dnswire::Frames::new(reading);
    let mut next = async || {
        let reply = tokio::time::timeout(LIMIT, frames.next()).await.expect("an answer").unwrap().unwrap();
        Message::from_vec(&reply).unwrap()
    };
    assert_eq!(next().await.id, warm.id);
    // RFC 7766 §6.2.1.1: the answers come in the order in which they are known.
    writing.write_all(&[framed(&slow), framed(&warm)].concat()).await.unwrap();
    let (first, second) = (next().await, next().await);
    assert_eq!((first.id, second.id), (warm.id, slow.id));
    assert_eq!(second.response_code, ResponseCode::ServFail);
    stop.cancel();
}

/// Datagrams for this socket that the kernel had to drop, because it was not read in time (`/proc/net/udp`).
fn dropped(address: std::net::SocketAddr) -> u64 {
    let local = format!("{:08X}:{:04X}", u32::from_be(0x7f00_0001), address.port());
    let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
    let line = sockets.lines().find(|line| line.split_whitespace().nth(1) == Some(&local)).unwrap();
    line.split_whitespace().last().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_burst_of_slow_queries_costs_no_cached_one_its_response() {
    let mut world = World::with_shops(&[("ns1.myshop.com.", SHOP)]).await;
    let slow = |query: &Message| match query.queries[0].name.to_ascii().starts_with("slow") {
        true => Vec::new(),
        false => vec![shop(query)],
    };
    world.0.push(Fake::start(SHOP, Arc::new(slow)).await);
    let (resolver, _) = resolver(&world);
    crate::resolve(&resolver, "api.myshop.com.", RecordType::A).await;
    let sockets = Pair::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = sockets.address().unwrap();
    let stop = CancellationToken::new();
    let hop = Hop::for_tests("resolver", hop::Telemetry::off(), stop.clone());
    tokio::spawn(run(sockets, None, resolver, hop));
    // No more than fit into what the kernel grants, at 1,280 bytes each: it doubles what is set, for its own needs.
    let granted: usize =
        std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
    let names = (0..3_000.min(2 * granted / 1_280)).map(|n| format!("slow{n}.myshop.com."));
    let slow: Vec<Vec<u8>> = names.map(|name| query(&name, RecordType::A).to_vec().unwrap()).collect();
    let cached = query("api.myshop.com.", RecordType::A).to_vec().unwrap();
    // From a thread of its own, as fast as it can.
    let burst = move || {
        let client = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (many, few) = (client(), client());
        few.set_read_timeout(Some(LIMIT)).unwrap();
        for query in &slow {
            many.send_to(query, address).unwrap();
        }
        for _ in 0..3 {
            few.send_to(&cached, address).unwrap();
        }
        (0..3).filter(|_| few.recv(&mut [0; 512]).is_ok()).count()
    };
    let responses = tokio::task::spawn_blocking(burst).await.unwrap();
    assert_eq!((responses, dropped(address)), (3, 0));
    stop.cancel();
}

#[test]
fn settings_are_read_from_words() {
    let words = "resolver --roots 127.0.53.1,127.0.53.9 --name-server-port 53 --name-server-map 127.0.53.1=127.0.0.1:5301";
    let settings = Settings::try_parse_from(words.split(' ')).unwrap();
    assert_eq!((settings.roots.len(), settings.name_server_port), (2, 53));
    let servers = settings.servers();
    let at = |root: usize| servers.locate(settings.roots[root]).unwrap().to_string();
    assert_eq!((at(0), at(1)), ("127.0.0.1:5301".to_owned(), "127.0.53.9:53".to_owned()));
    assert_eq!(servers.own_end("127.0.53.9:53".parse().unwrap()).to_string(), "127.0.53.53:0");
    assert!(
        Settings::try_parse_from(["resolver", "--tls-cert", "x.pem"]).is_err(),
        "a certificate needs its key"
    );
    let error = Settings::try_parse_from(["resolver", "--name-server-map", "x"]).unwrap_err().to_string();
    assert!(error.contains("expected IP=IP:PORT"), "{error}");
}
