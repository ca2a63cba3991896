//! Spans on their way out: to a collector that is there, is not there, comes back, or refuses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hop::{Common, Telemetry, clock, otlp, wait};
use http_body_util::{BodyExt as _, Empty};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use journey::{Kind, Span, SpanId, TraceId};
use tokio::net::TcpListener;

use crate::rig::LIMIT;

fn common(endpoint: &str) -> Common {
    Common {
        name: None,
        admin: None,
        admin_secret_file: None,
        otlp_endpoint: Some(endpoint.to_owned()),
        local_networks: vec!["127.0.0.0/8".parse().unwrap()],
        sampler: "parentbased_always_on".to_owned(),
        sampler_arg: None,
        flight_recorder: 0,
        schedule_delay_ms: 200,
        tcp_nodelay: true,
        drain_seconds: 1,
    }
}

fn exporting_to(address: SocketAddr) -> Telemetry {
    Telemetry::from_settings("hop", &common(&format!("http://{address}"))).unwrap()
}

fn span(number: u64) -> Span {
    let id = SpanId((number + 1).to_be_bytes());
    Span::new(TraceId([1; 16]), id, None, Kind::Internal, "work", (number, number + 1))
}

/// When a message came, and what was in it.
type Batch = (u64, Vec<Span>);

/// What came, message by message.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<Batch>>>);

impl Received {
    fn numbers(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().flat_map(|(_, spans)| spans.iter().map(|span| span.start)).collect()
    }

    async fn wait_for(&self, count: usize) -> Vec<u64> {
        let enough = async || Some(self.numbers()).filter(|numbers| numbers.len() >= count);
        wait::until(format!("{count} spans"), LIMIT, enough).await.unwrap()
    }
}

/// A collector that answers with each status in turn, and then with 200.
async fn collector(listener: TcpListener, statuses: Vec<u16>) -> (Received, tokio::task::JoinHandle<()>) {
    let received = Received::default();
    let (sink, statuses) = (received.clone(), Arc::new(Mutex::new(statuses)));
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (sink, statuses) = (sink.clone(), Arc::clone(&statuses));
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let (sink, statuses) = (sink.clone(), Arc::clone(&statuses));
                async move {
                    assert_eq!(request.uri().path(), otlp::TRACES_PATH);
                    assert_eq!(request.headers()["content-type"], otlp::CONTENT_TYPE);
                    let bytes = request.into_body().collect().await?.to_bytes();
                    let status = Some(&mut *statuses.lock().unwrap())
                        .filter(|left| !left.is_empty())
                        .map(|left| left.remove(0));
                    let mut response = Response::new(Empty::<Bytes>::new());
                    *response.status_mut() = StatusCode::from_u16(status.unwrap_or(200)).unwrap();
                    if response.status().is_success() {
                        sink.0.lock().unwrap().push((clock::now(), otlp::decode(&bytes).unwrap()));
                    }
                    Ok::<_, hyper::Error>(response)
                }
            });
            connections.spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (received, task)
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = hop::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn spans_arrive_once_in_order_and_after_it_has_become_quiet() {
    let (listener, address) = listener().await;
    let (received, _task) = collector(listener, vec![]).await;
    let telemetry = exporting_to(address);
    for number in 0..10 {
        telemetry.emit(span(number));
    }
    let last = clock::now();
    assert_eq!(received.wait_for(10).await, (0..10).collect::<Vec<_>>());
    {
        let batches = received.0.lock().unwrap();
        assert_eq!(batches.len(), 1, "one batch");
        assert!(batches[0].0 >= last + 3_000_000, "not while spans were coming");
        assert!(batches[0].1.iter().all(|span| span.hop == "hop"));
    }
    for number in 10..5_000 {
        telemetry.emit(span(number));
    }
    telemetry.flush().await;
    assert_eq!(received.numbers(), (0..5_000).collect::<Vec<_>>());
    assert_eq!(telemetry.lost(), 0);
}

#[tokio::test]
async fn what_a_collector_could_not_be_given_it_gets_when_it_is_back() {
    let (first, address) = listener().await;
    drop(first);
    let telemetry = exporting_to(address);
    telemetry.emit(span(0));
    let begun = clock::monotonic();
    telemetry.flush().await;
    assert!(clock::since(begun) < LIMIT, "flush does not wait for a collector that is not there");
    telemetry.emit(span(1));
    let again = hop::listen::tcp(address).unwrap();
    let (received, task) = collector(again, vec![]).await;
    assert_eq!(received.wait_for(2).await, [0, 1]);
    // Away once more, with a connection that was in use.
    task.abort();
    let _aborted = task.await;
    telemetry.emit(span(2));
    telemetry.flush().await;
    let (received, _task) = collector(hop::listen::tcp(address).unwrap(), vec![]).await;
    telemetry.emit(span(3));
    assert_eq!(received.wait_for(2).await, [2, 3]);
    assert_eq!(telemetry.lost(), 0);
}

#[tokio::test]
async fn a_busy_collector_is_asked_again_and_a_refusal_is_final() {
    let (listener, address) = listener().await;
    let (received, _task) = collector(listener, vec![503, 429, 200, 400]).await;
    let telemetry = exporting_to(address);
    telemetry.emit(span(0));
    assert_eq!(received.wait_for(1).await, [0]);
    assert_eq!(telemetry.lost(), 0);
    telemetry.emit(span(1));
    wait::until("the refusal to be counted", LIMIT, async || (telemetry.lost() == 1).then_some(()))
        .await
        .unwrap();
    telemetry.emit(span(2));
    assert_eq!(received.wait_for(2).await, [0, 2]);
}

#[tokio::test]
async fn without_a_collector_memory_is_bounded_and_losses_are_counted() {
    let (first, address) = listener().await;
    drop(first);
    let telemetry = exporting_to(address);
    for number in 0..100_000 {
        telemetry.emit(span(number));
    }
    telemetry.flush().await;
    telemetry.emit(span(100_000));
    let mut kept = Vec::new();
    // Some may just be under way in another attempt; they come back.
    wait::until("every span to be either kept or counted", LIMIT, async || {
        kept.append(&mut telemetry.take());
        (kept.len() as u64 + telemetry.lost() == 100_001).then_some(())
    })
    .await
    .unwrap();
    assert!(kept.len() <= 32_768, "{}", kept.len());
    assert_eq!(kept[0].start, 0, "the oldest stay");
}

#[tokio::test]
async fn flushing_what_only_tests_read_returns_at_once() {
    let telemetry = Telemetry::memory("hop");
    telemetry.emit(span(0));
    let done = tokio::time::timeout(Duration::from_millis(1500), telemetry.flush()).await;
    done.expect("nobody sends, so nobody is waited for");
    assert_eq!(telemetry.take().len(), 1);
}

#[tokio::test]
async fn endpoints_that_cannot_be_are_refused_with_a_reason() {
    for (endpoint, reason) in [
        ("https://127.0.0.1:4318", "expected http://IP:PORT"),
        ("http://localhost", "expected http://IP:PORT"),
        ("http://192.0.2.1:4318", "this machine only"),
    ] {
        let error = Telemetry::from_settings("hop", &common(endpoint)).err().expect("refused").to_string();
        assert!(error.contains(endpoint) && error.contains(reason), "{error}");
    }
    let off = Common { sampler: "always_off".to_owned(), ..common("http://127.0.0.1:4318") };
    assert!(!Telemetry::from_settings("hop", &off).unwrap().enabled());
}
