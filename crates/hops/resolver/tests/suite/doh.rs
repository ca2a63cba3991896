use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Parser as _;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use hop::listen::Pair;
use hop::{CancellationToken, Hop, Telemetry};
use hyper_util::rt::{TokioExecutor, TokioIo};
use journey::semconv::attribute;
use journey::{Direction, Event, Kind};
use resolver::config::Settings;
use resolver::doh::Doh;
use resolver::server::run;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::fake::World;
use crate::{LIMIT, data, query, resolver};

struct Https {
    address: SocketAddr,
    trusted: CertificateDer<'static>,
    telemetry: Telemetry,
    stop: CancellationToken,
    // Dropped last: the name servers and the certificate's files.
    _world: World,
    _folder: tempfile::TempDir,
}

async fn start() -> Https {
    let world = World::usual().await;
    let (resolver, telemetry) = resolver(&world);
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("doh.pem"), folder.path().join("doh.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut settings = Settings::try_parse_from(["resolver", "--doh-listen", "127.0.0.1:0"]).unwrap();
    assert!(Doh::bind(&settings).unwrap().is_none(), "no certificate, no DoH");
    (settings.tls_cert, settings.tls_key) = (Some(certificate), Some(key));
    let doh = Doh::bind(&settings).unwrap().expect("an endpoint");
    let address = doh.address().unwrap();
    let stop = CancellationToken::new();
    let hop = Hop::for_tests("resolver", telemetry.clone(), stop.clone());
    let sockets = Pair::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    tokio::spawn(run(sockets, Some(doh), resolver, hop));
    Https { address, trusted: made.cert.der().clone(), telemetry, stop, _world: world, _folder: folder }
}

impl Https {
    /// A TLS connection that speaks this protocol (ALPN).
    async fn connect(&self, protocol: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.trusted.clone()).unwrap();
        let provider = Arc::new(tlscrypto::provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::from(self.address.ip());
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
    }

    /// Sends an HTTP/1.1 request and returns the response's head and body.
    async fn request(&self, head: &str, body: &[u8]) -> (String, Vec<u8>) {
        let mut tls = self.connect(b"http/1.1").await;
        let length = body.len();
        let head = format!("{head}\r\nhost: x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        tls.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut response = Vec::new();
        tokio::time::timeout(LIMIT, tls.read_to_end(&mut response)).await.expect("a response").unwrap();
        let end = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        (String::from_utf8(response[..end].to_vec()).unwrap().to_lowercase(), response[end + 4..].to_vec())
    }
}

#[tokio::test]
async fn get_and_post_answer_and_http_caches_learn_the_ttl() {
    let https = start().await;
    let mut question = query("api.myshop.com.", RecordType::A);
    question.metadata.id = 0; // so that HTTP caches see equal questions as equal (RFC 8484 §4.1)
    let bytes = question.to_vec().unwrap();
    let get = format!("GET /dns-query?dns={} HTTP/1.1", URL_SAFE_NO_PAD.encode(&bytes));
    let post = "POST /dns-query HTTP/1.1\r\ncontent-type: application/dns-message";
    for (head, body) in [(get.as_str(), &[] as &[u8]), (post, &bytes)] {
        let (head, body) = https.request(head, body).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("content-type: application/dns-message"), "{head}");
        assert!(head.contains("cache-control: max-age="), "{head}");
        let reply = Message::from_vec(&body).unwrap();
        assert_eq!(data(&reply.answers), ["api.myshop.com. A 127.0.113.50"]);
        assert_eq!(reply.id, 0);
    }
    https.stop.cancel();
}

#[tokio::test]
async fn the_questions_belong_to_the_callers_trace() {
    let https = start().await;
    let bytes = query("api.myshop.com.", RecordType::A).to_vec().unwrap();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let head = format!(
        "POST /dns-query HTTP/1.1\r\ncontent-type: application/dns-message\r\ntraceparent: 00-{trace}-b7ad6b7169203331-01"
    );
    https.request(&head, &bytes).await;
    let mut spans = Vec::new();
    hop::wait::until("four spans", LIMIT, async || {
        spans.extend(https.telemetry.take());
        (spans.len() == 4).then_some(())
    })
    .await
    .unwrap();
    assert!(spans.iter().all(|span| span.trace_id.to_string() == trace));
    let server = spans.iter().find(|span| span.kind == Kind::Server).unwrap();
    assert_eq!(spans.iter().filter(|span| span.parent == Some(server.span_id)).count(), 3);
    assert_eq!(server.text(attribute::DNS_CACHE), Some("miss"));
    assert_eq!(server.text(attribute::DNS_QUESTION_NAME), Some("api.myshop.com."));
    assert!(server.stamp(Direction::Response, Event::Tx).is_some());
}

#[tokio::test]
async fn head_is_get_without_the_content_over_both_versions() {
    let https = start().await;
    let question = URL_SAFE_NO_PAD.encode(query("api.myshop.com.", RecordType::A).to_vec().unwrap());
    let path = format!("/dns-query?dns={question}");
    let (get, content) = https.request(&format!("GET {path} HTTP/1.1"), b"").await;
    let (head, nothing) = https.request(&format!("HEAD {path} HTTP/1.1"), b"").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(nothing.is_empty() && !content.is_empty());
    for field in ["content-type: application/dns-message", &format!("content-length: {}", content.len())] {
        assert!(get.contains(field) && head.contains(field), "{field}: {head}");
    }
    // HTTP/2, where a body that does not belong there would be an error of the stream (RFC 9113 §8.1.1).
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(https.connect(b"h2").await))
            .await
            .unwrap();
    tokio::spawn(connection);
    let uri = format!("https://{}{path}", https.address);
    let request = hyper::Request::head(uri).body(http_body_util::Empty::<hyper::body::Bytes>::new()).unwrap();
    let response = tokio::time::timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/dns-message");
    let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("an end of the stream");
    assert!(body.to_bytes().is_empty());
}

#[tokio::test]
async fn a_media_type_may_have_parameters_and_any_case() {
    let https = start().await;
    let bytes = query("api.myshop.com.", RecordType::A).to_vec().unwrap();
    for (kind, status) in [
        ("application/dns-message; charset=utf-8", "200"),
        ("Application/DNS-Message;x=y", "200"),
        ("application/dns-message ; x=\"a;b\"", "200"),
        ("application/dns-messages", "415"),
        ("text/plain; a=application/dns-message", "415"),
    ] {
        let head = format!("POST /dns-query HTTP/1.1\r\ncontent-type: {kind}");
        let (answer, _) = https.request(&head, &bytes).await;
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{kind}: {answer}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones_and_a_long_message_that_it_is_too_long() {
    let https = start().await;
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        let (answer, _) = https.request(&format!("{method} /dns-query HTTP/1.1"), b"").await;
        assert!(answer.starts_with("http/1.1 405") && answer.contains("allow: get, head, post"), "{answer}");
    }
    let post = "POST /dns-query HTTP/1.1\r\ncontent-type: application/dns-message";
    let (answer, body) = https.request(post, &vec![0; 65_536]).await;
    assert!(answer.starts_with("http/1.1 413"), "{answer}");
    assert!(String::from_utf8(body).unwrap().contains("65535"));
    // The longest that there may be is a query like any other, with zeros after it.
    let (answer, _) = https.request(post, &vec![0; 65_535]).await;
    assert!(answer.starts_with("http/1.1 200") || answer.starts_with("http/1.1 400"), "{answer}");
}

#[tokio::test]
async fn what_is_no_question_gets_a_problem_document() {
    let https = start().await;
    let dns = "\r\ncontent-type: application/dns-message";
    for (head, body, status) in [
        ("GET / HTTP/1.1".to_owned(), "", "404"),
        ("GET /dns-query HTTP/1.1".to_owned(), "", "400"),
        ("GET /dns-query?dns=*** HTTP/1.1".to_owned(), "", "400"),
        ("DELETE /dns-query HTTP/1.1".to_owned(), "", "405"),
        ("POST /dns-query HTTP/1.1".to_owned(), "x", "415"),
        (format!("POST /dns-query HTTP/1.1{dns}"), "short", "400"),
    ] {
        let (answer, body) = https.request(&head, body.as_bytes()).await;
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{head}: {answer}");
        assert!(answer.contains("application/problem+json"), "{head}: {answer}");
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains("\"fault\":\"client\"") && body.contains("\"hop\":\"resolver\""), "{body}");
    }
}
