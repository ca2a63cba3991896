use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// The same for all tests.
fn secret() -> Secret {
    static SECRET: std::sync::LazyLock<Secret> = std::sync::LazyLock::new(Secret::random);
    SECRET.clone()
}

async fn serve() -> (Admin, SocketAddr) {
    let admin = Admin::guarded("cart-pod-def34", Some(secret()));
    admin.route(Method::PUT, "/endpoints", |body| async move {
        text(StatusCode::OK, format!("{} bytes", body.len()))
    });
    let listener = crate::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(admin.clone().serve(listener));
    (admin, address)
}

async fn fetch(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _may_be_refused_early = stream.write_all(request).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    let _end_or_reset = read.expect("the endpoint ends the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The header that shows the secret.
fn bearer() -> String {
    format!("authorization: Bearer {}\r\n", secret().as_str())
}

async fn get(address: SocketAddr, path: &str) -> String {
    fetch(
        address,
        format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:9100\r\nconnection: close\r\n\r\n").as_bytes(),
    )
    .await
}

#[tokio::test]
async fn alive_at_once_ready_when_told() {
    let (admin, address) = serve().await;
    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 503"));
    admin.set_ready(true);
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    admin.set_ready(false);
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn routes_unknown_paths_wrong_methods_and_large_bodies() {
    let (_, address) = serve().await;
    let put = |length: usize| {
        let mut bytes = format!(
            "PUT /endpoints HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {length}\r\n{}\r\n",
            bearer()
        );
        bytes.extend(std::iter::repeat_n('x', length));
        bytes.into_bytes()
    };
    assert!(fetch(address, &put(5)).await.ends_with("5 bytes"));
    let refused = fetch(address, &put(BODY_LIMIT + 1)).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 413"), "{refused}");
    let unknown = get(address, "/nothing").await;
    assert!(unknown.starts_with("HTTP/1.1 404"));
    assert!(
        unknown.ends_with("known here: PUT /endpoints, GET /livez, GET /metrics, GET /readyz\n"),
        "{unknown}"
    );
    let wrong = get(address, "/endpoints").await;
    assert!(wrong.starts_with("HTTP/1.1 405") && wrong.contains("allow: PUT\r\n"), "{wrong}");
    for garbage in
        [&b"\x00\x01\x02\r\n\r\n"[..], b"GET /livez\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"]
    {
        let answer = fetch(address, garbage).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_that_was_asked_for() {
    let (admin, address) = serve().await;
    admin.metrics().request_began();
    admin.metrics().request_ended(
        StatusCode::OK,
        Duration::from_micros(300),
        Some(journey::TraceId([7; 16])),
    );
    let plain = get(address, "/metrics").await;
    assert!(plain.contains("content-type: text/plain; version=0.0.4"), "{plain}");
    assert!(!plain.contains("trace_id") && !plain.contains("# EOF"), "{plain}");
    // As Prometheus asks.
    let accept = "accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";
    let request =
        format!("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1:9100\r\nconnection: close\r\n{accept}\r\n\r\n");
    let open = fetch(address, request.as_bytes()).await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0"), "{open}");
    assert!(open.contains(&format!("# {{trace_id=\"{}\"}} 0.0003", "07".repeat(16))), "{open}");
    assert!(open.ends_with("# EOF\n"), "{open}");
}

#[tokio::test]
async fn whoever_changes_something_must_know_the_secret_and_be_no_web_page() {
    let (_, address) = serve().await;
    let put = async |headers: &str| {
        let head =
            format!("PUT /endpoints HTTP/1.1\r\nconnection: close\r\ncontent-length: 1\r\n{headers}\r\nx");
        fetch(address, head.as_bytes()).await
    };
    let (host, bearer) = (format!("host: {address}\r\n"), bearer());
    assert!(put(&format!("{host}{bearer}")).await.starts_with("HTTP/1.1 200"));
    let stranger = put(&host).await;
    assert!(
        stranger.starts_with("HTTP/1.1 401") && stranger.contains("www-authenticate: Bearer"),
        "{stranger}"
    );
    let wrong = put(&format!("{host}authorization: Bearer {}\r\n", "0".repeat(64))).await;
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    // A page knows no secret; but one that did would still be refused.
    let page = put(&format!("{host}{bearer}origin: https://evil.example\r\n")).await;
    assert!(page.starts_with("HTTP/1.1 403"), "{page}");
    let bent = put(&format!("host: evil.example\r\n{bearer}")).await;
    assert!(bent.starts_with("HTTP/1.1 421"), "{bent}");
    // Also what only reads says nothing to a page.
    let read =
        fetch(address, b"GET /metrics HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").await;
    assert!(read.starts_with("HTTP/1.1 421"), "{read}");
}
