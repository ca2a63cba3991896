use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

async fn serve() -> (Admin, SocketAddr) {
    let admin = Admin::new("cart-pod-def34");
    admin.route(Method::PUT, "/endpoints", |body| async move {
        text(StatusCode::OK, format!("{} bytes", body.len()))
    });
    let listener = crate::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(admin.clone().serve(listener));
    (admin, address)
}

async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _may_be_refused_early = stream.write_all(request).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    let _end_or_reset = read.expect("the endpoint ends the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes()).await
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
            "PUT /endpoints HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        bytes.extend(std::iter::repeat_n('x', length));
        bytes.into_bytes()
    };
    assert!(ask(address, &put(5)).await.ends_with("5 bytes"));
    let refused = ask(address, &put(BODY_LIMIT + 1)).await;
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
        let answer = ask(address, garbage).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
}

/// Enough of a parser of the Prometheus text format to find a sample.
fn sample(metrics: &str, name: &str, label: &str) -> f64 {
    let line = metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find(|line| line.starts_with(&format!("{name}{{")) && line.contains(label))
        .unwrap_or_else(|| panic!("{name} with {label} in\n{metrics}"));
    line.rsplit_once("} ").unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn metrics_are_text_that_prometheus_reads() {
    let (admin, address) = serve().await;
    for status in [200, 200, 503] {
        admin.request_began();
        admin.request_ended(StatusCode::from_u16(status).unwrap(), Duration::from_micros(300));
    }
    admin.request_began();
    let answer = get(address, "/metrics").await;
    let (head, metrics) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(metrics.ends_with("# EOF\n"));
    for line in metrics.lines() {
        let is_sample = || line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
        assert!(line.starts_with("# ") || is_sample(), "{line}");
    }
    let requests = "http_server_requests_total";
    assert_eq!(sample(metrics, requests, "http_response_status_code=\"200\""), 2.0);
    assert_eq!(sample(metrics, requests, "http_response_status_code=\"503\""), 1.0);
    assert_eq!(sample(metrics, "http_server_active_requests", "hop=\"cart-pod-def34\""), 1.0);
    assert_eq!(sample(metrics, "http_server_request_duration_seconds_bucket", "le=\"0.0005\""), 3.0);
}
