//! Stacks of other shapes: the roster alone says where the stages begin.

use super::*;
use crate::roster::Hop;

/// A hop that reports, listens on a flow and begins a stage; what it is called means nothing.
fn hop(name: &str, begins: Option<Stage>, onward: &[&str]) -> Hop {
    let onward = onward.iter().map(|name| (*name).to_owned()).collect();
    Hop { name: name.into(), role: format!("role of {name}"), reports: true, keeps: false, begins, onward }
}

fn roster<const N: usize>(hops: [(Hop, Flow); N]) -> Roster {
    let mut roster = Roster::default();
    hops.into_iter().for_each(|(hop, flow)| roster.add(hop, [flow.server]));
    roster
}

/// Every part as `hop kind stage`, in the order of the journey.
fn stages(spans: Vec<Span>, roster: &Roster) -> Vec<String> {
    let journey = assembled(spans, roster);
    tiles(&journey);
    assert!(journey.sealed() && journey.anomalies.is_empty(), "{journey:?}");
    let told = |part: &Part| format!("{} {} {}", part.hop, part.kind.as_str(), part.stage.as_str());
    journey.parts.iter().map(told).collect()
}

const EDGE: Option<Stage> = Some(Stage::ToPod);
const APPLICATION: Option<Stage> = Some(Stage::Application);

#[test]
fn an_application_that_the_browser_reaches_directly() {
    let spans = vec![
        span("browser", 1, None, Kind::Internal, "journey", (0, 100)),
        client("browser", 2, 1, flow(1), (0, 100)),
        server("api", 3, Some(2), flow(1), (10, 90)),
    ];
    let told = stages(spans, &roster([(hop("api", APPLICATION, &[]), flow(1))]));
    assert_eq!(told, ["api leg to-load-balancer", "api self application", "browser leg response"]);
}

/// Before the request the browser shakes hands with the same hop, which reports that, too.
#[test]
fn a_handshake_is_no_request() {
    for begins in [EDGE, APPLICATION] {
        let spans = vec![
            span("browser", 1, None, Kind::Internal, "journey", (0, 200)),
            client("browser", 2, 1, flow(1), (0, 100)).stage(Stage::Tls),
            server("edge", 3, Some(2), flow(1), (10, 90)),
            client("browser", 4, 1, flow(1), (100, 200)),
            server("edge", 5, Some(4), flow(1), (110, 190)),
        ];
        let told = stages(spans, &roster([(hop("edge", begins, &[]), flow(1))]));
        assert_eq!(told[..3], ["edge leg tls", "edge self tls", "browser leg tls"]);
        assert_eq!(told[3], "edge leg to-load-balancer");
    }
}

/// browser → edge → api.
fn two() -> Vec<Span> {
    vec![
        span("browser", 1, None, Kind::Internal, "journey", (0, 100)),
        client("browser", 2, 1, flow(1), (0, 100)),
        server("edge", 3, Some(2), flow(1), (10, 90)),
        client("edge", 4, 3, flow(2), (20, 80)),
        server("api", 5, Some(4), flow(2), (30, 70)),
    ]
}

const TWO: [&str; 7] = [
    "edge leg to-load-balancer",
    "edge self to-pod",
    "api leg to-pod",
    "api self application",
    "edge leg response",
    "edge self response",
    "browser leg response",
];

#[test]
fn one_application_behind_a_load_balancer() {
    let stack = roster([(hop("edge", EDGE, &["api"]), flow(1)), (hop("api", APPLICATION, &[]), flow(2))]);
    assert_eq!(stages(two(), &stack), TWO);
    // Of a stack without a plan only the edge is known: it is who answers the browser.
    let unknown = stages(two(), &Roster::default());
    assert_eq!(
        unknown[..4],
        ["edge leg to-load-balancer", "edge self to-pod", "api leg to-pod", "api self to-pod"]
    );
}

#[test]
fn an_edge_that_reports_nothing_is_passed_where_the_next_hop_begins() {
    // The edge passes traceparent on, so the api's parent is the browser's span.
    let mut spans = two();
    spans.retain(|span| span.hop != "edge");
    spans[2].parent = Some(id(2));
    let edge = Hop { reports: false, keeps: false, ..hop("edge", EDGE, &["api"]) };
    let stack = roster([(edge, flow(1)), (hop("api", APPLICATION, &[]), flow(2))]);
    let told = stages(spans, &stack);
    assert_eq!(told[..2], ["edge opaque to-pod", "api leg to-pod"].map(str::to_owned));
    assert_eq!(told[2], "api self application");
}

#[test]
fn a_layer_4_proxy_in_front_of_the_edge_is_on_the_way_to_it() {
    let mut spans = two();
    for span in &mut spans[2..3] {
        span.stamps.iter_mut().for_each(|stamp| stamp.flow = flow(3));
    }
    spans.push(relay("front", 8, flow(1), flow(3), Direction::Request, (5, 6)));
    spans.push(relay("front", 9, flow(3), flow(1), Direction::Response, (94, 95)));
    let stack = roster([
        (hop("front", None, &["edge"]), flow(1)),
        (hop("edge", EDGE, &["api"]), flow(3)),
        (hop("api", APPLICATION, &[]), flow(2)),
    ]);
    let told = stages(spans, &stack);
    let to_the_edge = ["front leg to-load-balancer", "front self to-load-balancer"];
    assert_eq!(told[..2], to_the_edge);
    assert_eq!(told[2..8], TWO[..6]);
    assert_eq!(told[8..], ["front leg response", "front self response", "browser leg response"]);
}

/// A content delivery network tries a region and, as that one fails, another; each has a load balancer of its own.
#[test]
fn a_second_region_is_an_application_again() {
    let mut spans = vec![
        span("browser", 1, None, Kind::Internal, "journey", (0, 1000)),
        client("browser", 2, 1, flow(1), (0, 1000)),
        server("cdn", 3, Some(2), flow(1), (10, 900)),
    ];
    for (n, lb, api) in [(10, "lb-a", "api-a"), (20, "lb-b", "api-b")] {
        let (at, port) = (n * 20, n as u16);
        spans.push(client("cdn", n, 3, flow(port), (at, at + 150)));
        spans.push(server(lb, n + 1, Some(n), flow(port), (at + 10, at + 140)));
        spans.push(client(lb, n + 2, n + 1, flow(port + 1), (at + 20, at + 130)));
        spans.push(server(api, n + 3, Some(n + 2), flow(port + 1), (at + 30, at + 120)));
    }
    let stack = roster([
        (hop("cdn", EDGE, &["lb-a", "lb-b"]), flow(1)),
        (hop("lb-a", None, &["api-a"]), flow(10)),
        (hop("lb-b", None, &["api-b"]), flow(20)),
        (hop("api-a", APPLICATION, &[]), flow(11)),
        (hop("api-b", APPLICATION, &[]), flow(21)),
    ]);
    let told = stages(spans, &stack);
    let of = |hop: &str| -> Vec<&str> {
        let own = told.iter().filter_map(|part| part.strip_prefix(hop)?.strip_prefix(" self "));
        own.collect()
    };
    assert_eq!((of("api-a"), of("api-b")), (vec!["application"], vec!["application"]));
    assert_eq!(of("cdn"), ["to-pod", "response", "response"]);
    assert_eq!(told[0], "cdn leg to-load-balancer");
}

#[test]
fn an_application_that_calls_another_stays_the_application() {
    let mut spans = two();
    spans.push(client("api", 6, 5, flow(5), (40, 60)));
    spans.push(server("prices", 7, Some(6), flow(5), (45, 55)));
    let stack = roster([
        (hop("edge", EDGE, &["api"]), flow(1)),
        (hop("api", APPLICATION, &[]), flow(2)),
        (hop("prices", APPLICATION, &[]), flow(5)),
    ]);
    let told = stages(spans, &stack);
    let application = told.iter().filter(|part| part.ends_with(" application")).count();
    assert_eq!(application, 5, "api, the way to prices, prices, the way back, api: {told:?}");
}
