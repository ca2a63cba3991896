use hop::Stamped;
use hop::http::empty;
use hyper::{Request, StatusCode};
use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Value};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, NamedGroup, ProtocolVersion};
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
    let stamped = lb.spans(Kind::Internal, "ServerHello", 1).await;
    assert!(!stamped.is_empty());
}

/// The hybrid group with whoever offers it, without another round trip, and X25519 with all others.
#[tokio::test]
async fn the_key_exchange_is_hybrid_with_whoever_speaks_it() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    let hybrid = lb.client(&[&TLS13, &TLS12], &["h2"]);
    let classical = lb.client_with(rustls::crypto::ring::default_provider(), &[&TLS13, &TLS12], &["h2"]);
    let old = lb.client(&[&TLS12], &["h2"]);
    let mut sizes = Vec::new();
    for (number, (client, group)) in
        [(hybrid, NamedGroup::X25519MLKEM768), (classical, NamedGroup::X25519), (old, NamedGroup::X25519)]
            .into_iter()
            .enumerate()
    {
        let (stream, stamps) = client.connect().await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.negotiated_key_exchange_group().map(|group| group.name()), Some(group));
        assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full), "no second ClientHello");
        let span = lb.spans(Kind::Server, "TLS handshake", number + 1).await.pop().unwrap();
        assert_eq!(span.text(attribute::TLS_CURVE), Some(format!("{group:?}").as_str()));
        let hello = span.stamp(Direction::Request, Event::Wake).unwrap().offset;
        sizes.push((hello, stamps.last_read().offset));
    }
    // What it costs: the shares, and two more bytes for the group's number and four for the share's head.
    let more = (sizes[0].0 - sizes[1].0, sizes[0].1 - sizes[1].1);
    assert_eq!(more.0, tlscrypto::CLIENT_SHARE as u64 + 2 + 4, "{sizes:?}");
    // The certificate's signature has 70 to 72 bytes (DER), so the server's flight differs by a few.
    assert!(more.1.abs_diff(tlscrypto::SERVER_SHARE as u64 - 32) <= 4, "{sizes:?}");
}

/// Programs of others: Go speaks the hybrid group, curl and OpenSSL of Debian 12 do not.
#[tokio::test]
async fn other_peoples_clients_get_the_best_that_they_speak() {
    let stub = Stub::echo().await;
    let lb = Lb::start(&[stub.address], &[]).await;
    let certificate = lb.folder.path().join("cert.pem");
    let (certificate, to) = (certificate.to_str().unwrap(), lb.address.to_string());
    // In the folder of a module, so that an older Go fetches the one that the module asks for; `.ci/readers` installs
    // a Go where there is none.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../..");
    let (module, installed) =
        (format!("{root}/tests/readers/collector"), format!("{root}/target/readers/bin/go"));
    let go = if std::path::Path::new(&installed).exists() { installed.as_str() } else { "go" };
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/handshake.go");
    let go = run(go, &["-C", &module, "run", client, &to, NAME, certificate]).await;
    if let Some(said) = go {
        assert_eq!(said.trim(), "X25519MLKEM768");
    }
    let connect = ["s_client", "-connect", &to, "-servername", NAME, "-CAfile", certificate, "-brief"];
    if let Some(said) = run("openssl", &connect).await {
        let group = said.lines().find(|line| line.starts_with("Server Temp Key") || line.contains("group"));
        let known = ["X25519", "X25519MLKEM768"];
        assert!(group.is_some_and(|line| known.iter().any(|known| line.contains(known))), "{said}");
    }
    let port = lb.address.port().to_string();
    let resolve = format!("{NAME}:{port}:{}", lb.address.ip());
    let url = format!("https://{NAME}:{port}/");
    let curl = ["-s", "--cacert", certificate, "--resolve", &resolve, "-o", "-", "-w", " %{http_code}", &url];
    if let Some(said) = run("curl", &curl).await {
        assert!(said.ends_with(" 200"), "{said}");
    }
}

/// What a program says, on both of its outputs. One that is not installed is named, and needed where `CI` is set.
async fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(LIMIT * 6, command.output()).await.expect("it ends") {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(output.status.success(), "{program}: {said}");
            Some(said)
        }
        Err(error) => {
            let text = format!("{program} did not run: {error}");
            assert!(std::env::var_os("CI").is_none(), "{text}");
            eprintln!("{text}");
            None
        }
    }
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
