use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hop::http::{BoxError, empty, full};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use hyper::{Request, Response, StatusCode};
use serde_json::Value;

use crate::support::*;

/// A body whose length is not known beforehand.
struct Drops(usize);

impl hyper::body::Body for Drops {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1000])))))
    }
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[tokio::test]
async fn http2_becomes_http1_1_with_host_joined_cookies_and_forwarded_headers() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    let mut client = lb.client(rustls::ALL_VERSIONS, &["h2", "http/1.1"]).h2().await;
    let request = Request::post(format!("https://{NAME}/cart/items?x=%20y"))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("x-forwarded-for", "6.6.6.6")
        .header("forwarded", "for=6.6.6.6")
        .header("x-own", "kept")
        .body(full("{}"))
        .unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let timing = response.headers()["server-timing"].to_str().unwrap().to_owned();
    assert!(timing.starts_with("stub;dur=") && timing.contains(", lb;dur="), "{timing}");
    let seen = parsed(&read(response).await);
    assert_eq!(
        (&seen["method"], &seen["target"], &seen["body"]),
        (&"POST".into(), &"/cart/items?x=%20y".into(), &"{}".into())
    );
    for (name, value) in [
        ("host", NAME),
        ("cookie", "a=1; b=2"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", NAME),
        ("forwarded", &format!("for=127.0.0.1;proto=https;host=\"{NAME}\"")),
        ("via", "2.0 lb"),
        ("x-own", "kept"),
    ] {
        assert_eq!(header(&seen, name), [value], "{name}");
    }
}

#[tokio::test]
async fn hop_by_hop_headers_end_here_in_both_directions() {
    let stub = Stub::answering(|seen| async move {
        let mut response = Response::new(full(seen.to_string()));
        for (name, value) in
            [("connection", "x-secret"), ("x-secret", "1"), ("keep-alive", "timeout=5"), ("x-public", "1")]
        {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    })
    .await;
    let lb = Lb::start(&[stub.address], &[]).await;
    // The client also tries to have the balancer's own headers and the host removed.
    let request = format!(
        "POST /x HTTP/1.1\r\nHost: {NAME}\r\nConnection: close, x-hop, x-forwarded-for, host, via\r\n\
         X-Hop: 1\r\nKeep-Alive: 1\r\nTE: trailers\r\nUpgrade: websocket\r\nProxy-Authorization: x\r\n\
         Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    );
    let answer = lb.raw(&request).await;
    let answer = answer.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").expect("the balancer answers Expect");
    assert_eq!(status(answer), StatusCode::OK);
    let lower = answer.to_ascii_lowercase();
    assert!(lower.contains("x-public: 1") && !lower.contains("x-secret:") && !lower.contains("keep-alive:"));
    let [seen] = &stub.requests()[..] else { panic!("one request") };
    for name in ["x-hop", "keep-alive", "upgrade", "proxy-authorization"] {
        assert!(header(seen, name).is_empty(), "{name}: {seen}");
    }
    // The balancer's own words to its upstream.
    assert_eq!((header(seen, "connection"), header(seen, "te")), (vec!["TE"], vec!["trailers"]));
    assert_eq!(header(seen, "host"), [NAME]);
    assert_eq!(header(seen, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen["body"], "ab");
}

#[tokio::test]
async fn what_an_edge_must_refuse_is_refused_and_reaches_nobody() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    for (request, expected, kind) in [
        ("GET / HTTP/1.1\r\n\r\n", 400, "host-missing"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "host-twice"),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400, "host-malformed"),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "scheme"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            501,
            "transfer-coding",
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: a-pony\r\n\r\na", 417, "expectation"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "host-malformed"),
        ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400, "host-malformed"),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method-not-allowed"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method-not-allowed"),
    ] {
        let answer = lb.raw(&request.replacen("\r\n", "\r\nConnection: close\r\n", 1)).await;
        assert_eq!(problem(body(&answer)), (expected, kind.into(), "client".into()), "{request:?}");
        assert_eq!(answer.to_ascii_lowercase().contains("allow:"), expected == 405);
    }
    // These never become a request.
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        assert_eq!(status(&lb.raw(request).await), StatusCode::BAD_REQUEST, "{request:?}");
    }
    let smuggled = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = lb.raw(&smuggled.replacen("\r\n", "\r\nConnection: close\r\n", 1)).await;
    assert!(answer.matches("HTTP/1.1").count() == 1, "one request, one answer: {answer}");
    assert!(stub.requests().iter().all(|seen| seen["target"] != "/evil"));
}

#[tokio::test]
async fn an_absolute_target_wins_over_host() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    let answer =
        lb.raw("GET http://real.com/p?q HTTP/1.1\r\nHost: other.com\r\nConnection: close\r\n\r\n").await;
    let seen = parsed(body(&answer).as_bytes());
    assert_eq!((&seen["target"], header(&seen, "host")), (&"/p?q".into(), vec!["real.com"]));
}

#[tokio::test]
async fn bodies_have_a_limit_announced_or_not() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &["--max-body", "100000"]).await;
    let client = lb.client(rustls::ALL_VERSIONS, &["h2"]);
    let post = |body| Request::post(format!("https://{NAME}/")).body(body).unwrap();
    let mut sender = client.h2().await;
    for (body, expected) in [
        (full(vec![b'x'; 100_000]), 200),
        (full(vec![b'x'; 100_001]), 413),
        (Drops(100).boxed_unsync(), 200),
        (Drops(101).boxed_unsync(), 413),
    ] {
        let response = sender.send_request(post(body)).await.unwrap();
        assert_eq!(response.status(), expected);
        let answer = read(response).await;
        if expected == 413 {
            let found = problem(std::str::from_utf8(&answer).unwrap());
            assert_eq!(found, (413, "body-too-large".into(), "client".into()));
        } else {
            assert_eq!(parsed(&answer)["body"].as_str().unwrap().len(), 100_000);
        }
    }
}

#[tokio::test]
async fn responses_without_a_body_stay_without() {
    let stub = Stub::answering(|seen| async move {
        let mut response = Response::new(if seen["target"] == "/" { full("12345") } else { empty() });
        *response.status_mut() = match seen["target"].as_str() {
            Some("/204") => StatusCode::NO_CONTENT,
            Some("/304") => StatusCode::NOT_MODIFIED,
            _ => StatusCode::OK,
        };
        response
    })
    .await;
    let lb = Lb::start(&[stub.address], &[]).await;
    let (mut one, mut two) = {
        let client = |protocol| lb.client(rustls::ALL_VERSIONS, &[protocol]);
        (client("http/1.1").h1().await, client("h2").h2().await)
    };
    for (method, path, status, length) in [
        ("HEAD", "/", 200, Some("5")),
        ("GET", "/204", 204, None),
        ("GET", "/304", 304, None),
        ("GET", "/", 200, Some("5")),
    ] {
        let request = |uri: String| {
            Request::builder().method(method).uri(uri).header("host", NAME).body(empty()).unwrap()
        };
        one.ready().await.unwrap();
        let first = one.send_request(request(path.into())).await.unwrap();
        let second = two.send_request(request(format!("https://{NAME}{path}"))).await.unwrap();
        for response in [first, second] {
            assert_eq!(response.status(), status);
            let announced =
                response.headers().get("content-length").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(announced.as_deref(), length, "{method} {path}");
            let body = read(response).await;
            assert_eq!(&body[..], if (method, path) == ("GET", "/") { &b"12345"[..] } else { b"" });
        }
    }
}

#[tokio::test]
async fn a_running_request_survives_shutdown() {
    let (release, gate) = tokio::sync::watch::channel(false);
    let stub = Stub::answering(move |_| {
        let mut gate = gate.clone();
        async move {
            gate.wait_for(|open| *open).await.unwrap();
            Response::new(full("late but whole"))
        }
    })
    .await;
    for protocol in ["h2", "http/1.1"] {
        release.send(false).unwrap();
        let lb = Lb::start(&[stub.address], &[]).await;
        let client = lb.client(rustls::ALL_VERSIONS, &[protocol]);
        let request =
            Request::get(format!("https://{NAME}/slow")).header("host", NAME).body(empty()).unwrap();
        let before = stub.requests().len();
        let answer = if protocol == "h2" {
            let mut sender = client.h2().await;
            tokio::spawn(async move { read(sender.send_request(request).await.unwrap()).await })
        } else {
            let mut sender = client.h1().await;
            tokio::spawn(async move { read(sender.send_request(request).await.unwrap()).await })
        };
        let arrived = async || (stub.requests().len() > before).then_some(());
        hop::wait::until("the request to arrive", LIMIT, arrived).await.unwrap();
        lb.stop.cancel();
        let closed = async || hop::Stamped::connect(lb.address).await.err().map(|_| ());
        hop::wait::until("the port to be closed", LIMIT, closed).await.unwrap();
        assert!(!lb.task.is_finished());
        release.send(true).unwrap();
        assert_eq!(answer.await.unwrap(), "late but whole", "{protocol}");
        tokio::time::timeout(LIMIT, lb.task).await.expect("drained").unwrap().unwrap();
    }
}
