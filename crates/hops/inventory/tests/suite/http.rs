//! The inventory service from outside: bytes in, bytes out.

use std::net::SocketAddr;
use std::path::Path;

use hop::http::{Fault, Problem};
use hop::{CancellationToken, Hop, Telemetry};
use inventory::config::Seed;
use inventory::stock::Stock;
use journey::semconv::attribute;
use journey::{Direction, Event, Kind};
use serde_json::{Value, json};
use sql_client::DatabaseUrl;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A running service on a port of its own.
struct Service {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Service {
    async fn start(database: &Path, telemetry: Telemetry) -> Self {
        let listener = hop::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let seed: Seed = "PROD-123=42,PROD-124=0".parse().unwrap();
        let stock = Stock::open(&DatabaseUrl::Sqlite(database.into()), &seed.0).await.unwrap();
        let shutdown = CancellationToken::new();
        let hop = Hop::for_tests("inventory-pod", telemetry, shutdown.clone());
        let task = tokio::spawn(inventory::server::run(listener, stock, hop));
        Service { address, shutdown, task }
    }

    /// One request on a connection of its own.
    async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Response {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: inventory\r\nconnection: close\r\n{length}{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A body that is refused early is not read to its end: that is no failure.
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        Response::parse(&String::from_utf8(bytes).unwrap())
    }

    async fn get(&self, path: &str) -> Response {
        self.send("GET", path, "", b"").await
    }

    async fn put(&self, path: &str, body: &str) -> Response {
        self.send("PUT", path, "content-type: application/json\r\n", body.as_bytes()).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[derive(Debug)]
struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Response {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

#[tokio::test]
async fn a_product_is_shown_set_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&folder.path().join("stock.db"), Telemetry::off()).await;

    let shown = service.get("/stock/PROD-123").await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.header("content-type"), Some("application/json"));
    assert_eq!(shown.body, r#"{"productId":"PROD-123","available":42}"#);

    let created = service.put("/stock/PROD-9", r#"{"available": 7}"#).await;
    assert_eq!((created.status, created.json()), (201, json!({"productId": "PROD-9", "available": 7})));
    let replaced = service.put("/stock/PROD-9", r#"{"available":4294967295}"#).await;
    assert_eq!(replaced.status, 200);
    assert_eq!(service.get("/stock/PROD-9").await.json()["available"], u32::MAX);

    let list = service.get("/stock").await.json();
    assert_eq!(list["more"], false);
    let ids: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|item| item["productId"].clone()).collect();
    assert_eq!(ids, ["PROD-123", "PROD-124", "PROD-9"]);

    let head = service.send("HEAD", "/stock/PROD-123", "", b"").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_list_has_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stock.db");
    let many: Vec<String> = (0..1_500).map(|n| format!("X{n:04}=1")).collect();
    let seed: Seed = many.join(",").parse().unwrap();
    drop(Stock::open(&DatabaseUrl::Sqlite(path.clone()), &seed.0).await.unwrap());
    let service = Service::start(&path, Telemetry::off()).await;
    let list = service.get("/stock").await.json();
    assert_eq!((list["items"].as_array().unwrap().len(), &list["more"]), (1_000, &json!(true)));
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&folder.path().join("stock.db"), Telemetry::off()).await;
    let json_type = "content-type: application/json; charset=utf-8\r\n";
    let long = format!("{{\"available\": 1{}}}", " ".repeat(8_192));
    let long_id = format!("/stock/{}", "x".repeat(65));
    let table = [
        ("GET", "/stock/PROD-404", "", "", 404, Some("productId")),
        ("GET", "/stock/", "", "", 400, Some("productId")),
        ("GET", "/stock/a%20b", "", "", 400, Some("productId")),
        ("GET", long_id.as_str(), "", "", 400, Some("productId")),
        ("GET", "/stock/a/b", "", "", 404, None),
        ("GET", "/stocks", "", "", 404, None),
        ("GET", "/", "", "", 404, None),
        ("DELETE", "/stock/PROD-123", "", "", 405, None),
        ("POST", "/stock", json_type, "{}", 405, None),
        ("PUT", "/stock/a!", json_type, r#"{"available":1}"#, 400, Some("productId")),
        ("PUT", "/stock/A", "", r#"{"available":1}"#, 415, Some("Content-Type")),
        ("PUT", "/stock/A", "content-type: text/plain\r\n", r#"{"available":1}"#, 415, Some("Content-Type")),
        ("PUT", "/stock/A", json_type, long.as_str(), 413, Some("content-length")),
        ("PUT", "/stock/A", json_type, "", 400, Some("body")),
        ("PUT", "/stock/A", json_type, "{\"available\":", 400, Some("body")),
        ("PUT", "/stock/A", json_type, "7", 400, Some("body")),
        ("PUT", "/stock/A", json_type, "[1]", 400, Some("body")),
        ("PUT", "/stock/A", json_type, "{}", 400, Some("available")),
        ("PUT", "/stock/A", json_type, r#"{"available":"1"}"#, 400, Some("available")),
        ("PUT", "/stock/A", json_type, r#"{"available":-1}"#, 400, Some("available")),
        ("PUT", "/stock/A", json_type, r#"{"available":1.5}"#, 400, Some("available")),
        ("PUT", "/stock/A", json_type, r#"{"available":4294967296}"#, 400, Some("available")),
        ("PUT", "/stock/A", json_type, r#"{"available":1,"reserved":2}"#, 400, Some("reserved")),
    ];
    for (method, path, headers, body, status, field) in table {
        let case = format!("{method} {path} {headers:?} {body:.40}");
        let response = service.send(method, path, headers, body.as_bytes()).await;
        assert_eq!(response.status, status, "{case}: {response:?}");
        assert_eq!(response.header("content-type"), Some("application/problem+json"), "{case}");
        let problem: Problem = serde_json::from_value(response.json()).unwrap();
        assert_eq!((problem.status, problem.fault), (status, Fault::Client), "{case}");
        assert_eq!((problem.hop.as_str(), problem.field.as_deref()), ("inventory-pod", field), "{case}");
        assert!(!problem.detail.is_empty(), "{case}");
        assert_eq!(response.header("allow").is_some(), status == 405, "{case}");
    }
    // None of it had an effect, and the service is well.
    assert_eq!(service.get("/stock/A").await.status, 404);
    assert_eq!(service.get("/stock/PROD-123").await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&folder.path().join("stock.db"), Telemetry::off()).await;
    let huge = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &[b'y'; 200_000]].concat();
    for garbage in [b"\x00\xff\xfe garbage\r\n\r\n".as_slice(), b"GET\r\n\r\n", b"PUT /stock/A HT", &huge] {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        let _ = stream.write_all(garbage).await;
        drop(stream);
    }
    assert_eq!(service.get("/stock/PROD-123").await.status, 200);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stock.db");
    let service = Service::start(&path, Telemetry::off()).await;
    assert_eq!(service.put("/stock/PROD-123", r#"{"available":41}"#).await.status, 200);
    service.stop().await;
    let service = Service::start(&path, Telemetry::off()).await;
    assert_eq!(service.get("/stock/PROD-123").await.json()["available"], 41);
}

#[tokio::test]
async fn a_database_that_breaks_while_running_is_our_fault_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stock.db");
    let service = Service::start(&path, Telemetry::off()).await;
    let vandal = rusqlite::Connection::open(&path).unwrap();
    vandal.execute_batch("ALTER TABLE stock RENAME TO gone").unwrap();
    for response in
        [service.get("/stock/PROD-123").await, service.put("/stock/A", r#"{"available":1}"#).await]
    {
        assert_eq!((response.status, response.json()["fault"].as_str()), (500, Some("ours")), "{response:?}");
    }
    vandal.execute_batch("ALTER TABLE gone RENAME TO stock").unwrap();
    assert_eq!(service.get("/stock/PROD-123").await.status, 200);
}

#[tokio::test]
async fn a_request_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::memory("inventory-pod");
    let service = Service::start(&folder.path().join("stock.db"), telemetry.clone()).await;
    let caller = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let response = service.send("GET", "/stock/PROD-123", caller, b"").await;
    let timing = response.header("server-timing").unwrap();
    assert!(timing.contains("sqlite;dur=") && timing.contains("inventory-pod;dur="), "{timing}");

    let spans = telemetry.take();
    let server = spans.iter().find(|span| span.kind == Kind::Server).unwrap();
    let query = spans.iter().find(|span| span.name == "sqlite").unwrap();
    assert_eq!(server.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(server.parent.unwrap().to_string(), "b7ad6b7169203331");
    assert_eq!((query.kind, query.parent), (Kind::Internal, Some(server.span_id)));
    assert!(server.start <= query.start && query.end <= server.end);
    for (span, key, value) in [
        (server, attribute::HTTP_ROUTE, "/stock/{productId}"),
        (query, attribute::DB_SYSTEM_NAME, "sqlite"),
        (query, attribute::DB_OPERATION_NAME, "SELECT"),
    ] {
        assert_eq!(span.text(key), Some(value));
    }
    assert!(server.stamp(Direction::Request, Event::Wake).is_some());
    let sent = server.stamp(Direction::Response, Event::Tx).unwrap();
    assert_eq!(sent.offset as usize, response.head.len() + 4 + response.body.len());
}

impl Service {
    async fn post(&self, path: &str, body: &str) -> Response {
        self.send("POST", path, "content-type: application/json\r\n", body.as_bytes()).await
    }

    async fn available(&self) -> i64 {
        self.get("/stock/PROD-123").await.json()["available"].as_i64().unwrap()
    }
}

const RESERVATIONS: &str = "/stock/PROD-123/reservations";

#[tokio::test]
async fn a_reservation_takes_once_however_often_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stock.db");
    let service = Service::start(&path, Telemetry::off()).await;
    let body = r#"{"reservationId":"r1","quantity":40}"#;
    assert_eq!(service.post(RESERVATIONS, body).await.status, 201);
    assert_eq!(service.post(RESERVATIONS, body).await.status, 200);
    assert_eq!(service.available().await, 2);

    let refused = service.post(RESERVATIONS, r#"{"reservationId":"r2","quantity":3}"#).await;
    assert_eq!(refused.status, 409);
    let problem = refused.json();
    assert_eq!(problem["type"], "urn:journey:problem:not-enough-stock");
    assert!(problem["detail"].as_str().unwrap().contains("only 2 are available"), "{problem}");
    let other = service.post(RESERVATIONS, r#"{"reservationId":"r1","quantity":1}"#).await;
    assert_eq!(other.status, 422, "{other:?}");
    let unknown = service.post("/stock/NONE/reservations", r#"{"reservationId":"r3","quantity":1}"#).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");

    // It is remembered by the database, not by the process.
    service.stop().await;
    let service = Service::start(&path, Telemetry::off()).await;
    assert_eq!(service.post(RESERVATIONS, body).await.status, 200);
    assert_eq!(service.available().await, 2);
}

#[tokio::test]
async fn what_is_held_goes_back_and_what_is_confirmed_stays() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&folder.path().join("stock.db"), Telemetry::off()).await;
    for id in ["r1", "r2"] {
        let body = format!(r#"{{"reservationId":"{id}","quantity":10}}"#);
        assert_eq!(service.post(RESERVATIONS, &body).await.status, 201);
    }
    let confirmed = service.post("/reservations/confirmed", r#"{"reservationIds":["r1","gone"]}"#).await;
    assert_eq!(confirmed.status, 204, "{confirmed:?}");
    let held = hop::wait::until("a millisecond", std::time::Duration::from_secs(5), async || {
        let held = service.get("/reservations?heldMs=0").await.json()["held"].clone();
        (held != json!([])).then_some(held)
    });
    let expected = json!([{"reservationId": "r2", "productId": "PROD-123", "quantity": 10}]);
    assert_eq!(held.await.unwrap(), expected);
    assert_eq!(service.get("/reservations?heldMs=60000").await.json()["held"], json!([]));

    assert_eq!(service.send("DELETE", &format!("{RESERVATIONS}/r1"), "", b"").await.status, 409);
    for _ in 0..2 {
        assert_eq!(service.send("DELETE", &format!("{RESERVATIONS}/r2"), "", b"").await.status, 204);
    }
    assert_eq!(service.available().await, 32);
    // A request that comes after its own release takes nothing, also if it never came before.
    assert_eq!(service.send("DELETE", &format!("{RESERVATIONS}/r9"), "", b"").await.status, 204);
    for id in ["r2", "r9"] {
        let body = format!(r#"{{"reservationId":"{id}","quantity":10}}"#);
        let late = service.post(RESERVATIONS, &body).await;
        assert_eq!(
            (late.status, &late.json()["type"]),
            (409, &json!("urn:journey:problem:reservation-ended"))
        );
    }
    assert_eq!(service.available().await, 32);

    // Out of the cart, back on the shelf, once.
    let back = r#"{"returnId":"e1","quantity":10}"#;
    assert_eq!(service.post("/stock/PROD-123/returns", back).await.status, 201);
    assert_eq!(service.post("/stock/PROD-123/returns", back).await.status, 200);
    assert_eq!(service.available().await, 42);
}

#[tokio::test]
async fn two_pods_never_sell_a_thing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stock.db");
    let one = Service::start(&path, Telemetry::off()).await;
    let two = Service::start(&path, Telemetry::off()).await;
    let take = async |service: &Service, name: &str| {
        let mut taken = 0;
        for number in 0..30 {
            let body = format!(r#"{{"reservationId":"{name}-{number}","quantity":1}}"#);
            taken += i32::from(service.post(RESERVATIONS, &body).await.status == 201);
        }
        taken
    };
    let (first, second) = tokio::join!(take(&one, "one"), take(&two, "two"));
    assert_eq!(first + second, 42);
    assert_eq!(one.available().await, 0);
}
