//! Requests that wait on a connection: for the one before them, or for room at the client.

use std::sync::Arc;

use hop::http::full;
use hop::http::server::Limits;
use hyper::Response;
use journey::semconv::{attribute, name};
use journey::{Direction, Event, Kind, Span};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::rig::{Caller, LIMIT, Running};

/// A server whose first response waits for the signal, and one that says that a request has come.
async fn patient() -> (Running, Arc<Notify>, Arc<Notify>) {
    let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (noted, waited) = (Arc::clone(&came), Arc::clone(&go));
    let running = Running::start("patient", Limits::default(), move |request| {
        let (came, go) = (Arc::clone(&noted), Arc::clone(&waited));
        async move {
            if request.uri().path() == "/slow" {
                came.notify_one();
                go.notified().await;
            }
            Response::new(full("ok"))
        }
    })
    .await;
    (running, came, go)
}

async fn spans_of_two(running: &Running) -> [Span; 2] {
    let mut spans: Vec<Span> = Vec::new();
    let both = hop::wait::until("both requests' spans", LIMIT, async || {
        spans.extend(running.telemetry.take().into_iter().filter(|span| span.kind == Kind::Server));
        (spans.len() == 2).then_some(())
    });
    both.await.unwrap();
    spans.sort_by_key(|span| span.name != "GET /slow");
    spans.try_into().expect("two spans")
}

fn waited_until(span: &Span) -> Option<u64> {
    span.attribute(attribute::PREDECESSOR_UNTIL).map(|until| until.to_string().parse().unwrap())
}

const SLOW: &[u8] = b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n";
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn the_second_of_two_pipelined_requests_waits_for_the_first() {
    for in_one_write in [true, false] {
        let (running, came, go) = patient().await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        if in_one_write {
            stream.write_all(&[SLOW, NEXT].concat()).await.unwrap();
            came.notified().await;
        } else {
            stream.write_all(SLOW).await.unwrap();
            came.notified().await;
            stream.write_all(NEXT).await.unwrap();
        }
        go.notify_one();
        let mut responses = Vec::new();
        stream.read_to_end(&mut responses).await.unwrap();
        let [slow, next] = spans_of_two(&running).await;
        let answered = slow.stamp(Direction::Response, Event::Tx).expect("a stamp").at;
        let until = waited_until(&next).expect("it waited");
        assert!(until >= answered && until <= next.end, "{until}, answered at {answered}: {next:?}");
        assert_eq!(waited_until(&slow), None, "nobody was before it");
    }
}

/// The twin: who waits for each response has nobody in front.
#[tokio::test]
async fn a_request_after_the_response_to_the_last_waits_for_nobody() {
    let (running, _came, go) = patient().await;
    go.notify_one();
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(SLOW).await.unwrap();
    let (mut response, mut some) = (Vec::new(), [0; 1024]);
    while !response.ends_with(b"ok") {
        let count = stream.read(&mut some).await.unwrap();
        assert!(count > 0, "the response ends with its body");
        response.extend_from_slice(&some[..count]);
    }
    stream.write_all(NEXT).await.unwrap();
    stream.read_to_end(&mut response).await.unwrap();
    let [slow, next] = spans_of_two(&running).await;
    assert_eq!((waited_until(&slow), waited_until(&next)), (None, None));
}

#[tokio::test]
async fn a_response_that_waits_for_the_clients_window_says_so() {
    let running = Running::start("generous", Limits::default(), |request| async move {
        let bytes = if request.uri().path() == "/long" { 200_000 } else { 2 };
        Response::new(full("x".repeat(bytes)))
    })
    .await;
    let mut caller = Caller::http2(running.http2).await;
    for (path, waits) in [("/long", true), ("/short", false)] {
        assert_eq!(caller.get(path).await.status, 200);
        let mut spans = Vec::new();
        let over = hop::wait::until("the request's span", LIMIT, async || {
            spans.extend(running.telemetry.take());
            spans.iter().any(|span: &Span| span.kind == Kind::Server).then_some(())
        });
        over.await.unwrap();
        let server = spans.iter().find(|span| span.kind == Kind::Server).expect("a span");
        let mut waited = spans.iter().filter(|span| span.name == name::FLOW_CONTROL_WINDOW);
        assert!(waited.clone().all(|span| span.parent == Some(server.span_id) && span.end <= server.end));
        assert_eq!(waited.any(|span| span.text(attribute::PART) == Some("wait")), waits, "{path}: {spans:?}");
    }
}
