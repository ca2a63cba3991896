//! Asking the next hop: what is re-used, what is replaced, and how failures look.

use std::net::SocketAddr;
use std::time::Duration;

use hop::http::client::ClientLimits;
use hop::http::server::Limits;
use hop::http::{Client, Problem, full};
use hop::wait;
use hyper::{Method, Response};
use journey::semconv::attribute;
use journey::{Kind, Span};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{Caller, Fetched, LIMIT, Running, origin, proxy, request};

fn limits() -> ClientLimits {
    ClientLimits { response: Duration::from_millis(300), ..ClientLimits::default() }
}

/// A server whose connections do as the test says, one after the other.
pub(crate) async fn upstream<F, R>(mut connection: F) -> SocketAddr
where
    F: FnMut(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream));
        }
    });
    address
}

pub(crate) async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

async fn through_proxy(upstream: SocketAddr) -> (Fetched, Span) {
    let proxy = proxy(upstream, Client::new(limits()), Limits::default()).await;
    let answer = Caller::http1(proxy.address).await.get("/x").await;
    (answer, proxy.span(Kind::Client).await)
}

fn kind(answer: &Fetched) -> String {
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
    problem.kind.rsplit(':').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_stale_connection_is_replaced_without_a_word() {
    let stale = upstream(|mut stream| async move {
        // One answer, then gone, without having said so.
        read_head(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    })
    .await;
    let proxy = proxy(stale, Client::new(limits()), Limits::default()).await;
    let mut caller = Caller::http1(proxy.address).await;
    for _ in 0..20 {
        let answer = caller.get("/").await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"ok"[..]));
        let span = proxy.span(Kind::Client).await;
        assert_eq!(span.attribute(attribute::CONNECTION_REUSED).unwrap().to_string(), "false");
    }
}

#[tokio::test]
async fn a_refused_connection_is_502_and_a_span_with_its_reason() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let (answer, span) = through_proxy(nobody).await;
    assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (502, "upstream-unreachable"));
    assert_eq!(span.text(attribute::ERROR_TYPE), Some("connect"));
    assert!(span.stamps.is_empty());
}

#[tokio::test]
async fn an_upstream_that_hangs_up_instead_of_answering_is_502() {
    let rude = upstream(|mut stream| async move {
        read_head(&mut stream).await;
    })
    .await;
    let (answer, span) = through_proxy(rude).await;
    assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (502, "upstream-broke-off"));
    assert_eq!(span.text(attribute::ERROR_TYPE), Some("broken"));
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_504() {
    let silent = upstream(|mut stream| async move {
        read_head(&mut stream).await;
        let _until_the_client_leaves = stream.read_u8().await;
    })
    .await;
    let (answer, span) = through_proxy(silent).await;
    assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (504, "upstream-timeout"));
    assert_eq!(span.text(attribute::ERROR_TYPE), Some("timeout"));
}

/// Half a body, then `rest`; the proxy's client must see a broken response, never a short one.
async fn half_a_body(hang: bool) -> (Span, Span) {
    let half = upstream(move |mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").await.unwrap();
        if hang {
            let _until_the_client_leaves = stream.read_u8().await;
        }
    })
    .await;
    let proxy = proxy(half, Client::new(limits()), Limits::default()).await;
    let mut caller = Caller::http1(proxy.address).await;
    let response = caller.send(request(Method::GET, "/", full(""))).await.unwrap();
    http_body_util::BodyExt::collect(response.into_body()).await.expect_err("a broken body");
    let mut spans = Vec::new();
    wait::until("both spans", LIMIT, async || {
        spans.extend(proxy.telemetry.take());
        (spans.iter().filter(|span: &&Span| span.kind != Kind::Internal).count() == 2).then_some(())
    })
    .await
    .unwrap();
    let of = |kind| spans.iter().find(|span| span.kind == kind).unwrap().clone();
    (of(Kind::Server), of(Kind::Client))
}

#[tokio::test]
async fn a_response_that_breaks_off_breaks_the_answer() {
    let (server, client) = half_a_body(false).await;
    assert_eq!(client.text(attribute::ERROR_TYPE), Some("broken"));
    assert_eq!(server.text(attribute::ERROR_TYPE), Some("response_body"));
}

#[tokio::test]
async fn a_response_that_stalls_is_given_up() {
    let (server, client) = half_a_body(true).await;
    assert_eq!(client.text(attribute::ERROR_TYPE), Some("timeout"));
    assert_eq!(server.text(attribute::ERROR_TYPE), Some("response_body"));
}

#[tokio::test]
async fn a_response_that_nobody_wants_any_more_costs_its_connection_and_nothing_else() {
    let origin = origin().await;
    let proxy = proxy(origin.address, Client::new(limits()), Limits::default()).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(b"GET /?chunks=30000000 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 1000]).await.unwrap();
    drop(stream);
    let span = proxy.span(Kind::Client).await;
    assert_eq!(span.text(attribute::ERROR_TYPE), Some("cancelled"));
    assert_eq!(origin.span(Kind::Server).await.text(attribute::ERROR_TYPE), Some("cancelled"));
    let answer = Caller::http1(proxy.address).await.get("/?bytes=5").await;
    assert_eq!(answer.body.len(), 5);
    let span = proxy.span(Kind::Client).await;
    assert_eq!(span.attribute(attribute::CONNECTION_REUSED).unwrap().to_string(), "false");
}

#[tokio::test]
async fn what_came_as_http2_goes_on_in_origin_form_with_a_host() {
    let (heads, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut stream| {
        let heads = heads.clone();
        async move {
            heads.send(read_head(&mut stream).await.unwrap()).unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let proxy = proxy(address, Client::new(limits()), Limits::default()).await;
    let mut requested = request(Method::GET, "/cart?x=1", full(""));
    requested.headers_mut().remove("host");
    assert_eq!(Caller::http2(proxy.http2).await.fetch(requested).await.status, 204);
    let head = seen.recv().await.unwrap();
    assert!(head.starts_with("GET /cart?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: shop.test\r\n"), "{head}");
}

#[tokio::test]
async fn an_idle_connection_is_not_kept_longer_than_allowed() {
    let origin = origin().await;
    let client = Client::new(ClientLimits { idle_time: Duration::ZERO, ..limits() });
    let proxy = proxy(origin.address, client, Limits::default()).await;
    let mut caller = Caller::http1(proxy.address).await;
    for _ in 0..3 {
        caller.get("/").await;
        let span = proxy.span(Kind::Client).await;
        assert_eq!(span.attribute(attribute::CONNECTION_REUSED).unwrap().to_string(), "false");
    }
}

#[tokio::test]
async fn two_calls_at_once_use_two_connections() {
    let go = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let both = upstream(move |mut stream| {
        let go = std::sync::Arc::clone(&go);
        async move {
            read_head(&mut stream).await.unwrap();
            go.wait().await;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let client = Client::new(ClientLimits { response: LIMIT, ..limits() });
    let fork = Running::start("fork", Limits::default(), move |_| {
        let client = client.clone();
        async move {
            let fetch = async || client.send(both, request(Method::GET, "/", full(""))).await.unwrap();
            tokio::join!(fetch(), fetch());
            Response::new(full(""))
        }
    })
    .await;
    let answer = Caller::http1(fork.address).await.get("/").await;
    assert_eq!(answer.status, 200);
    let calls = fork.spans(Kind::Client, 2).await;
    assert_ne!(calls[0].stamps[0].flow, calls[1].stamps[0].flow, "a connection in use is not shared");
}
