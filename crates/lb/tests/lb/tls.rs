use hop::Stamped;
use hop::http::empty;
use hyper::{Request, StatusCode};
use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Value};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::*;

#[tokio::test]
async fn versions_and_protocols_are_negotiated_and_handshakes_reported() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    let mut count = 0;
    for (version, name, protocol) in [
        (&TLS13, "1.3", "h2"),
        (&TLS12, "1.2", "h2"),
        (&TLS13, "1.3", "http/1.1"),
        (&TLS12, "1.2", "http/1.1"),
    ] {
        let client = lb.client(&[version], &[protocol]);
        // The second connection resumes the first one's session.
        for resumed in [false, true] {
            let begun = hop::clock::now();
            let (mut stream, stamps) = client.connect().await.unwrap();
            let answered = stamps.last_read();
            assert_eq!(stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed), resumed);
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
            if protocol == "http/1.1" {
                let request = format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                let _ = stream.read_to_string(&mut answer).await; // tickets come before it
                assert_eq!(status(&answer), StatusCode::OK);
            } else {
                drop(stream);
                let mut sender = client.h2().await; // resumed too
                count += 1;
                let request = Request::get(format!("https://{NAME}/")).body(empty()).unwrap();
                read(sender.send_request(request).await.unwrap()).await;
            }
            count += 1;

            let spans = lb.spans(Kind::Server, "TLS handshake", count).await;
            assert_eq!(spans.len(), count);
            let port = Value::from(stamps.flow().client.port());
            let span = spans
                .iter()
                .find(|span| span.attribute(attribute::NETWORK_PEER_PORT) == Some(&port))
                .unwrap();
            assert_eq!(span.text(attribute::TLS_PROTOCOL_VERSION), Some(name));
            assert_eq!(span.attribute(attribute::TLS_RESUMED), Some(&Value::Bool(resumed)));
            assert_eq!(span.text(attribute::TLS_CLIENT_SERVER_NAME), Some(NAME));
            assert!(span.text(attribute::TLS_CIPHER).unwrap().starts_with("TLS_"), "{span:?}");
            let wake = span.stamp(Direction::Request, Event::Wake).unwrap();
            let tx = span.stamp(Direction::Response, Event::Tx).unwrap();
            assert_eq!(wake.flow, stamps.flow());
            assert!(begun <= span.start && span.start <= wake.at && wake.at < tx.at && tx.at <= span.end);
            // What the server wrote last is what the client had read last when it was done.
            assert_eq!(tx.offset, answered.offset, "TLS {name} {protocol} resumed {resumed}");
            assert!(tx.at < answered.at);
        }
    }
    let stamped = lb.spans(Kind::Internal, "answer ClientHello", 1).await;
    assert!(!stamped.is_empty());
}

#[tokio::test]
async fn the_hello_is_stamped_where_the_client_wrote_it() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    let hello = std::sync::Arc::new(std::sync::Mutex::new(None));
    // A client of our own, to note its first flush.
    let stream = Stamped::connect(lb.address).await.unwrap();
    let sink = hello.clone();
    stream.stamps().after_flush(move |mark| *sink.lock().unwrap() = Some(mark));
    lb.client(&[&TLS13], &["h2"]).over(stream).await.unwrap();
    let span = lb.spans(Kind::Server, "TLS handshake", 1).await.remove(0);
    let hello = hello.lock().unwrap().unwrap();
    let wake = span.stamp(Direction::Request, Event::Wake).unwrap();
    assert_eq!(wake.offset, hello.offset);
    assert!(hello.at < wake.at);
}

#[tokio::test]
async fn without_a_common_protocol_there_is_no_connection() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    let error = lb.client(&[&TLS13], &["spdy/3"]).connect().await.err().unwrap();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    // And without ALPN it is HTTP/1.1.
    let mut sender = lb.client(&[&TLS13], &[]).h1().await;
    let request = Request::get("/").header("host", NAME).body(empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn garbage_and_silence_cost_nobody_else_anything() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &["--handshake-timeout-ms", "200"]).await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 5000],
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"",
    ] {
        let mut stream = Stamped::connect(lb.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut answer = Vec::new();
        // Closed after an alert, or after the time a handshake may take.
        let closed = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
        let _ = closed.unwrap_or_else(|_| panic!("still open after {garbage:?}"));
        assert!(answer.len() < 100, "an alert at most");
        assert_eq!(lb.get("/", "").await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_without_dropping_a_connection() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    let mut kept = lb.client(&[&TLS13], &["h2"]).h2().await;
    let get = || Request::get(format!("https://{NAME}/")).body(empty()).unwrap();
    read(kept.send_request(get()).await.unwrap()).await;
    let before = lb.client(&[&TLS13], &["http/1.1"]);

    let hang_up = async || {
        let process = std::process::id().to_string();
        let status = std::process::Command::new("kill").args(["-HUP", &process]).status().unwrap();
        assert!(status.success());
    };
    // A broken certificate changes nothing.
    let path = lb.folder.path().join("cert.pem");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, "no certificate").unwrap();
    hang_up().await;
    assert_eq!(
        before.connect().await.unwrap().0.get_ref().1.protocol_version(),
        Some(ProtocolVersion::TLSv1_3)
    );

    std::fs::write(&path, good).unwrap();
    write_certificate(&lb.folder);
    hang_up().await;
    let after = async || lb.client(&[&TLS13], &["http/1.1"]).connect().await.ok().map(|_| ());
    hop::wait::until("the new certificate", LIMIT, after).await.unwrap();
    assert_eq!(kept.send_request(get()).await.unwrap().status(), StatusCode::OK);
}
