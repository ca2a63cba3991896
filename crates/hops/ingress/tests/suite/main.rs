//! The Ingress, spoken to only over the wire, with real Services behind it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use hop::http::full;
use hop::http::server::{Limits, Protocol, RequestBody, Server};
use hop::{CancellationToken, Hop, Stamped, Telemetry};
use http_body_util::BodyExt as _;
use hyper::{Request, Response, StatusCode};
use ingress::config::Settings;
use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Span};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const LIMIT: Duration = Duration::from_secs(20);

fn listener() -> (TcpListener, SocketAddr) {
    let listener = hop::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// What a request for /gate waits for.
#[derive(Clone)]
struct Gate {
    open: tokio::sync::watch::Receiver<bool>,
    arrived: Arc<AtomicUsize>,
}

impl Gate {
    fn new(open: bool) -> (tokio::sync::watch::Sender<bool>, Self) {
        let (sender, open) = tokio::sync::watch::channel(open);
        (sender, Gate { open, arrived: Arc::default() })
    }
}

/// A program on a port of its own, until it is stopped.
struct Running {
    address: SocketAddr,
    telemetry: Telemetry,
    stop: CancellationToken,
    task: JoinHandle<()>,
    spans: Mutex<Vec<Span>>,
}

impl Running {
    /// Runs what `run` makes of a listener and a hop.
    fn new<R>(name: &str, run: impl FnOnce(TcpListener, Hop) -> R) -> Self
    where
        R: Future<Output = ()> + Send + 'static,
    {
        let (listener, address) = listener();
        let (telemetry, stop) = (Telemetry::memory(name), CancellationToken::new());
        let task = tokio::spawn(run(listener, Hop::for_tests(name, telemetry.clone(), stop.clone())));
        Running { address, telemetry, stop, task, spans: Mutex::default() }
    }

    /// A Service that answers with what it saw, as JSON; on /gate only when `gate` says so.
    fn service(name: &'static str, gate: Gate) -> Self {
        Running::new(name, |listener, hop| async move {
            let server = Server::new(&hop, Limits::default(), move |request: Request<RequestBody>| {
                let mut gate = gate.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                    if head.uri.path() == "/gate" {
                        gate.arrived.fetch_add(1, Ordering::SeqCst);
                        let _ = gate.open.wait_for(|open| *open).await;
                    }
                    let headers = head
                        .headers
                        .iter()
                        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap_or("?")));
                    let seen = json!({
                        "service": name,
                        "target": head.uri.to_string(),
                        "headers": headers.collect::<String>(),
                        "length": body.len(),
                    });
                    Response::new(full(seen.to_string()))
                }
            });
            hop::accept::run(listener, 100, &hop.shutdown, hop.drain, |stream, stop| {
                let stamps = stream.stamps();
                server.clone().serve(stream, Protocol::Http1, stamps, stop)
            })
            .await;
        })
    }

    fn ingress(rules: &str, flags: &[&str]) -> Self {
        let settings = Settings::try_parse_from([&["ingress", "--rule", rules], flags].concat()).unwrap();
        Running::new("ingress", |listener, hop| async move {
            ingress::server::run(listener, settings.routes().unwrap(), settings, hop).await;
        })
    }

    async fn raw(&self, request: &str) -> String {
        let mut stream = Stamped::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await;
        read.expect("the connection is closed").unwrap();
        answer
    }

    async fn get(&self, host: &str, path: &str) -> (u16, Value) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        parsed(&self.raw(&request).await)
    }

    async fn span(&self, kind: Kind, name: &str) -> Span {
        let look = async || {
            let mut spans = self.spans.lock().unwrap();
            spans.extend(self.telemetry.take());
            let mut found = spans.iter().filter(|span| span.kind == kind && span.name == name);
            let first = found.next().cloned();
            assert!(found.next().is_none(), "one {kind:?} span {name}");
            first
        };
        hop::wait::until(format!("a {kind:?} span {name:?}"), LIMIT, look).await.unwrap()
    }
}

fn parsed(answer: &str) -> (u16, Value) {
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or_else(|| panic!("not HTTP: {answer:?}")), serde_json::from_str(body).unwrap_or_default())
}

fn open() -> Gate {
    Gate::new(true).1
}

#[tokio::test]
async fn requests_go_where_the_rules_say() {
    let (cart, shop) = (Running::service("cart", open()), Running::service("shop", open()));
    let rules = format!(
        "api.myshop.com Prefix /cart cart={}; *.myshop.com Exact /only shop={}",
        cart.address, shop.address
    );
    let ingress = Running::ingress(&rules, &[]);
    for (host, path, service) in [
        ("api.myshop.com", "/cart/items?x=1", Some("cart")),
        ("API.myshop.com:8443", "/cart", Some("cart")),
        ("api.myshop.com", "/c%61rt", Some("cart")),
        ("api.myshop.com", "/only", Some("shop")),
        ("api.myshop.com", "/cartoon", None),
        ("a.b.myshop.com", "/only", None),
        ("other.com", "/cart", None),
    ] {
        let (status, answer) = ingress.get(host, path).await;
        match service {
            Some(service) => {
                assert_eq!((status, &answer["service"]), (200, &json!(service)), "{host}{path}");
                assert_eq!(answer["target"], path, "forwarded as it came");
            }
            None => {
                assert_eq!(
                    (status, &answer["hop"], &answer["fault"]),
                    (404, &json!("ingress"), &json!("client"))
                );
                assert_eq!(answer["type"], "urn:journey:problem:no-route");
            }
        }
    }
    for path in ["/cart/../admin", "//cart", "/cart%2fx", "/cart/%2e%2e/x"] {
        let (status, answer) = ingress.get("api.myshop.com", path).await;
        assert_eq!((status, &answer["type"]), (400, &json!("urn:journey:problem:ambiguous-path")), "{path}");
    }
    let (status, answer) = parsed(&ingress.raw("GET /cart HTTP/1.1\r\nConnection: close\r\n\r\n").await);
    assert_eq!((status, &answer["fault"]), (400, &json!("client")), "no host");

    let ingress = Running::ingress(&rules, &["--default-backend", &format!("rest={}", shop.address)]);
    assert_eq!(ingress.get("other.com", "/x").await.1["service"], "shop");
}

#[tokio::test]
async fn health_is_answered_for_every_host() {
    let ingress = Running::ingress("a.com Prefix / a=127.0.0.1:1", &[]);
    for host in ["a.com", "127.0.0.1", "x"] {
        let answer =
            ingress.raw(&format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
    }
}

#[tokio::test]
async fn headers_are_kept_appended_or_dropped_and_bodies_stream() {
    let cart = Running::service("cart", open());
    let ingress = Running::ingress(&format!("* Prefix / cart={}", cart.address), &[]);
    let chunk = "x".repeat(60_000);
    let request = format!(
        "POST /cart HTTP/1.1\r\nHost: api.myshop.com\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nTE: trailers\r\n\
         X-Forwarded-For: 198.51.100.10\r\nX-Forwarded-Proto: https\r\nForwarded: for=198.51.100.10\r\nVia: 2.0 lb\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n",
        chunk.len(),
        chunk.len()
    );
    let answer = ingress.raw(&request).await;
    assert!(answer.contains("cart;dur=") && answer.contains("ingress;dur="), "Server-Timing: {answer}");
    let (status, seen) = parsed(&answer);
    assert_eq!((status, &seen["length"]), (200, &json!(120_000)));
    let headers = seen["headers"].as_str().unwrap();
    for line in [
        "host: api.myshop.com\n",
        "x-forwarded-for: 198.51.100.10, 127.0.0.1\n",
        "x-forwarded-proto: https\n",
        "forwarded: for=198.51.100.10\n",
        "via: 2.0 lb, 1.1 ingress\n",
        // Its own word to the Service: who asked takes trailers.
        "te: trailers\n",
        "connection: TE\n",
    ] {
        assert!(headers.contains(line), "{line:?} in {headers}");
    }
    assert!(!headers.contains("x-hop"), "{headers}");
}

#[tokio::test]
async fn a_dead_or_silent_service_is_a_clear_problem() {
    let (_shut, gate) = Gate::new(false);
    let cart = Running::service("cart", gate);
    let rules = format!("* Prefix / cart={}; * Prefix /dead dead={}", cart.address, listener().1);
    let ingress = Running::ingress(&rules, &["--response-timeout-ms", "50"]);
    for (path, code, kind) in [("/dead", 502, "upstream-unreachable"), ("/gate", 504, "upstream-timeout")] {
        let (status, answer) = ingress.get("a.com", path).await;
        assert_eq!(status, code);
        assert_eq!(answer["type"], format!("urn:journey:problem:{kind}"));
        assert_eq!((&answer["fault"], &answer["hop"]), (&json!("upstream"), &json!("ingress")));
    }
}

#[tokio::test]
async fn one_server_and_one_client_span_in_order() {
    let cart = Running::service("cart", open());
    let ingress = Running::ingress(&format!("a.com Prefix /cart cart-service={}", cart.address), &[]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = format!(
        "GET /cart/items HTTP/1.1\r\nHost: a.com\r\nConnection: close\r\ntraceparent: 00-{trace}-b7ad6b7169203331-01\r\n\r\n"
    );
    assert_eq!(parsed(&ingress.raw(&request).await).0, 200);
    let server = ingress.span(Kind::Server, "GET /cart/items").await;
    let client = ingress.span(Kind::Client, "GET /cart/items").await;
    let behind = cart.span(Kind::Server, "GET /cart/items").await;
    assert_eq!(server.trace_id.to_string(), trace);
    assert_eq!((client.trace_id, client.parent), (server.trace_id, Some(server.span_id)));
    assert_eq!((behind.trace_id, behind.parent), (server.trace_id, Some(client.span_id)));
    assert_eq!(server.text(attribute::HTTP_ROUTE), Some("/cart"));
    assert_eq!(server.text(attribute::SERVICE), Some("cart-service"));
    let stamp = |span: &Span, direction, event| *span.stamp(direction, event).unwrap();
    let way = [
        stamp(&server, Direction::Request, Event::Wake),
        stamp(&client, Direction::Request, Event::Tx),
        stamp(&behind, Direction::Request, Event::Wake),
        stamp(&behind, Direction::Response, Event::Tx),
        stamp(&client, Direction::Response, Event::Wake),
        stamp(&server, Direction::Response, Event::Tx),
    ];
    assert!(way.is_sorted_by_key(|stamp| stamp.at), "{way:#?}");
    assert_eq!((way[1].flow, way[1].offset), (way[2].flow, way[2].offset));
    assert_eq!((way[3].flow, way[3].offset), (way[4].flow, way[4].offset));
    assert_eq!(way[0].offset, request.len() as u64);
}

#[tokio::test]
async fn a_running_request_survives_shutdown() {
    let (release, gate) = Gate::new(false);
    let arrived = Arc::clone(&gate.arrived);
    let cart = Running::service("cart", gate);
    let ingress = Running::ingress(&format!("* Prefix / cart={}", cart.address), &[]);
    let mut stream = Stamped::connect(ingress.address).await.unwrap();
    stream.write_all(b"GET /gate HTTP/1.1\r\nHost: a.com\r\n\r\n").await.unwrap();
    let waiting = async || (arrived.load(Ordering::SeqCst) > 0).then_some(());
    hop::wait::until("the request to arrive", LIMIT, waiting).await.unwrap();
    ingress.stop.cancel();
    let closed = async || Stamped::connect(ingress.address).await.err();
    hop::wait::until("the port to be closed", LIMIT, closed).await.unwrap();
    assert!(!ingress.task.is_finished());
    release.send(true).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(parsed(&answer).0, StatusCode::OK.as_u16());
    tokio::time::timeout(LIMIT, ingress.task).await.expect("drained").unwrap();
}
