use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hop::http::{empty, full};
use hyper::{Request, Response, StatusCode};
use journey::semconv::attribute;
use journey::{Kind, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::*;

#[tokio::test]
async fn requests_are_shared_among_equals() {
    for policy in ["least-connections", "round-robin"] {
        let stubs = [Stub::echo().await, Stub::echo().await, Stub::echo().await];
        let addresses = stubs.each_ref().map(|stub| stub.address);
        let lb = Lb::start(&addresses, &["--balance", policy]).await;
        for _ in 0..9 {
            assert_eq!(lb.get("/", "").await.0, StatusCode::OK);
        }
        assert_eq!(stubs.each_ref().map(|stub| stub.requests().len()), [3, 3, 3], "{policy}");
    }
}

#[tokio::test]
async fn a_busy_upstream_gets_nothing_more_until_it_has_answered() {
    let (release, gate) = tokio::sync::watch::channel(false);
    let slow = Stub::answering(move |_| {
        let mut gate = gate.clone();
        async move {
            gate.wait_for(|open| *open).await.unwrap();
            Response::new(empty())
        }
    })
    .await;
    let quick = Stub::echo().await;
    let lb = Lb::start(&[slow.address, quick.address], &[]).await;
    let mut sender = lb.client(rustls::ALL_VERSIONS, &["h2"]).h2().await;
    let get = || Request::get(format!("https://{NAME}/")).body(empty()).unwrap();
    let first = tokio::spawn(sender.send_request(get()));
    let stuck = async || {
        if slow.requests().is_empty() && !quick.requests().is_empty() {
            // Ties go in turn: the next one is the slow one's.
            tokio::spawn(sender.clone().send_request(get()));
        }
        (!slow.requests().is_empty()).then_some(())
    };
    hop::wait::until("the slow upstream to be busy", LIMIT, stuck).await.unwrap();
    let before = slow.requests().len();
    for _ in 0..6 {
        assert_eq!(sender.send_request(get()).await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(slow.requests().len(), before);
    release.send(true).unwrap();
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_killed_upstream_is_ejected_and_comes_back() {
    let (one, two) = (Stub::echo().await, Stub::echo().await);
    // Checks are too rare to notice: only the requests themselves can.
    let lb = Lb::start(&[one.address, two.address], &["--health-interval-ms", "60000", "--eject-after", "2"])
        .await;
    let dead = one.kill().await;
    for _ in 0..10 {
        let body = "x";
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\nContent-Length: 1\r\n\r\n{body}"
        );
        assert_eq!(status(&lb.raw(&request).await), StatusCode::OK, "the living one answers, body and all");
    }
    assert_eq!(two.requests().len(), 10);
    let spans = lb.spans(Kind::Server, "POST /", 10).await;
    let resent = spans
        .iter()
        .filter(|span| span.attribute(attribute::HTTP_REQUEST_RESEND_COUNT) == Some(&Value::Int(1)));
    assert_eq!(resent.count(), 2, "after two refusals nobody asks it any more");

    // With quick checks it comes back.
    let lb = Lb::start(&[dead], &[]).await;
    let (code, answer) = lb.get("/", "").await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE, "it was never healthy");
    assert_eq!(problem(&answer), (503, "no-healthy-upstream".into(), "upstream".into()));
    let again = Stub::on(hop::listen::tcp(dead).unwrap(), dead, |_| async { Response::new(full("back")) });
    let back = async || (lb.get("/", "").await.0 == StatusCode::OK).then_some(());
    hop::wait::until("the upstream to be back", LIMIT, back).await.unwrap();
    // Taken out by checks, it is still tried when there is no other, so it answers as soon as it is back.
    again.kill().await;
    let gone = async || (lb.get("/", "").await.0 == StatusCode::BAD_GATEWAY).then_some(());
    hop::wait::until("the upstream to be taken out", LIMIT, gone).await.unwrap();
    let _back = Stub::on(hop::listen::tcp(dead).unwrap(), dead, |_| async { Response::new(full("back")) });
    assert_eq!(lb.get("/", "").await.0, StatusCode::OK);
}

/// A refused connect has sent nothing, so a body that is too large to be held goes to somebody else, too.
#[tokio::test]
async fn a_large_body_goes_to_whoever_accepts_it() {
    const SIZE: usize = 200 << 10;
    let (one, two) = (Stub::echo().await, Stub::echo().await);
    let lb = Lb::start(&[one.address, two.address], &["--health-interval-ms", "60000", "--eject-after", "2"])
        .await;
    one.kill().await;
    let body = "x".repeat(SIZE);
    for framing in [format!("Content-Length: {SIZE}\r\n\r\n{body}"), chunked(&body)] {
        for _ in 0..3 {
            let request = format!("POST / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n{framing}");
            assert_eq!(status(&lb.raw(&request).await), StatusCode::OK);
        }
    }
    let seen = two.requests();
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|seen| seen["body"].as_str().is_some_and(|body| body.len() == SIZE)));
    let spans = lb.spans(Kind::Server, "POST /", 6).await;
    let resent = spans
        .iter()
        .filter(|span| span.attribute(attribute::HTTP_REQUEST_RESEND_COUNT) == Some(&Value::Int(1)));
    assert_eq!(resent.count(), 2, "the dead one was tried until it was ejected");
}

fn chunked(body: &str) -> String {
    format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[tokio::test]
async fn health_checks_are_never_sampled() {
    let stub = Stub::echo().await;
    let _lb = Lb::start(&[stub.address], &[]).await;
    let several = async || (stub.health_checks().len() >= 3).then_some(());
    hop::wait::until("several checks", LIMIT, several).await.unwrap();
    for check in stub.health_checks() {
        let [traceparent] = header(&check, "traceparent")[..] else { panic!("one traceparent: {check}") };
        assert!(traceparent.ends_with("-00"), "{traceparent}");
    }
    assert!(stub.telemetry.take().is_empty());
}

/// An upstream that answers health checks, and breaks off every other exchange after reading it.
async fn breaking() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let (listener, address) = listener().await;
    let broken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&broken);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(read) = stream.read(&mut buffer).await {
                    if read == 0 || !buffer.starts_with(b"GET /healthz") {
                        count.fetch_add(usize::from(read > 0), Ordering::SeqCst);
                        return;
                    }
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                }
            });
        }
    });
    (address, broken)
}

#[tokio::test]
async fn only_what_may_be_done_twice_is_sent_twice() {
    for (method, key, sent) in
        [("GET", "", 3), ("DELETE", "", 3), ("POST", "", 1), ("POST", "Idempotency-Key: \"k\"\r\n", 3)]
    {
        let (address, count) = breaking().await;
        let lb = Lb::start(&[address], &[]).await;
        let request = format!(
            "{method} /x HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n{key}Content-Length: 2\r\n\r\nab"
        );
        let answer = lb.raw(&request).await;
        assert_eq!(problem(body(&answer)), (502, "upstream-broke-off".into(), "upstream".into()));
        assert_eq!(count.load(Ordering::SeqCst), sent, "{method} {key}");
    }
}

#[tokio::test]
async fn retries_have_a_budget() {
    let (address, count) = breaking().await;
    let lb =
        Lb::start(&[address], &["--retry-percent", "0", "--retry-per-second", "1", "--retries", "5"]).await;
    lb.get("/", "").await;
    assert_eq!(count.load(Ordering::SeqCst), 2, "one request, and the one retry that was left");
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_a_504() {
    let stub = Stub::answering(|_| std::future::pending()).await;
    let lb = Lb::start(&[stub.address], &["--response-timeout-ms", "50", "--retries", "0"]).await;
    let (code, answer) = lb.get("/", "").await;
    assert_eq!(code, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(problem(&answer), (504, "upstream-timeout".into(), "upstream".into()));
}

#[tokio::test]
async fn an_upstream_that_is_silent_after_another_broke_off_is_to_blame_for_the_whole_time() {
    let stub = Stub::answering(|_| std::future::pending()).await;
    let (broken, attempts) = breaking().await;
    // Whichever is first, a GET comes to the one that is silent, and stays there to the end of its time.
    let flags = ["--request-timeout-ms", "600", "--retry-per-second", "1000"];
    let lb = Lb::start(&[broken, stub.address], &flags).await;
    for _ in 0..4 {
        let (code, answer) = lb.get("/", "").await;
        assert_eq!(code, StatusCode::GATEWAY_TIMEOUT, "{answer}");
        assert_eq!(problem(&answer), (504, "upstream-timeout".into(), "upstream".into()));
    }
    assert!(attempts.load(Ordering::SeqCst) > 0, "one was sent twice");
}

#[tokio::test]
async fn a_gateways_502_is_asked_again_where_that_is_safe() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let gateway = Stub::answering(move |_| {
        let first = counter.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            let mut response = Response::new(full("from a living pod"));
            if first {
                *response.status_mut() = StatusCode::BAD_GATEWAY;
            }
            response
        }
    })
    .await;
    let lb = Lb::start(&[gateway.address], &[]).await;
    assert_eq!(lb.get("/", "").await, (StatusCode::OK, "from a living pod".into()));
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn nobody_at_start_is_a_503_with_retry_after() {
    let lb = Lb::start(&[nobody().await], &[]).await;
    let answer = lb.raw(&format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n")).await;
    assert_eq!(status(&answer), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1"), "{answer}");
}
