//! Slow peers: each is ended for what it does not do, and told whose fault that is.

use std::time::Duration;

use bytes::Bytes;
use hop::http::full;
use hop::http::server::{Limits, MinRate};
use hop::http::{Fault, Problem};
use hop::{clock, wait};
use http_body_util::BodyExt as _;
use hyper::{Method, Request, Response};
use journey::Kind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{Caller, LIMIT, Running, chunks, origin};

/// Short enough for a test to see it, long enough for a busy machine.
const STALL: Duration = Duration::from_millis(300);

fn short() -> Limits {
    Limits { min_rate: MinRate { stall: STALL, rate: 1 << 20 }, ..Limits::default() }
}

/// Says how many bytes the request's body has.
async fn counts(limits: Limits) -> Running {
    Running::start("counts", limits, |request| async move {
        match request.into_body().collect().await {
            Ok(body) => Response::new(full(body.to_bytes().len().to_string())),
            Err(error) => error.problem().at("counts").into_response(),
        }
    })
    .await
}

/// An HTTP/2 client that gives each stream `window` bytes and acknowledges whatever is to be acknowledged.
async fn client(running: &Running, window: u32) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(running.http2).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let (sender, connection) = builder.initial_window_size(window).handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

fn request(method: Method) -> Request<()> {
    Request::builder().method(method).uri("http://shop.test/").body(()).unwrap()
}

/// Everything that HTTP/1.1 says on a connection until it closes it.
async fn said(to: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    read.expect("the server ends the connection").unwrap();
    String::from_utf8(answer).unwrap()
}

/// The problem in an HTTP/1.1 response.
fn problem(answer: &str) -> Problem {
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[tokio::test]
async fn a_response_that_the_client_gives_no_window_is_reset_and_its_neighbours_go_on() {
    let running = Running::start("generous", short(), |_| async { Response::new(chunks(1 << 20)) }).await;
    let mut sender = client(&running, 0).await;
    let begun = clock::monotonic();
    let (stuck, _) = sender.send_request(request(Method::GET), true).unwrap();
    let mut body = stuck.await.unwrap().into_body();
    // The neighbour's client asks for more and more.
    let (other, _) = sender.ready().await.unwrap().send_request(request(Method::GET), true).unwrap();
    let taken = async {
        let mut other = other.await.unwrap().into_body();
        other.flow_control().release_capacity(0).unwrap();
        tokio::time::timeout(LIMIT, other.data()).await
    };
    let (ended, _) = tokio::join!(tokio::time::timeout(LIMIT, body.data()), taken);
    let error = ended.expect("an end").unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
    assert!(clock::since(begun) >= STALL);
    let spans = running.spans(Kind::Server, 2).await;
    assert!(spans.iter().all(|span| span.text("error.type") == Some("stalled")), "{spans:#?}");
}

#[tokio::test]
async fn a_body_that_stalls_is_408_the_clients_fault_in_both_versions_and_at_any_size() {
    let running = counts(short()).await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\n";
    let long = "x".repeat(100_000);
    for begun in [
        format!("{head}content-length: 5\r\n\r\n"),
        format!("{head}content-length: 5\r\n\r\n{{"),
        format!("{head}transfer-encoding: chunked\r\n\r\n1\r\n{{\r\n"),
        format!("{head}content-length: 200000\r\n\r\n{long}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n186a0\r\n{long}\r\n"),
        format!("{head}content-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{{\r\n"),
    ] {
        let answer = said(running.address, begun.as_bytes()).await;
        let begun = &begun[..begun.len().min(120)];
        assert!(answer.starts_with("HTTP/1.1 408 "), "{begun}: {answer}");
        assert_eq!((problem(&answer).fault, problem(&answer).hop.as_str()), (Fault::Client, "counts"));
    }
    let mut sender = client(&running, 65_535).await;
    let (response, mut body) = sender.send_request(request(Method::POST), false).unwrap();
    body.send_data(Bytes::from_static(b"{"), false).unwrap();
    assert_eq!(tokio::time::timeout(LIMIT, response).await.expect("an answer").unwrap().status(), 408);
}

#[tokio::test]
async fn a_malformed_chunk_is_400_the_clients_fault() {
    let running = counts(Limits::default()).await;
    let malformed = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    let answer = said(running.address, malformed.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(problem(&answer).fault, Fault::Client);
}

#[tokio::test]
async fn stalled_bodies_hold_no_place_and_a_connection_has_its_share_of_the_long_ones() {
    let limits = Limits { requests: 1, streaming: 8, ..Limits::default() };
    let running = counts(limits).await;
    let mut sender = client(&running, 65_535).await;
    let mut held = Vec::new();
    for round in 0..40 {
        let mut post = request(Method::POST);
        if round % 2 == 0 {
            post.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        }
        let (response, mut body) = sender.send_request(post, false).unwrap();
        body.send_data(Bytes::from_static(b"{"), false).unwrap();
        held.push((response, body));
        sender = sender.ready().await.unwrap();
    }
    // One of them has the connection's share of the long ones, and so the only place; the others have none.
    wait::until("the place to be taken", LIMIT, async || {
        let mut other = Caller::http1(running.address).await;
        (other.get("/").await.status == 503).then_some(())
    })
    .await
    .unwrap();
    drop(held);
    wait::until("the place to be free", LIMIT, async || {
        let mut other = Caller::http1(running.address).await;
        (other.get("/").await.status == 200).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn heads_that_cannot_be_read_get_problems_too() {
    let running = origin().await;
    let many = "x: y\r\n".repeat(170);
    let (long, longer) = ("y".repeat(140 << 10), "y".repeat(300 << 10));
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n".to_owned(), 400),
        ("G@T / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {longer}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{many}\r\n"), 431),
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        // It may be closed while the rest of a long head is on its way.
        let _may_be_reset = stream.write_all(bytes.as_bytes()).await;
        let mut answer = vec![0; 4096];
        let mut length = 0;
        while let Ok(Ok(count)) = tokio::time::timeout(LIMIT, stream.read(&mut answer[length..])).await {
            length += count;
            if count == 0 {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        let bytes = &bytes[..bytes.len().min(60)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes}: {answer}");
        let said = problem(&answer);
        assert_eq!(
            (said.status, said.fault, said.hop.as_str()),
            (status, Fault::Client, "origin"),
            "{bytes}"
        );
    }
}

#[tokio::test]
async fn pings_keep_no_connection_that_asks_for_nothing() {
    let running = counts(Limits { head_time: STALL, ..short() }).await;
    let stream = TcpStream::connect(running.http2).await.unwrap();
    let (_sender, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let pinging = async { while pings.ping(h2::Ping::opaque()).await.is_ok() {} };
    let ended = tokio::time::timeout(LIMIT, async { tokio::join!(connection, pinging) }).await;
    ended.expect("the server ends the connection").0.unwrap();
}

#[tokio::test]
async fn connections_without_a_request_give_way_when_more_than_half_are_taken() {
    let running = counts(Limits { connections: 8, ..Limits::default() }).await;
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // Without END_HEADERS (RFC 9113 §6.2).
    let half = [&http2[..], b"\0\0\x01\x01\0\0\0\0\x01\x82"].concat();
    let attacks: [(_, &[u8]); 4] = [
        (running.address, b"POST / HTTP/1.1\r\nx-slow: "),
        (running.http2, b"PRI * HTTP"),
        (running.http2, http2),
        (running.http2, &half),
    ];
    let begun = clock::monotonic();
    let mut streams = Vec::new();
    for (to, bytes) in attacks.iter().cycle().take(8) {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        streams.push(stream);
    }
    // As soon as no more than half are taken, the others have their usual minute.
    let mut ended = tokio::task::JoinSet::new();
    for mut stream in streams {
        ended.spawn(async move {
            let mut bytes = Vec::new();
            let _reset = stream.read_to_end(&mut bytes).await;
        });
    }
    for _ in 0..4 {
        tokio::time::timeout(LIMIT, ended.join_next()).await.expect("some end").unwrap().unwrap();
    }
    let took = clock::since(begun);
    assert!(took >= Duration::from_millis(900) && took < Limits::default().head_time / 2, "{took:?}");
}
