//! What HTTP lets pass, passes a proxy: trailers, interim responses, expectations, and answers that come early.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hop::http::client::ClientLimits;
use hop::http::server::Limits;
use hop::http::{Body, Client, full};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::client::{read_head, upstream};
use crate::rig::{Caller, LIMIT, Running, chunks, proxy, request};

/// A proxy before `next`.
async fn before(next: SocketAddr) -> Running {
    proxy(next, Client::new(ClientLimits::default()), Limits::default()).await
}

/// An upstream that answers each connection with `answer` once it has read up to the first `until`, and tells
/// what it has read.
async fn scripted(
    until: &'static [u8],
    answer: &'static str,
) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (read, heard) = mpsc::unbounded_channel();
    let address = upstream(move |mut stream| {
        let read = read.clone();
        async move {
            let _ = read.send(read_until(&mut stream, until).await);
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _until_the_proxy_leaves = stream.read_u8().await;
        }
    })
    .await;
    (address, heard)
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end) {
        text.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(text).unwrap()
}

/// What a client that writes `request` reads until `until`.
async fn raw(to: SocketAddr, request: &str, until: &str) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::timeout(LIMIT, read_until(&mut stream, until.as_bytes())).await.expect("an answer in time")
}

fn with_trailers(data: &'static str, name: &'static str, value: &'static str) -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, HeaderValue::from_static(value));
    full(data).with_trailers(std::future::ready(Some(Ok(trailers)))).boxed_unsync()
}

const GRPC_ANSWER: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: grpc-status, host\r\n\r\n\
    2\r\nok\r\n0\r\ngrpc-status: 7\r\nhost: evil.test\r\nx-forwarded-for: 1.1.1.1\r\n\r\n";

#[tokio::test]
async fn a_responses_trailers_arrive_over_http_1() {
    let (next, mut heard) = scripted(b"\r\n\r\n", GRPC_ANSWER).await;
    let proxy = before(next).await;
    let requested = "GET / HTTP/1.1\r\nhost: shop.test\r\nte: trailers\r\nconnection: te\r\n\r\n";
    let answer = raw(proxy.address, requested, "\r\n0\r\ngrpc-status: 7\r\n\r\n").await;
    assert!(answer.contains("\r\ntrailer: grpc-status\r\n"), "{answer}");
    let head = heard.recv().await.unwrap();
    assert!(head.contains("\r\nte: trailers\r\n") && head.contains("\r\nconnection: TE\r\n"), "{head}");
}

#[tokio::test]
async fn a_responses_trailers_arrive_over_http_2() {
    let (next, _heard) = scripted(b"\r\n\r\n", GRPC_ANSWER).await;
    let proxy = before(next).await;
    let mut caller = Caller::http2(proxy.http2).await;
    let response = caller.send(request(Method::GET, "/", full(""))).await.unwrap();
    assert_eq!(response.headers()["trailer"], "grpc-status");
    let collected = response.into_body().collect().await.unwrap();
    let trailers = collected.trailers().expect("trailers").clone();
    assert_eq!(trailers.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["grpc-status"]);
    assert_eq!(trailers["grpc-status"], "7");
}

#[tokio::test]
async fn who_does_not_take_trailers_is_promised_none() {
    let (next, mut heard) = scripted(b"\r\n\r\n", GRPC_ANSWER).await;
    let proxy = before(next).await;
    let answer = raw(proxy.address, "GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n", "0\r\n\r\n").await;
    assert!(!answer.contains("trailer") && !answer.contains("grpc-status"), "{answer}");
    assert!(!heard.recv().await.unwrap().contains("te: trailers"));
}

#[tokio::test]
async fn a_requests_trailers_arrive_over_http_1() {
    let (next, mut heard) = scripted(b"\r\n0\r\nx-sum: 5\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n").await;
    let proxy = before(next).await;
    let requested = "POST / HTTP/1.1\r\nhost: shop.test\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, host\r\n\r\n\
        5\r\nhello\r\n0\r\nhost: evil.test\r\nx_real_ip: 1.1.1.1\r\nx-sum: 5\r\n\r\n";
    assert!(raw(proxy.address, requested, "\r\n\r\n").await.starts_with("HTTP/1.1 204"));
    assert!(heard.recv().await.unwrap().contains("\r\ntrailer: x-sum\r\n"));
}

#[tokio::test]
async fn a_requests_trailers_arrive_although_its_length_was_known() {
    let (next, mut heard) = scripted(b"\r\n0\r\nx-sum: 5\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n").await;
    let proxy = before(next).await;
    let mut caller = Caller::http2(proxy.http2).await;
    let mut requested = request(Method::POST, "/", with_trailers("hello", "x-sum", "5"));
    requested.headers_mut().insert("trailer", HeaderValue::from_static("x-sum, authorization"));
    requested.headers_mut().insert("content-length", HeaderValue::from_static("5"));
    assert_eq!(caller.fetch(requested).await.status, 204);
    let read = heard.recv().await.unwrap();
    assert!(read.contains("\r\ntrailer: x-sum\r\n") && !read.contains("content-length"), "{read}");
}

#[tokio::test]
async fn a_get_with_a_body_of_unknown_length_keeps_it() {
    let (next, mut heard) = scripted(b"\r\n0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n").await;
    let proxy = before(next).await;
    let mut caller = Caller::http2(proxy.http2).await;
    assert_eq!(caller.fetch(request(Method::GET, "/", chunks(100_000))).await.status, 204);
    let read = heard.recv().await.unwrap();
    // More than the server holds: what it holds goes on with a length.
    assert!(read.contains("\r\n1388\r\ncccccccccc"), "{}", &read[..500]);
}

/// Answers 413 after the head and closes with most of the body unread, which resets the connection.
async fn refuses_early() -> SocketAddr {
    upstream(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        let mut some = [0; 1000];
        stream.read_exact(&mut some).await.unwrap();
        let answer = "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nno\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await
}

#[tokio::test]
async fn an_answer_that_comes_early_is_heard() {
    let proxy = before(refuses_early().await).await;
    for round in 0..20 {
        let mut caller = if round % 2 == 0 {
            Caller::http1(proxy.address).await
        } else {
            Caller::http2(proxy.http2).await
        };
        let answer = caller.fetch(request(Method::POST, "/", chunks(4 << 20))).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::PAYLOAD_TOO_LARGE, &b"no\n"[..]), "{round}");
    }
}

#[tokio::test]
async fn an_early_answer_does_not_end_a_request_that_goes_on() {
    // Both sides speak at once, as gRPC does: the response's body echoes what comes after its head.
    let echo = upstream(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        let mut piece = [0; 4096];
        loop {
            let count = stream.read(&mut piece).await.unwrap();
            let text = piece[..count].to_vec();
            stream.write_all(&[format!("{count:x}\r\n").as_bytes(), &text, b"\r\n"].concat()).await.unwrap();
            if text.ends_with(b"0\r\n\r\n") {
                return stream.write_all(b"0\r\n\r\n").await.unwrap();
            }
        }
    })
    .await;
    let proxy = before(echo).await;
    let mut caller = Caller::http2(proxy.http2).await;
    let (pieces, body) = mpsc::channel::<Bytes>(1);
    // What is not gRPC goes on when it is whole, or larger than the server holds.
    let mut talk = request(Method::POST, "/", streamed(body));
    talk.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let response = caller.send(talk).await.unwrap();
    let mut heard = response.into_body();
    for word in ["one", "two", "three"] {
        pieces.send(Bytes::from_static(word.as_bytes())).await.unwrap();
        let frame = tokio::time::timeout(LIMIT, heard.frame()).await.expect("an echo").unwrap().unwrap();
        assert!(String::from_utf8_lossy(frame.data_ref().unwrap()).contains(word));
    }
    drop(pieces);
    heard.collect().await.unwrap();
}

/// A body of what comes through a channel.
fn streamed(pieces: mpsc::Receiver<Bytes>) -> Body {
    struct Streamed(mpsc::Receiver<Bytes>);
    impl hyper::body::Body for Streamed {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, std::convert::Infallible>>> {
            self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
        }
    }
    Streamed(pieces).map_err(|never| match never {}).boxed_unsync()
}

const EXPECTING: &str =
    "POST / HTTP/1.1\r\nhost: shop.test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";

#[tokio::test]
async fn the_clients_body_is_asked_for_when_the_upstream_asks() {
    let (told, mut tell) = mpsc::unbounded_channel();
    let next = upstream(move |mut stream| {
        let told = told.clone();
        async move {
            told.send(read_head(&mut stream).await.unwrap()).unwrap();
            // Nothing of the body may come before it is requested for.
            let early = tokio::time::timeout(Duration::from_millis(300), stream.read_u8()).await;
            assert!(early.is_err(), "{early:?}");
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
            told.send(read_until(&mut stream, b"hello").await).unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let proxy = before(next).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(EXPECTING.as_bytes()).await.unwrap();
    assert!(tell.recv().await.unwrap().contains("\r\nexpect: 100-continue\r\n"));
    read_until(&mut stream, b"HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(tell.recv().await.unwrap(), "hello");
    assert!(read_until(&mut stream, b"\r\n\r\n").await.starts_with("HTTP/1.1 204"));
}

#[tokio::test]
async fn a_refusal_instead_of_100_spares_the_client_its_body() {
    let refusal = "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 3\r\n\r\nno\n";
    let (next, _heard) = scripted(b"\r\n\r\n", refusal).await;
    let proxy = before(next).await;
    let answer = raw(proxy.address, EXPECTING, "no\n").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_never_says_100_gets_the_body_in_the_end() {
    let (next, mut heard) = scripted(b"hello", "HTTP/1.1 204 No Content\r\n\r\n").await;
    let proxy = before(next).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(EXPECTING.as_bytes()).await.unwrap();
    read_until(&mut stream, b"HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(b"hello").await.unwrap();
    assert!(read_until(&mut stream, b"\r\n\r\n").await.starts_with("HTTP/1.1 204"));
    assert!(heard.recv().await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn what_is_forbidden_reaches_nobody_and_what_is_about_the_server_is_answered_by_it() {
    let (next, mut heard) = scripted(b"\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n").await;
    let proxy = before(next).await;
    for (requested, status) in [
        ("GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a:abc\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a:99999\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nhost: a\r\n", 400),
        ("GET * HTTP/1.1\r\nhost: a\r\n", 400),
        ("TRACE / HTTP/1.1\r\nhost: a\r\n", 405),
        ("POST / HTTP/1.1\r\nhost: a\r\nexpect: a-pony\r\ncontent-length: 5\r\n", 417),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n", 501),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", 501),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n", 204),
    ] {
        let answer = raw(proxy.address, &format!("{requested}\r\n"), "\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{requested}: {answer}");
        assert_eq!(answer.contains("\r\nallow: "), matches!(status, 204 | 405), "{answer}");
    }
    assert!(heard.try_recv().is_err());
}
