//! client → proxy → origin: every hop reports once, the tree is right, and both ends of each flow name
//! the same bytes.

use std::collections::HashSet;

use hop::Telemetry;
use hop::http::client::ClientLimits;
use hop::http::server::Limits;
use hop::http::{Client, Exchange, full};
use hyper::Method;
use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Span};

use crate::rig::{Caller, Fetched, LIMIT, Running, chunks, origin, proxy, request};

struct Chain {
    origin: Running,
    proxy: Running,
}

impl Chain {
    async fn start() -> Self {
        let origin = origin().await;
        let proxy = proxy(origin.address, Client::new(ClientLimits::default()), Limits::default()).await;
        Chain { origin, proxy }
    }

    /// The SERVER and CLIENT spans of the proxy and the SERVER span of the origin, checked against each other.
    async fn spans(&self) -> (Span, Span, Span) {
        let origin = self.origin.span(Kind::Server).await;
        // The CLIENT span is out before the SERVER span.
        let mut proxy_all = Vec::new();
        hop::wait::until("the proxy's two spans", LIMIT, async || {
            proxy_all.extend(self.proxy.telemetry.take());
            proxy_all.iter().any(|span: &Span| span.kind == Kind::Server).then_some(())
        })
        .await
        .unwrap();
        let of = |kind| {
            let mut found = proxy_all.iter().filter(|span| span.kind == kind);
            let one = found.next().unwrap_or_else(|| panic!("no {kind:?} span in {proxy_all:#?}")).clone();
            assert!(found.next().is_none(), "two {kind:?} spans in {proxy_all:#?}");
            one
        };
        let (server, client) = (of(Kind::Server), of(Kind::Client));
        assert!([&client, &origin].iter().all(|span| span.trace_id == server.trace_id), "one trace");
        assert_eq!(client.parent, Some(server.span_id));
        assert_eq!(origin.parent, Some(client.span_id));
        assert_eq!((&*server.hop, &*client.hop, &*origin.hop), ("proxy", "proxy", "origin"));
        same_bytes(&client, &origin);
        assert!(server.start <= client.start && client.end <= server.end, "the call is inside the request");
        (server, client, origin)
    }
}

/// A caller's and a callee's stamps name the same bytes of the same flow, in the order of time.
fn same_bytes(client: &Span, server: &Span) {
    for (direction, from, to) in [(Direction::Request, client, server), (Direction::Response, server, client)]
    {
        let sent = from.stamp(direction, Event::Tx).expect("a stamp");
        let read = to.stamp(direction, Event::Wake).expect("a stamp");
        assert_eq!(sent.flow, read.flow);
        assert_eq!(sent.offset, read.offset, "{direction:?}");
        assert!(sent.at <= read.at, "{direction:?}");
    }
}

/// The same, for a client that only has marks.
fn same_bytes_as_caller(answer: &Fetched, server: &Span) {
    let read = server.stamp(Direction::Request, Event::Wake).unwrap();
    assert_eq!(answer.sent.offset, read.offset);
    assert!(answer.sent.at <= read.at);
    let written = server.stamp(Direction::Response, Event::Tx).unwrap();
    assert_eq!(written.offset, answer.received.offset);
    assert!(written.at <= answer.received.at);
}

#[tokio::test]
async fn each_hop_reports_once_and_both_ends_name_the_same_bytes() {
    let chain = Chain::start().await;
    let mut caller = Caller::http1(chain.proxy.address).await;
    let (mut offset, mut first) = (0, true);
    for size in [0, 10, 100 << 10] {
        for path in [format!("/a?bytes={size}"), format!("/a?chunks={size}")] {
            for body in [None, Some(full(vec![b'b'; size])), Some(chunks(size))] {
                let method = if body.is_some() { Method::POST } else { Method::GET };
                let sends = if body.is_some() { size } else { 0 };
                let answer = caller.fetch(request(method, &path, body.unwrap_or_else(|| full("")))).await;
                assert_eq!((answer.status.as_u16(), answer.body.len()), (200, size));
                assert_eq!(answer.headers["x-asked"], sends.to_string());
                let (server, client, _) = chain.spans().await;
                same_bytes_as_caller(&answer, &server);
                assert!(answer.received.offset > offset, "offsets grow over the connection's life");
                offset = answer.received.offset;
                let reused = client.attribute(attribute::CONNECTION_REUSED).unwrap().to_string();
                assert_eq!(reused, (!first).to_string(), "one request at a time needs one connection");
                first = false;
            }
        }
    }
}

#[tokio::test]
async fn the_fiftieth_request_of_a_connection_is_as_exact_as_the_first() {
    let chain = Chain::start().await;
    let mut caller = Caller::http1(chain.proxy.address).await;
    let mut flows = HashSet::new();
    for round in 0..50 {
        let answer = caller.get("/again?bytes=10").await;
        let (server, client, _) = chain.spans().await;
        same_bytes_as_caller(&answer, &server);
        flows.insert(client.stamps[0].flow);
        let reused = client.attribute(attribute::CONNECTION_REUSED).unwrap();
        assert_eq!(reused.to_string(), (round > 0).to_string());
    }
    assert_eq!(flows.len(), 1, "one upstream connection was enough");
}

#[tokio::test]
async fn over_http2_the_tree_is_the_same_and_large_bodies_are_stamped_at_their_end() {
    let chain = Chain::start().await;
    let mut caller = Caller::http2(chain.proxy.http2).await;
    for path in ["/?bytes=0", "/?bytes=10", "/?bytes=102400", "/?chunks=102400", "/?bytes=10"] {
        let before = caller.stamps.last_read().offset;
        let answer = caller.fetch(request(Method::POST, path, full("hello"))).await;
        let (server, _, _) = chain.spans().await;
        let written = server.stamp(Direction::Response, Event::Tx).unwrap();
        assert!(written.offset >= before + answer.body.len() as u64, "{path}: {written:?}");
        assert!(written.at <= answer.received.at, "{path}");
        assert_eq!(server.text(attribute::NETWORK_PROTOCOL_VERSION), Some("2"));
    }
}

#[tokio::test]
async fn concurrent_requests_never_share_a_connection_and_never_mix_their_bytes() {
    let chain = Chain::start().await;
    let fetch = |number: usize| {
        let address = chain.proxy.address;
        async move {
            let mut caller = Caller::http1(address).await;
            for round in 0..5 {
                let size = 1 + (number * 7_919 + round * 101) % 30_000;
                let answer = caller.get(&format!("/?bytes={size}")).await;
                assert_eq!(answer.body.len(), size);
            }
        }
    };
    let tasks: Vec<_> = (0..20).map(|number| tokio::spawn(fetch(number))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let origins = chain.origin.spans(Kind::Server, 100).await;
    let mut spans = Vec::new();
    hop::wait::until("all of the proxy's spans", LIMIT, async || {
        spans.extend(chain.proxy.telemetry.take());
        (spans.iter().filter(|span: &&Span| span.kind == Kind::Server).count() == 100).then_some(())
    })
    .await
    .unwrap();
    let calls: Vec<_> = spans.iter().filter(|span| span.kind == Kind::Client).collect();
    assert_eq!(calls.len(), 100);
    for call in &calls {
        let callee: Vec<_> = origins.iter().filter(|span| span.parent == Some(call.span_id)).collect();
        assert_eq!(callee.len(), 1);
        same_bytes(call, callee[0]);
    }
    // On one connection, a request begins when the one before has been answered.
    for (place, one) in calls.iter().enumerate() {
        for other in &calls[place + 1..] {
            let apart = one.end <= other.stamps[0].at || other.end <= one.stamps[0].at;
            assert!(one.stamps[0].flow != other.stamps[0].flow || apart, "shared: {one:#?} {other:#?}");
        }
    }
}

#[tokio::test]
async fn server_timing_is_one_field_with_the_upstream_first() {
    let chain = Chain::start().await;
    let answer = Caller::http1(chain.proxy.address).await.get("/").await;
    let fields: Vec<_> = answer.headers.get_all("server-timing").iter().collect();
    assert_eq!(fields.len(), 1);
    let names: Vec<_> =
        fields[0].to_str().unwrap().split(", ").map(|entry| entry.split_once(";dur=").unwrap()).collect();
    assert_eq!(names.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["origin", "proxy"]);
    assert!(names.iter().all(|(_, milliseconds)| milliseconds.parse::<f64>().unwrap() < 1e4));
}

const VALID: &str = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";

async fn with_traceparents(chain: &Chain, values: &[&str]) -> Fetched {
    let mut requested = request(Method::GET, "/", full(""));
    for value in values {
        requested.headers_mut().append("traceparent", value.parse().unwrap());
    }
    Caller::http1(chain.proxy.address).await.fetch(requested).await
}

#[tokio::test]
async fn a_valid_traceparent_is_kept_and_any_other_begins_a_new_trace() {
    let chain = Chain::start().await;
    with_traceparents(&chain, &[VALID]).await;
    let (server, _, _) = chain.spans().await;
    assert_eq!(server.trace_id.to_string(), "0123456789abcdef0123456789abcdef");
    assert_eq!(server.parent.unwrap().to_string(), "0123456789abcdef");
    let wrong: [&[&str]; 7] = [
        &[],
        &["nonsense"],
        &[VALID, VALID],
        &["00-00000000000000000000000000000000-0123456789abcdef-01"],
        &["ff-0123456789abcdef0123456789abcdef-0123456789abcdef-01"],
        &["00-0123456789ABCDEF0123456789abcdef-0123456789abcdef-01"],
        &["00-0123456789abcdef0123456789abcdef-0123456789abcdef-+1"],
    ];
    for values in wrong {
        with_traceparents(&chain, values).await;
        let (server, _, _) = chain.spans().await;
        assert_ne!(server.trace_id.to_string(), "0123456789abcdef0123456789abcdef", "{values:?}");
        assert_eq!(server.parent, None, "{values:?}");
    }
}

#[tokio::test]
async fn an_unsampled_trace_leaves_no_spans_and_is_passed_on_as_it_came() {
    let chain = Chain::start().await;
    with_traceparents(&chain, &[&VALID.replace("-01", "-00")]).await;
    // The next one is recorded, and nothing of the one before.
    with_traceparents(&chain, &[VALID]).await;
    chain.spans().await;
}

#[tokio::test]
async fn a_hop_without_telemetry_is_transparent() {
    let origin = origin().await;
    let (next, client) = (origin.address, Client::new(ClientLimits::default()));
    let handler = move |request| {
        let client = client.clone();
        async move { crate::rig::pass_on(&client, next, request).await }
    };
    let proxy = Running::start_with("proxy", Limits::default(), Telemetry::off(), LIMIT, handler).await;
    let chain = Chain { origin, proxy };
    with_traceparents(&chain, &[VALID]).await;
    let span = chain.origin.span(Kind::Server).await;
    assert_eq!(span.parent.unwrap().to_string(), "0123456789abcdef", "the caller's own span");
    with_traceparents(&chain, &[]).await;
    let span = chain.origin.span(Kind::Server).await;
    assert_eq!(span.parent, None, "the origin begins the trace");
}

/// Two requests at once, over both protocols: whatever a handler does, and what it spawns with its exchange, is
/// recorded as its own.
#[tokio::test]
async fn a_handler_and_the_tasks_that_it_spawns_find_their_own_exchange() {
    let running = Running::start("hop", Limits::default(), |request: hyper::Request<_>| async move {
        let path = request.uri().path().to_owned();
        let own = if path == "/one" { ["one", "one, spawned"] } else { ["two", "two, spawned"] };
        drop(Exchange::current().internal(own[0]));
        tokio::task::yield_now().await;
        let work = async move { drop(Exchange::current().internal(own[1])) };
        tokio::spawn(Exchange::current().scope(work)).await.unwrap();
        hyper::Response::new(full(""))
    })
    .await;
    let (mut http1, mut http2) = (Caller::http1(running.address).await, Caller::http2(running.http2).await);
    let (one, two) = tokio::join!(http1.get("/one"), http2.get("/two"));
    for (answer, name) in [(one, "one"), (two, "two")] {
        let said = answer.headers["server-timing"].to_str().unwrap();
        assert!(
            said.starts_with(&format!("{name};dur=")) && said.contains(&format!(", {name}, spawned;dur=")),
            "{said}"
        );
    }
    let mut spans = Vec::new();
    hop::wait::until("both requests", LIMIT, async || {
        spans.extend(running.telemetry.take());
        (spans.iter().filter(|span: &&Span| span.kind == Kind::Server).count() == 2).then_some(())
    })
    .await
    .unwrap();
    for name in ["one", "two"] {
        let server = spans.iter().find(|span| span.name == format!("GET /{name}")).unwrap();
        let inside: Vec<_> = spans.iter().filter(|span| span.parent == Some(server.span_id)).collect();
        let names: Vec<_> = inside.iter().map(|span| &*span.name).collect();
        assert_eq!(names, [name.to_owned(), format!("{name}, spawned")]);
    }
}
