//! Garbage on every port of a running lab: no program dies, none grows, and the next request succeeds.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use hop::admin::Secret;
use hyper::{Method, StatusCode};
use lab::browser::{Browser, Request};
use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use tests::fixture::Fixture;
use tests::programs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::process::Command;

use super::process::Process;

/// How much a program may grow by all of this, in bytes.
const GROWTH: u64 = 64 << 20;
/// How long a program may hold on to a connection whose client has said all it will.
const LET_GO: Duration = Duration::from_secs(30);
/// Connections opened and closed, one after the other and all at once.
const CROWD: usize = 200;
/// Half requests that stay open on each port while the others go on.
const HELD: usize = 10;
/// Datagrams to each name server.
const DATAGRAMS: usize = 500;

/// The first bytes of a TLS 1.2 record that announces a ClientHello of 508 bytes (RFC 8446 §5.1).
const HALF_HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4];

/// What is sent to each port, by name.
fn messages(random: &mut SmallRng) -> Vec<(&'static str, Vec<u8>)> {
    let mut noise = vec![0; 16 << 10];
    random.fill_bytes(&mut noise);
    let header = |size: usize| [b"GET / HTTP/1.1\r\nhost: x\r\nx: ".as_slice(), &vec![b'a'; size]].concat();
    let request = |text: &str| text.replace('\n', "\r\n").into_bytes();
    vec![
        ("nothing", Vec::new()),
        ("one byte", vec![0xff]),
        ("random bytes", noise),
        ("half a TLS hello", HALF_HELLO.to_vec()),
        ("1 MiB of zeros", vec![0; 1 << 20]),
        ("1 MiB of 0xff", vec![0xff; 1 << 20]),
        ("a header of 1 MiB", header(1 << 20)),
        ("many headers", [b"GET / HTTP/1.1\r\n".as_slice(), &b"a: b\r\n".repeat(20_000)].concat()),
        ("a body that is longer than said", request("POST / HTTP/1.1\nhost: x\ncontent-length: 1\n\nabcdef")),
        ("two lengths", request("POST / HTTP/1.1\nhost: x\ncontent-length: 1\ncontent-length: 2\n\nab")),
        (
            "an endless chunk",
            request("POST / HTTP/1.1\nhost: x\ntransfer-encoding: chunked\n\nffffffffffffffff\nab"),
        ),
        ("an unknown method", request("NONSENSE * HTTP/9.9\n\n")),
        (
            "HTTP/2 and then noise",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        ),
        ("a huge RESP array", b"*2147483647\r\n$2147483647\r\n".to_vec()),
        ("deep RESP arrays", b"*1\r\n".repeat(100_000)),
        ("a huge Kafka request", [&0x7fff_ffff_u32.to_be_bytes()[..], &[0, 0, 0, 9, 0, 0, 0, 1]].concat()),
        ("a Kafka request full of counts", [&64_u32.to_be_bytes()[..], &[0x7f; 64]].concat()),
        ("a DNS message of nothing but a length", vec![0xff, 0xff]),
        ("DNS with 65535 questions", [&[0, 12, 1, 2, 1, 0][..], &[0xff; 8]].concat()),
    ]
}

/// Says something and closes its side; waits until the program has closed the other.
async fn say(to: SocketAddr, bytes: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(to).await?;
    // A program that hangs up in the middle is right.
    let said = async {
        stream.write_all(bytes).await?;
        stream.shutdown().await
    };
    match tokio::time::timeout(LET_GO, said).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Ok(()),
        Err(_) => return Err(std::io::Error::other("takes no more bytes and does not hang up")),
    }
    let mut answer = vec![0; 64 << 10];
    let closed = async { while stream.read(&mut answer).await.is_ok_and(|length| length > 0) {} };
    match tokio::time::timeout(LET_GO, closed).await {
        Ok(()) => Ok(()),
        Err(_) => Err(std::io::Error::other("holds on to a connection that its client has closed")),
    }
}

/// Opens many connections, all at once and then one after the other, and says nothing.
async fn crowd(to: SocketAddr) -> std::io::Result<()> {
    let mut open = Vec::with_capacity(CROWD);
    for _ in 0..CROWD {
        open.push(TcpStream::connect(to).await?);
    }
    drop(open);
    for _ in 0..CROWD {
        drop(TcpStream::connect(to).await?);
    }
    Ok(())
}

/// Begins requests that never end; they stay open as long as the result lives.
async fn hold(to: SocketAddr) -> std::io::Result<Vec<TcpStream>> {
    let begun: [&[u8]; 4] =
        [b"POST /cart/items HTTP/1.1\r\nhost: ", HALF_HELLO, b"*3\r\n$3\r\nSE", &[0, 0, 1]];
    let mut held = Vec::with_capacity(HELD);
    for bytes in begun.iter().cycle().take(HELD) {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(bytes).await?;
        held.push(stream);
    }
    Ok(held)
}

/// Datagrams that are no questions, questions that say they are answers, and lengths that lie.
async fn datagrams(to: SocketAddr, random: &mut SmallRng) -> std::io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    for _ in 0..DATAGRAMS {
        let mut bytes = vec![0; random.random_range(0..1400)];
        random.fill_bytes(&mut bytes);
        // Half of them look like questions at first.
        if let (true, Some(head)) = (random.random(), bytes.first_chunk_mut::<12>()) {
            *head = [head[0], head[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        }
        socket.send_to(&bytes, to).await?;
    }
    Ok(())
}

/// Sends bytes behind a good TLS handshake, which only openssl makes as rudely as this needs.
async fn say_in_tls(to: SocketAddr, protocol: &str, bytes: &[u8]) -> std::io::Result<()> {
    let openssl = programs::find("openssl").expect("openssl");
    let mut command = Command::new(openssl);
    command.args(["s_client", "-quiet", "-no_ign_eof", "-alpn", protocol, "-connect", &to.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut client = command.spawn()?;
    let mut stdin = client.stdin.take().expect("it is piped");
    let said = async {
        // The server may hang up in the middle, and openssl with it.
        let _ = stdin.write_all(bytes).await;
        drop(stdin);
        client.wait().await.map(drop)
    };
    let late = || std::io::Error::other("holds on to a TLS connection that its client has closed");
    tokio::time::timeout(LET_GO, said).await.unwrap_or_else(|_| Err(late()))
}

/// A Service's endpoints are set over its admin port: nonsense must change nothing.
async fn wrong_endpoints(admin: SocketAddr, secret: &Secret) {
    let deep = "[".repeat(100_000);
    let long = format!("[\"{}\"]", "x".repeat(1 << 20));
    for body in ["", "x", "{}", "[1]", "[\"x\"]", "[\"127.0.0.1\"]", "\"127.0.0.1:1\"", &deep, &long] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let begin = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        // To hang up on a body that is too long is an answer, too.
        if let Ok(reply) =
            hop::admin::client::request(admin, Method::PUT, "/endpoints", body, Some(secret), LET_GO).await
        {
            assert!(reply.status.is_client_error(), "PUT /endpoints {begin}…: {}", reply.status);
        }
    }
}

async fn order(lab: &Fixture, browser: &mut Browser) -> StatusCode {
    browser.forget().expect("the CA is there");
    lab::measure::flush_resolver(&lab.target().expect("what to measure"))
        .await
        .expect("empty the resolver's cache");
    browser.send(&Request::add_item("PROD-123", 1)).await.expect("an answer").status
}

#[tokio::test]
async fn garbage_on_every_port_brings_nothing_down() {
    let mut lab = Fixture::start("garbage").await.expect("start the lab");
    let mut browser = Browser::new(lab.target().expect("what to measure").browser).expect("the CA is there");
    assert_eq!(order(&lab, &mut browser).await, StatusCode::CREATED);
    let process = |hop: &str| lab.pid(hop).and_then(|pid| Process::of(pid, hop)).expect("it runs");
    let before: Vec<(Process, u64)> = lab
        .plan()
        .hops()
        .map(|(_, hop)| process(&hop.name))
        .map(|process| (process.clone(), process.resident().expect("it runs")))
        .collect();

    let mut ports: Vec<(String, SocketAddr)> = Vec::new();
    let mut name_servers = Vec::new();
    for (_, hop) in lab.plan().hops() {
        ports
            .extend(hop.binds().into_iter().map(|(key, address)| (format!("{}'s {key}", hop.name), address)));
        name_servers.extend(Some(hop.listen).filter(|_| hop.role().speaks_dns()));
    }
    let collector = lab.collector().endpoint();
    let collector = collector.strip_prefix("http://").and_then(|address| address.parse().ok());
    ports.push(("the lab's collector".to_owned(), collector.expect("an address")));
    assert!(ports.len() > 30, "{ports:?}");

    // The same seed each time, so that a failure can be had again.
    let mut random = SmallRng::seed_from_u64(20_260_101);
    let messages = messages(&mut random);
    let mut held = Vec::new();
    let mut wrong = Vec::new();
    for (name, address) in &ports {
        let mut note = |what: &str, result: std::io::Result<()>| {
            wrong.extend(result.err().map(|error| format!("{name} ({address}), {what}: {error}")));
        };
        for (what, bytes) in &messages {
            note(what, say(*address, bytes).await);
        }
        note("many connections", crowd(*address).await);
        match hold(*address).await {
            Ok(streams) => held.extend(streams),
            Err(error) => note("half requests", Err(error)),
        }
    }
    let tls = [lab.listen("lb"), ports.iter().find(|(name, _)| name.ends_with("doh")).expect("DoH").1];
    for address in tls {
        for (protocol, (what, bytes)) in
            ["h2", "http/1.1"].iter().flat_map(|it| messages.iter().map(move |m| (it, m)))
        {
            let said = say_in_tls(address, protocol, bytes).await;
            wrong.extend(said.err().map(|error| format!("{address} in TLS, {protocol}, {what}: {error}")));
        }
    }
    let secret = Secret::read(&lab.folder().join("secret")).expect("the lab's secret");
    for service in ["cart-service", "inventory-service"] {
        wrong_endpoints(lab.admin(service), &secret).await;
    }
    for address in name_servers {
        datagrams(address, &mut random).await.expect("send datagrams");
    }
    assert!(wrong.is_empty(), "not as it should be:\n  {}", wrong.join("\n  "));

    // All these half requests are still open.
    assert_eq!(order(&lab, &mut browser).await, StatusCode::CREATED);
    drop(held);
    assert_eq!(order(&lab, &mut browser).await, StatusCode::CREATED);
    assert!(lab.try_event().is_none(), "something died");
    for (process, resident) in before {
        let name = &process.name;
        let log = lab.log(name);
        assert!(process.lives() && lab.pid(name) == Some(process.pid), "{name} died:\n{log}");
        assert!(!log.contains("panicked"), "{name}:\n{log}");
        let now = process.resident().expect("it runs");
        let (was, is) = (resident >> 20, now >> 20);
        eprintln!("{name}: {was} MiB before, {is} MiB after, log {} KiB", log.len() >> 10);
        assert!(now.saturating_sub(resident) < GROWTH, "{name} grew from {was} MiB to {is} MiB");
        assert!(log.len() < 4 << 20, "{name} wrote {} bytes of log about it", log.len());
    }
    lab.finish().await;
}
