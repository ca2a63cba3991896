use std::time::Duration;

use journey::Link;

use super::deferred::{Causes, Deferred, deferred};
use super::*;
use crate::stamped::{Side, Stamped};

const CALLER: &str = "00-0123456789abcdef0123456789abcdef-0123456789abcdef";

fn exchange(telemetry: &Telemetry, traceparent: Option<&str>) -> Exchange {
    let (client, server) = ("127.0.0.1:1000".parse().unwrap(), "127.0.0.2:80".parse().unwrap());
    let stamps = Stamped::new(tokio::io::empty(), Side::Server, client, server).stamps();
    let mut headers = HeaderMap::new();
    if let Some(value) = traceparent {
        headers.insert("traceparent", value.parse().unwrap());
    }
    Exchange::begin(telemetry, &headers, || "GET /".to_owned(), stamps)
}

#[test]
fn who_is_recorded() {
    let (sampled, unsampled) = (format!("{CALLER}-01"), format!("{CALLER}-00"));
    let always_off_for_roots = Telemetry::memory_of_callers_only("hop");
    let cases = [
        (Telemetry::memory("hop"), [true, false, true]),
        (always_off_for_roots.clone(), [true, false, false]),
        (Telemetry::off(), [false, false, false]),
    ];
    for (telemetry, expected) in cases {
        let found =
            [Some(&*sampled), Some(&*unsampled), None].map(|caller| exchange(&telemetry, caller).sampled());
        assert_eq!(found, expected);
    }
    let root = exchange(&always_off_for_roots, None);
    root.record("validate", 1, 2);
    root.clone().cut_off("cancelled");
    assert!(always_off_for_roots.take().is_empty());
    assert!(!root.traceparent(trace::new_span_id()).sampled, "and those further down are told");
}

#[test]
fn a_new_trace_drops_the_state_of_the_one_that_was_not_understood() {
    let mut headers = HeaderMap::new();
    headers.insert("tracestate", "vendor=1".parse().unwrap());
    exchange(&Telemetry::memory("hop"), Some("nonsense")).propagate(&mut headers, trace::new_span_id());
    assert!(!headers.contains_key("tracestate"));
    headers.insert("tracestate", "vendor=1".parse().unwrap());
    exchange(&Telemetry::memory("hop"), Some(&format!("{CALLER}-01")))
        .propagate(&mut headers, trace::new_span_id());
    assert_eq!(headers["tracestate"], "vendor=1");
}

#[test]
fn the_state_of_other_tracing_systems_goes_on_untouched_whether_or_not_it_is_recorded() {
    for (telemetry, flags) in
        [(Telemetry::memory("hop"), "01"), (Telemetry::memory("hop"), "00"), (Telemetry::off(), "01")]
    {
        let mut came = HeaderMap::new();
        came.insert("traceparent", format!("{CALLER}-{flags}").parse().unwrap());
        came.append("tracestate", "one=1, two=x:y".parse().unwrap());
        came.append("tracestate", "three=3".parse().unwrap());
        let exchange = Exchange::begin(&telemetry, &came, String::new, Stamps::of_no_connection());
        // A request that the handler makes itself has it, and one that is passed on has it once.
        for mut headers in [HeaderMap::new(), came.clone()] {
            exchange.propagate(&mut headers, trace::new_span_id());
            let values: Vec<_> = headers.get_all("tracestate").iter().collect();
            assert_eq!(values, ["one=1, two=x:y", "three=3"]);
        }
    }
}

#[test]
fn own_time_leaves_out_what_was_waited_for() {
    let exchange = exchange(&Telemetry::off(), None);
    exchange.timing("connect", 1_234_567);
    exchange.waited(Duration::from_secs(3600).as_nanos() as u64 * 24 * 365 * 300);
    let mut headers = HeaderMap::new();
    headers.append("server-timing", "db;dur=1".parse().unwrap());
    headers.append("server-timing", "cart;dur=2".parse().unwrap());
    exchange.server_timing("lb", &mut headers);
    assert_eq!(headers["server-timing"], "db;dur=1, cart;dur=2, connect;dur=1.234, lb;dur=0.000");
    assert_eq!(headers.get_all("server-timing").iter().count(), 1);
}

#[test]
fn waits_at_the_same_time_count_once() {
    let exchange = exchange(&Telemetry::off(), None);
    let begun = clock::now();
    let (one, other) = (exchange.waiting(), exchange.waiting());
    drop(one);
    assert_eq!(exchange.0.state.lock().timing.upstream, 0, "the other is still waited for");
    while clock::now() < begun + 2_000_000 {}
    drop(other);
    let upstream = exchange.0.state.lock().timing.upstream;
    assert!((2_000_000 - 1_000_000..=clock::now() - begun).contains(&upstream), "{upstream}");
}

#[tokio::test]
async fn a_task_works_for_the_exchange_that_it_was_given() {
    let telemetry = Telemetry::memory("hop");
    let [one, other] = [(); 2].map(|()| exchange(&telemetry, None));
    fn trace(exchange: &Exchange) -> TraceId {
        exchange.0.context.trace_id
    }
    assert!(!Exchange::current().sampled(), "outside of any request nothing is recorded");
    // Two requests on one task take turns, as on one HTTP/1.1 connection or in one `join!`.
    let turns = async {
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(trace(&Exchange::current()));
            tokio::task::yield_now().await;
        }
        let spawned = tokio::spawn(async { Exchange::current().sampled() });
        let carried = tokio::spawn(Exchange::current().scope(async { trace(&Exchange::current()) }));
        assert!(!spawned.await.unwrap(), "a task is nobody's unless it is told whose it is");
        seen.push(carried.await.unwrap());
        seen
    };
    let again = async {
        tokio::task::yield_now().await;
        trace(&Exchange::current())
    };
    let (first, second) = tokio::join!(one.clone().scope(turns), other.clone().scope(again));
    assert_eq!((first, second), (vec![trace(&one); 4], trace(&other)));
    assert!(!Exchange::current().sampled(), "and it ends with its work");
}

#[tokio::test]
async fn what_requests_leave_to_be_done_links_to_each_of_them() {
    let telemetry = Telemetry::memory("hop");
    let requests = [(); 3].map(|()| exchange(&telemetry, None));
    let unrecorded = Exchange::unrecorded();
    assert!(unrecorded.defer().is_none(), "there is nothing to link to");
    let causes: Vec<Deferred> = requests[..2].iter().filter_map(Exchange::defer).collect();
    let work = async {
        Exchange::current().record("step", 1, 2);
        Exchange::current().sampled().then_some(()).ok_or(())
    };
    deferred("confirm", causes.iter().collect(), work).await.unwrap();
    // Without a recorded cause, none of it is recorded; and what fails says so.
    let sampled =
        deferred("confirm", Causes::default(), async { Ok::<_, ()>(Exchange::current().sampled()) });
    assert_eq!(sampled.await, Ok(false));
    deferred("confirm", causes[..1].iter().collect(), async { Err::<(), _>(()) }).await.unwrap_err();
    let linked: Vec<Link> = requests[..2]
        .iter()
        .map(|it| Link { trace_id: it.0.context.trace_id, span_id: it.0.context.span_id })
        .collect();
    requests.into_iter().for_each(|request| request.cut_off("test"));

    let spans = telemetry.take();
    let [step, done, failed, servers @ ..] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((step.parent, step.trace_id), (Some(done.span_id), done.trace_id), "a trace of its own");
    assert_eq!((&done.links, done.parent, &*done.name), (&linked, None, "confirm"));
    assert_eq!((failed.links.len(), failed.text(attribute::ERROR_TYPE)), (1, Some("_OTHER")));
    let announced: Vec<Option<u64>> = servers
        .iter()
        .map(|server| match server.attribute(attribute::DEFERRED) {
            Some(Value::Int(count)) => Some(count.unsigned_abs()),
            _ => None,
        })
        .collect();
    assert_eq!(announced, [Some(1), Some(1), None]);
}

#[test]
fn what_took_how_long_is_said_when_it_ends() {
    let exchange = exchange(&Telemetry::memory("hop"), None);
    drop(exchange.timed("redis"));
    let mut headers = HeaderMap::new();
    exchange.server_timing("cart", &mut headers);
    let value = headers[SERVER_TIMING].to_str().unwrap();
    assert!(value.starts_with("redis;dur=0.") && value.contains(", cart;dur="), "{value}");
}
