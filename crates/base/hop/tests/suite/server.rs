//! Protection: overload, slowness, clients that leave or say nothing, the end of the process, garbage.

use std::sync::Arc;
use std::time::Duration;

use hop::http::server::Limits;
use hop::http::{Fault, Problem, full};
use hop::{Telemetry, clock, wait};
use hyper::{Method, Response};
use journey::semconv::attribute;
use journey::{Direction, Event, Kind};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::rig::{Caller, Fetched, LIMIT, Running, chunks, origin, request};

/// Short enough for a test to see each limit, long enough for a busy machine.
fn short() -> Limits {
    Limits {
        requests: 1,
        request_time: Duration::from_millis(300),
        head_time: Duration::from_millis(300),
        ..Limits::default()
    }
}

/// Answers when told to, and says when a request has come.
async fn patient(limits: Limits, drain: Duration) -> (Running, Arc<Notify>, Arc<Notify>) {
    let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arrived, allowed) = (Arc::clone(&came), Arc::clone(&go));
    let running = Running::start_with("patient", limits, Telemetry::memory("patient"), drain, move |_| {
        let (arrived, allowed) = (Arc::clone(&arrived), Arc::clone(&allowed));
        async move {
            arrived.notify_one();
            allowed.notified().await;
            Response::new(full("at last"))
        }
    })
    .await;
    (running, came, go)
}

fn problem(answer: &Fetched) -> Problem {
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn more_requests_than_allowed_are_refused_with_503() {
    let limits = Limits { request_time: LIMIT, ..short() };
    let (running, came, go) = patient(limits, LIMIT).await;
    let mut first = Caller::http1(running.address).await;
    let first = tokio::spawn(async move { first.get("/").await });
    came.notified().await;
    let refused = Caller::http1(running.address).await.get("/").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers["retry-after"], "1");
    let said = problem(&refused);
    assert_eq!((said.fault, said.hop.as_str(), said.status), (Fault::Ours, "patient", 503));
    go.notify_one();
    assert_eq!(first.await.unwrap().status, 200);
    // The place is free again.
    go.notify_one();
    assert_eq!(Caller::http1(running.address).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_ended_with_504() {
    let (running, ..) = patient(short(), LIMIT).await;
    let answer = Caller::http1(running.address).await.get("/").await;
    assert_eq!(answer.status, 504);
    assert_eq!(problem(&answer).kind, "urn:journey:problem:timeout");
    let span = running.span(Kind::Server).await;
    assert_eq!(span.attribute(attribute::HTTP_RESPONSE_STATUS_CODE).unwrap().to_string(), "504");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_response_leaves_a_cancelled_span() {
    let (running, came, _go) = patient(Limits { request_time: LIMIT, ..short() }, LIMIT).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /gone HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    came.notified().await;
    drop(stream);
    let span = running.span(Kind::Server).await;
    assert_eq!((&*span.name, span.text(attribute::ERROR_TYPE)), ("GET /gone", Some("cancelled")));
    assert!(span.stamp(Direction::Response, Event::Tx).is_none(), "no response, no stamp of it");
}

#[tokio::test]
async fn a_client_that_leaves_within_the_response_leaves_a_cancelled_span() {
    let running =
        Running::start("generous", Limits::default(), |_| async { Response::new(chunks(64 << 20)) }).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 100]).await.unwrap();
    drop(stream);
    let span = running.span(Kind::Server).await;
    assert_eq!(span.text(attribute::ERROR_TYPE), Some("cancelled"));
}

#[tokio::test]
async fn a_response_that_nobody_reads_is_cut() {
    let running = Running::start("generous", short(), |_| async { Response::new(chunks(64 << 20)) }).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let span = running.span(Kind::Server).await;
    assert_eq!(span.text(attribute::ERROR_TYPE), Some("cancelled"));
}

/// How long it takes until the server closes this connection.
async fn closed(mut stream: TcpStream) -> Duration {
    let begun = clock::monotonic();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await;
    let _reset_or_end = ended.expect("the server ends the connection");
    clock::since(begun)
}

#[tokio::test]
async fn silence_and_trickles_end_at_the_head_limit() {
    let running = Running::start("hop", short(), |_| async { Response::new(full("ok")) }).await;
    let (http1, http2) = (running.address, running.http2);
    for (address, beginning) in [
        (http1, ""),
        (http1, "G"),
        (http1, "GET / HTTP/1.1\r\nhost: a\r\n"),
        (http2, ""),
        (http2, "PRI * HT"),
        (http2, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let after = closed(stream).await;
        assert!(after >= Duration::from_millis(200), "{beginning:?} got {after:?} of 300 ms");
    }
    let mut idle = Caller::http2(running.http2).await;
    assert_eq!(idle.get("/").await.status, 200);
    wait::until("an idle HTTP/2 connection to end", LIMIT, async || idle.is_closed().then_some(()))
        .await
        .unwrap();
}

#[tokio::test]
async fn at_the_end_running_requests_finish_idle_connections_close_and_new_ones_are_refused() {
    let (running, came, go) = patient(Limits::default(), LIMIT).await;
    let mut busy = Caller::http1(running.address).await;
    let mut busy_http2 = Caller::http2(running.http2).await;
    let idle = TcpStream::connect(running.address).await.unwrap();
    let mut kept_alive = TcpStream::connect(running.address).await.unwrap();
    kept_alive.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    came.notified().await;
    go.notify_one();
    let mut head = [0; 10];
    kept_alive.read_exact(&mut head).await.unwrap();

    let running_http1 = tokio::spawn(async move { busy.get("/").await });
    came.notified().await;
    let running_http2 = tokio::spawn(async move { busy_http2.get("/").await });
    came.notified().await;
    running.stop.cancel();
    // Both while the others are still running, long before the drain limit.
    closed(idle).await;
    closed(kept_alive).await;
    wait::until("new connections to be refused", LIMIT, async || {
        TcpStream::connect(running.address).await.err()
    })
    .await
    .unwrap();
    go.notify_one();
    wait::until("the first to finish", LIMIT, async || {
        (running_http1.is_finished() || running_http2.is_finished()).then_some(())
    })
    .await
    .unwrap();
    go.notify_one();
    assert_eq!(running_http1.await.unwrap().body, "at last");
    assert_eq!(running_http2.await.unwrap().body, "at last");
    tokio::time::timeout(LIMIT, running.done).await.expect("drained").unwrap();
}

/// A request may be on its way when the hop is told to stop: on a kept connection it is answered, and the
/// answer says that it is the last.
#[tokio::test]
async fn a_request_that_comes_while_draining_is_answered_and_is_the_connections_last() {
    let (running, came, go) = patient(Limits::default(), LIMIT).await;
    let mut kept = TcpStream::connect(running.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    kept.write_all(request).await.unwrap();
    came.notified().await;
    go.notify_one();
    let mut head = [0; 10];
    kept.read_exact(&mut head).await.unwrap();
    running.stop.cancel();
    // The server's task knows it before the bytes are there.
    tokio::task::yield_now().await;
    kept.write_all(request).await.unwrap();
    tokio::time::timeout(LIMIT, came.notified()).await.expect("the request is served");
    go.notify_one();
    let mut rest = String::new();
    kept.read_to_string(&mut rest).await.unwrap();
    let last = rest.split("HTTP/1.1 200").nth(1).unwrap_or_else(|| panic!("a second response: {rest}"));
    assert!(last.contains("connection: close") && last.ends_with("at last"), "{rest}");
    tokio::time::timeout(LIMIT, running.done).await.expect("drained").unwrap();
}

#[tokio::test]
async fn what_does_not_finish_is_cut_at_the_drain_limit_and_reported() {
    let (running, came, _go) = patient(Limits::default(), Duration::from_millis(200)).await;
    let mut caller = Caller::http1(running.address).await;
    let requested =
        tokio::spawn(async move { caller.send(request(Method::GET, "/", full(""))).await.is_err() });
    came.notified().await;
    running.stop.cancel();
    running.done.await.unwrap();
    let spans = running.telemetry.take();
    assert_eq!(spans.len(), 1, "{spans:#?}");
    assert_eq!(spans[0].text(attribute::ERROR_TYPE), Some("cancelled"));
    assert!(requested.await.unwrap());
}

#[tokio::test]
async fn two_hosts_are_one_too_many() {
    let running = origin().await;
    let mut requested = request(Method::GET, "/", full(""));
    requested.headers_mut().append("host", "other.test".parse().unwrap());
    let answer = Caller::http1(running.address).await.fetch(requested).await;
    assert_eq!(answer.status, 400);
    assert_eq!((problem(&answer).fault, problem(&answer).field.as_deref()), (Fault::Client, Some("Host")));
}

#[tokio::test]
async fn head_and_bodiless_answers_are_complete() {
    let running = Running::start("hop", Limits::default(), |request| async move {
        let mut response = Response::new(full(vec![0; 1000]));
        if request.method() != Method::HEAD {
            *response.status_mut() = hyper::StatusCode::NO_CONTENT;
        }
        response
    })
    .await;
    let mut caller = Caller::http1(running.address).await;
    for method in [Method::HEAD, Method::GET, Method::HEAD] {
        let answer = caller.fetch(request(method, "/", full(""))).await;
        assert!(answer.body.is_empty());
        let span = running.span(Kind::Server).await;
        assert_eq!(span.text(attribute::ERROR_TYPE), None);
        assert_eq!(span.stamp(Direction::Response, Event::Tx).unwrap().offset, answer.received.offset);
    }
}

/// Bytes that look a little like HTTP more often than chance would have it.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        Just(b"GET / HTTP/1.1\r\n".to_vec()),
        Just(b"POST /?bytes=9 HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab".to_vec()),
        Just(b"transfer-encoding: chunked\r\n\r\n".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        Just(b"\x00\x00\x04\x01\x05\x00\x00\x00\x01\x82\x84\x86\x41".to_vec()),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_sent_the_server_ends_the_connection_and_lives(bytes in garbage(), http2: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let running = origin().await;
            let address = if http2 { running.http2 } else { running.address };
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _may_be_refused = stream.write_all(&bytes).await;
            let _may_be_gone = stream.shutdown().await;
            closed(stream).await;
            assert_eq!(Caller::http1(running.address).await.get("/?bytes=3").await.body.len(), 3);
        });
    }
}

#[tokio::test]
async fn a_body_that_learns_of_its_end_too_late_is_still_stamped_there() {
    let running = Running::start("hop", Limits::default(), |request| async move {
        let length: usize = request.uri().path()[1..].parse().unwrap();
        let mut response = Response::new(chunks(length));
        response.headers_mut().insert("content-length", length.into());
        response
    })
    .await;
    let mut caller = Caller::http1(running.address).await;
    for length in [80_000, 200_000, 5_000, 1] {
        let answer = caller.get(&format!("/{length}")).await;
        let span = running.span(Kind::Server).await;
        assert_eq!(span.stamp(Direction::Response, Event::Tx).unwrap().offset, answer.received.offset);
    }
}
