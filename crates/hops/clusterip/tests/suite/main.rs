//! The Service from outside: real sockets in front, real sockets behind.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use clusterip::config::{EndpointList, Settings};
use hop::admin::Secret;
use hop::{Admin, CancellationToken, Hop, Telemetry, clock};
use journey::semconv::attribute;
use journey::{Direction, Event, Flow, Span};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const LONG: Duration = Duration::from_secs(20);

/// A Service in front of some endpoints, on a port of its own.
struct Service {
    address: SocketAddr,
    admin: Admin,
    secret: Secret,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

fn listener() -> TcpListener {
    hop::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap()
}

impl Service {
    fn start(endpoints: &[SocketAddr], flags: &[&str], telemetry: Telemetry) -> Self {
        Self::draining_for(Duration::from_millis(100), endpoints, flags, telemetry)
    }

    fn draining_for(drain: Duration, endpoints: &[SocketAddr], flags: &[&str], telemetry: Telemetry) -> Self {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let mut settings =
            Settings::parse_from(["clusterip"].iter().chain(&["--mode", "round-robin"]).chain(flags));
        settings.endpoints = EndpointList(endpoints.to_vec());
        let shutdown = CancellationToken::new();
        let mut hop = Hop::for_tests("cart-service", telemetry, shutdown.clone());
        hop.drain = drain;
        let secret = Secret::random();
        hop.admin = Admin::guarded("cart-service", Some(secret.clone()));
        let admin = hop.admin.clone();
        let task = tokio::spawn(clusterip::server::run(listener, settings, hop));
        Service { address, admin, secret, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// A pod that says its name to whoever connects, then sends everything back.
async fn echo_pod(name: &'static str) -> SocketAddr {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                write.write_all(name.as_bytes()).await?;
                tokio::io::copy(&mut read, &mut write).await?;
                write.shutdown().await
            });
        }
    });
    address
}

/// A pod whose connections the test plays by itself.
async fn bare_pod() -> (TcpListener, SocketAddr) {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn read_text(stream: &mut TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads to the end, whatever that is.
async fn end_of(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("an end").map(|_| bytes)
}

fn assert_reset(ended: &io::Result<Vec<u8>>) {
    let error = ended.as_ref().expect_err("a reset, not an orderly end");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn the_choice_is_per_connection_and_pins_what_follows() {
    let pods = [echo_pod("a").await, echo_pod("b").await];
    let service = Service::start(&pods, &[], Telemetry::off());
    let mut first = service.connect().await;
    assert_eq!(read_text(&mut first, 1).await, "a");
    let mut second = service.connect().await;
    assert_eq!(read_text(&mut second, 1).await, "b");
    // Ten "requests" on the first connection: all of them reach pod a, there is no second choice.
    for _ in 0..10 {
        first.write_all(b"request").await.unwrap();
        assert_eq!(read_text(&mut first, 7).await, "request");
    }
    let mut third = service.connect().await;
    assert_eq!(read_text(&mut third, 1).await, "a");
}

#[tokio::test]
async fn endpoints_are_replaced_while_running_through_the_admin_address() {
    let pods = [echo_pod("a").await, echo_pod("b").await];
    let service = Service::start(&pods[..1], &[], Telemetry::off());
    let admin = listener();
    let admin_address = admin.local_addr().unwrap();
    tokio::spawn(service.admin.clone().serve(admin));

    let mut old = service.connect().await;
    assert_eq!(read_text(&mut old, 1).await, "a");
    let answer = http(admin_address, &service.secret, "PUT", &format!("[\"{}\"]", pods[1])).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut new = service.connect().await;
    assert_eq!(read_text(&mut new, 1).await, "b");
    old.write_all(b"still here").await.unwrap();
    assert_eq!(read_text(&mut old, 10).await, "still here");

    let answer = http(admin_address, &service.secret, "GET", "").await;
    let view: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let expected = serde_json::json!({
        "mode": "round-robin",
        "ready": [{"endpoint": pods[1], "open": 1, "total": 1}],
        "leaving": [{"endpoint": pods[0], "open": 1, "total": 1}],
    });
    assert_eq!(view, expected);

    // What is wrong is refused and changes nothing.
    let own = format!("[\"{}\"]", service.address);
    for bad in ["", "{}", "[\"pod\"]", "[1]", &own, "[\"127.0.0.1:1\"] trailing"] {
        let answer = http(admin_address, &service.secret, "PUT", bad).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{bad:?}: {answer}");
    }
    let mut newer = service.connect().await;
    assert_eq!(read_text(&mut newer, 1).await, "b");
}

async fn http(to: SocketAddr, secret: &Secret, method: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let request = format!(
        "{method} /endpoints HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        secret.as_str(),
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    String::from_utf8(end_of(&mut stream).await.unwrap()).unwrap()
}

#[tokio::test]
async fn without_endpoints_the_connection_is_reset() {
    let service = Service::start(&[], &[], Telemetry::off());
    assert_reset(&end_of(&mut service.connect().await).await);
}

#[tokio::test]
async fn an_endpoint_that_refuses_resets_the_client_and_is_not_replaced_by_another() {
    // Bound, so that nobody else gets the port; not listening, so that the kernel refuses.
    let bound = tokio::net::TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = bound.local_addr().unwrap();
    let pod = echo_pod("b").await;
    let telemetry = Telemetry::memory("cart-service");
    let service = Service::start(&[gone, pod], &[], telemetry.clone());
    assert_reset(&end_of(&mut service.connect().await).await);
    let spans = telemetry.take();
    assert_eq!(spans[0].text(attribute::ERROR_TYPE), Some("connection_refused"));
    assert_eq!(spans[0].text(attribute::ENDPOINT), Some(gone.to_string().as_str()));
    // The next connection is another choice.
    let mut next = service.connect().await;
    assert_eq!(read_text(&mut next, 1).await, "b");
}

#[tokio::test]
async fn either_side_may_end_its_direction_first() {
    let (pod, address) = bare_pod().await;
    let service = Service::start(&[address], &[], Telemetry::off());
    for client_first in [true, false] {
        let mut client = service.connect().await;
        let (mut endpoint, _) = pod.accept().await.unwrap();
        let (first, second) =
            if client_first { (&mut client, &mut endpoint) } else { (&mut endpoint, &mut client) };
        first.write_all(b"last words").await.unwrap();
        first.shutdown().await.unwrap();
        assert_eq!(end_of(second).await.unwrap(), b"last words");
        // The other direction goes on, for as long as it likes.
        for _ in 0..3 {
            second.write_all(b"answer").await.unwrap();
            assert_eq!(read_text(first, 6).await, "answer");
        }
        second.shutdown().await.unwrap();
        assert_eq!(end_of(first).await.unwrap(), b"");
    }
}

#[tokio::test]
async fn a_half_closed_connection_that_moves_nothing_is_reset_and_an_open_one_has_longer() {
    let (pod, address) = bare_pod().await;
    let service = Service::start(&[address], &["--close-wait-timeout-ms", "500"], Telemetry::off());
    let mut open = service.connect().await;
    let (mut open_endpoint, _) = pod.accept().await.unwrap();
    let mut half = service.connect().await;
    let (mut endpoint, _) = pod.accept().await.unwrap();
    half.write_all(b"last words").await.unwrap();
    half.shutdown().await.unwrap();
    assert_eq!(end_of(&mut endpoint).await.unwrap(), b"last words");
    let begun = clock::monotonic();
    assert_reset(&end_of(&mut half).await);
    assert!(clock::since(begun) >= Duration::from_millis(400));
    let gone = tokio::time::timeout(LONG, async { while endpoint.write_all(b"x").await.is_ok() {} });
    gone.await.expect("the endpoint is told as well");
    // The other connection has both of its directions, and is as silent.
    open.write_all(b"hello").await.unwrap();
    assert_eq!(read_text(&mut open_endpoint, 5).await, "hello");

    let service = Service::start(&[address], &["--established-timeout-ms", "500"], Telemetry::off());
    let mut silent = service.connect().await;
    let (mut endpoint, _) = pod.accept().await.unwrap();
    assert_reset(&end_of(&mut silent).await);
    assert_reset(&end_of(&mut endpoint).await);
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset() {
    let (pod, address) = bare_pod().await;
    let service = Service::start(&[address], &[], Telemetry::off());
    for client_aborts in [true, false] {
        let client = service.connect().await;
        let (endpoint, _) = pod.accept().await.unwrap();
        let (aborting, mut other) = if client_aborts { (client, endpoint) } else { (endpoint, client) };
        aborting.set_zero_linger().unwrap();
        drop(aborting);
        assert_reset(&end_of(&mut other).await);
    }
}

#[tokio::test]
async fn a_large_transfer_arrives_byte_for_byte_both_ways_at_once() {
    let pod = echo_pod("").await;
    let service = Service::start(&[pod], &[], Telemetry::off());
    let sent: Vec<u8> = std::iter::repeat_with(rand::random::<u8>).take(8 << 20).collect();
    let (mut read, mut write) = service.connect().await.into_split();
    let out = sent.clone();
    let writer = tokio::spawn(async move {
        write.write_all(&out).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut received = Vec::new();
    tokio::time::timeout(LONG, read.read_to_end(&mut received)).await.unwrap().unwrap();
    writer.await.unwrap();
    assert!(received == sent, "{} of {} bytes, or different ones", received.len(), sent.len());
}

#[tokio::test]
async fn a_receiver_that_does_not_read_stops_the_sender_and_nobody_else() {
    let (pod, address) = bare_pod().await;
    let service = Service::start(&[address], &[], Telemetry::off());
    let client = service.connect().await;
    let (mut endpoint, _) = pod.accept().await.unwrap();
    // The kernel's buffers fill up; then, for a while that could not be longer by chance, nothing more
    // is taken although the relay could go on reading if it kept what it can't pass on.
    let chunk = vec![7; 256 << 10];
    let mut sent = 0;
    while let Ok(ready) = tokio::time::timeout(Duration::from_millis(300), client.writable()).await {
        ready.unwrap();
        match client.try_write(&chunk) {
            Ok(count) => sent += count,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        assert!(sent < 64 << 20, "{sent} bytes were taken from a sender whose receiver reads nothing");
    }
    // The same relay still serves others.
    let mut other = service.connect().await;
    let (mut others_endpoint, _) = pod.accept().await.unwrap();
    other.write_all(b"hello").await.unwrap();
    assert_eq!(read_text(&mut others_endpoint, 5).await, "hello");
    // And when the receiver reads at last, everything comes.
    drop(client);
    assert_eq!(end_of(&mut endpoint).await.unwrap().len(), sent);
}

#[test]
fn garbage_passes_untouched() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 32, failure_persistence: None, ..Config::default() });
    let pieces = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3_000), 1..6);
    let telemetry = Telemetry::memory("cart-service");
    let service = runtime.block_on(async {
        let pod = echo_pod("").await;
        Service::start(&[pod], &[], telemetry.clone())
    });
    let outcome = runner.run(&pieces, |pieces| {
        runtime.block_on(async {
            let mut client = service.connect().await;
            for piece in &pieces {
                client.write_all(piece).await.unwrap();
            }
            client.shutdown().await.unwrap();
            let received = end_of(&mut client).await.unwrap();
            prop_assert_eq!(received, pieces.concat());
            check_offsets(&telemetry.take(), pieces.concat().len() as u64)
        })
    });
    outcome.unwrap();
}

/// However the bytes fell into chunks: offsets grow on both flows alike, up to the last byte.
fn check_offsets(spans: &[Span], total: u64) -> Result<(), TestCaseError> {
    let (flow_in, flow_out) = flows(spans);
    let relays = || spans.iter().filter(|span| span.name == "relay");
    for (direction, from, to) in
        [(Direction::Request, flow_in, flow_out), (Direction::Response, flow_out, flow_in)]
    {
        let mut offset = 0;
        for span in relays() {
            let (Some(wake), Some(tx)) =
                (span.stamp(direction, Event::Wake), span.stamp(direction, Event::Tx))
            else {
                continue;
            };
            prop_assert_eq!((wake.flow, tx.flow), (from, to));
            prop_assert_eq!(wake.offset, tx.offset);
            prop_assert!(wake.offset > offset && wake.at <= tx.at);
            let size = (wake.offset - offset).into();
            prop_assert_eq!(
                span.attribute(attribute::READ_SIZE),
                Some(&size),
                "it begins where the last ended"
            );
            prop_assert_eq!((span.start, span.end), (wake.at, tx.at));
            if let Some(queued) = span.stamp(direction, Event::Rx) {
                prop_assert!((queued.flow, queued.offset) == (from, wake.offset) && queued.at <= wake.at);
            }
            offset = wake.offset;
        }
        prop_assert_eq!(offset, total);
    }
    Ok(())
}

/// The two flows that the `connect` span joins.
fn flows(spans: &[Span]) -> (Flow, Flow) {
    let connect = spans.iter().find(|span| span.name == "connect").expect("a connect span");
    let flow = |key| connect.text(key).expect(key).parse().expect(key);
    (flow(attribute::FLOW_IN), flow(attribute::FLOW_OUT))
}

#[tokio::test]
async fn stamps_name_the_same_bytes_on_both_flows() {
    let (pod, address) = bare_pod().await;
    let telemetry = Telemetry::memory("cart-service");
    let service = Service::start(&[address], &[], telemetry.clone());
    let mut client = service.connect().await;
    let (mut endpoint, seen_from) = pod.accept().await.unwrap();
    // Two requests and their responses on one connection; each is read before the next is sent, so
    // each is one chunk.
    for (request, response) in [("GET /1", "one"), ("GET /two", "two!!")] {
        client.write_all(request.as_bytes()).await.unwrap();
        read_text(&mut endpoint, request.len()).await;
        endpoint.write_all(response.as_bytes()).await.unwrap();
        read_text(&mut client, response.len()).await;
    }
    let spans = telemetry.take();
    let inbound = Flow {
        transport: journey::Transport::Tcp,
        client: client.local_addr().unwrap(),
        server: service.address,
    };
    let outbound = Flow { client: seen_from, server: address, ..inbound };
    assert_eq!(flows(&spans), (inbound, outbound));
    assert_eq!(spans[0].text(attribute::POLICY), Some("round-robin"));

    use Direction::{Request, Response};
    let expected = [
        [(inbound, Request, 6, Event::Wake), (outbound, Request, 6, Event::Tx)],
        [(outbound, Response, 3, Event::Wake), (inbound, Response, 3, Event::Tx)],
        [(inbound, Request, 14, Event::Wake), (outbound, Request, 14, Event::Tx)],
        [(outbound, Response, 8, Event::Wake), (inbound, Response, 8, Event::Tx)],
    ];
    let relays = spans.iter().filter(|span| span.name == "relay");
    let stamped: Vec<_> = relays
        .map(|span| {
            assert_eq!(span.hop, "cart-service");
            // When the kernel had them is its own affair.
            let stamps = span.stamps.iter().filter(|s| matches!(s.event, Event::Wake | Event::Tx));
            stamps.map(|s| (s.flow, s.direction, s.offset, s.event)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(stamped, expected);
}

#[tokio::test]
async fn draining_ends_what_is_idle_and_cuts_what_is_left() {
    let pod = echo_pod("a").await;
    let (silent, silent_address) = bare_pod().await;
    let service = Service::start(&[pod, silent_address], &[], Telemetry::off());
    let mut idle = service.connect().await;
    assert_eq!(read_text(&mut idle, 1).await, "a");
    let mut waiting = service.connect().await;
    waiting.write_all(b"a request").await.unwrap();
    let (mut pod, _) = silent.accept().await.unwrap();
    assert_eq!(read_text(&mut pod, 9).await, "a request");
    let mut ending = service.connect().await;
    assert_eq!(read_text(&mut ending, 1).await, "a");
    service.shutdown.cancel();
    // A connection that is open still works.
    ending.write_all(b"more").await.unwrap();
    ending.shutdown().await.unwrap();
    assert_eq!(end_of(&mut ending).await.unwrap(), b"more");
    assert_eq!(end_of(&mut idle).await.unwrap(), b"", "an orderly end");
    tokio::time::timeout(LONG, service.task).await.expect("drained in time").unwrap().unwrap();
    // Cut off in the middle is told as such, not as an orderly end.
    assert_reset(&end_of(&mut waiting).await);
    assert!(TcpStream::connect(service.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn draining_waits_for_a_response_and_no_longer() {
    let (pod, address) = bare_pod().await;
    let service = Service::draining_for(LONG, &[address], &[], Telemetry::off());
    let mut client = service.connect().await;
    client.write_all(b"a request").await.unwrap();
    let (mut pod, _) = pod.accept().await.unwrap();
    assert_eq!(read_text(&mut pod, 9).await, "a request");
    service.shutdown.cancel();
    // Longer than any silence that is taken for idleness.
    let mut answer = tokio::time::interval(Duration::from_millis(200));
    answer.tick().await;
    answer.tick().await;
    pod.write_all(b"a response").await.unwrap();
    assert_eq!(end_of(&mut client).await.unwrap(), b"a response");
    assert_eq!(end_of(&mut pod).await.unwrap(), b"");
    tokio::time::timeout(LONG / 2, service.task).await.expect("long before the limit").unwrap().unwrap();
}
