use std::time::Duration;

use journey::SpanId;
use journey::semconv::attribute;

use super::*;

const TRACE: TraceId = TraceId([0xab; 16]);

/// Enough of a parser of the Prometheus text format to find a sample.
fn sample(metrics: &str, name: &str, label: &str) -> f64 {
    let line = metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find(|line| line.starts_with(&format!("{name}{{")) && line.contains(label))
        .unwrap_or_else(|| panic!("{name} with {label} in\n{metrics}"));
    line.split(" # ").next().and_then(|line| line.rsplit_once("} ")).unwrap().1.parse().unwrap()
}

fn span(kind: Kind, name: &'static str, micros: u64) -> Span {
    Span::new(TRACE, SpanId([1; 8]), None, kind, name, (1_000_000, 1_000_000 + micros * 1_000))
}

#[test]
fn http_requests_are_counted_and_timed_and_the_recorded_ones_are_named() {
    let metrics = Metrics::new("lb");
    for (status, trace) in [(200, Some(TRACE)), (200, None), (503, None)] {
        metrics.request_began();
        metrics.request_ended(StatusCode::from_u16(status).unwrap(), Duration::from_micros(300), trace);
    }
    metrics.request_began();
    let text = metrics.text(true).unwrap();
    let requests = "http_server_requests_total";
    assert_eq!(sample(&text, requests, "http_response_status_code=\"200\""), 2.0);
    assert_eq!(sample(&text, requests, "http_response_status_code=\"503\""), 1.0);
    assert_eq!(sample(&text, "http_server_active_requests", "hop=\"lb\""), 1.0);
    assert_eq!(sample(&text, "http_server_request_duration_seconds_bucket", "le=\"0.0005\""), 3.0);
    assert_eq!(text.matches(&format!("trace_id=\"{TRACE}\"")).count(), 1, "{text}");
}

#[test]
fn what_others_do_is_timed_from_their_spans() {
    let metrics = Metrics::new("hop");
    metrics.span(
        &span(Kind::Server, "A shop.", 80)
            .with(attribute::DNS_QUESTION_NAME, "shop.")
            .with(attribute::DNS_QUESTION_TYPE, "A"),
    );
    metrics.span(
        &span(Kind::Server, "SET", 80)
            .with(attribute::DB_SYSTEM_NAME, "redis")
            .with(attribute::DB_OPERATION_NAME, "SET"),
    );
    let produce = span(Kind::Server, "Produce t", 80).with(attribute::MESSAGING_SYSTEM, "kafka");
    metrics.span(&produce.with(attribute::MESSAGING_OPERATION_NAME, "Produce"));
    metrics.span(&span(Kind::Internal, "connect", 80).with(attribute::FLOW_IN, "tcp a>b"));
    metrics.span(&span(Kind::Internal, "relay", 80));
    let text = metrics.text(true).unwrap();
    for (name, operation) in [
        ("dns_server_request", "A"),
        ("db_server_operation", "SET"),
        ("messaging_server_operation", "Produce"),
        ("tcp_proxy_connect", "connect"),
        ("tcp_proxy_relay", "relay"),
    ] {
        let operation = format!("operation=\"{operation}\"");
        assert_eq!(sample(&text, &format!("{name}_duration_seconds_count"), &operation), 1.0);
        let bucket = format!("{name}_duration_seconds_bucket");
        let filled = text.lines().find(|line| line.starts_with(&bucket) && line.contains("le=\"0.0001\""));
        assert!(
            filled.is_some_and(|line| line.contains(&format!("1 # {{trace_id=\"{TRACE}\"}} 0.00008"))),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_such_span_is_not_timed() {
    let metrics = Metrics::new("hop");
    metrics.span(&span(Kind::Client, "SET", 80).with(attribute::DB_SYSTEM_NAME, "redis"));
    metrics.span(&span(Kind::Server, "GET /", 80).with(attribute::URL_PATH, "/"));
    metrics.span(&span(Kind::Internal, "validate", 80));
    metrics.span(&Span { parent: Some(SpanId([2; 8])), ..span(Kind::Internal, "relay", 80) });
    assert_eq!(metrics.text(true).unwrap(), "# EOF\n");
}

#[test]
fn a_client_cannot_make_histograms_without_end() {
    let metrics = Metrics::new("dns");
    for kind in 0..100 {
        let span = span(Kind::Server, "?", 80).with(attribute::DNS_QUESTION_NAME, "a.");
        metrics.span(&span.with(attribute::DNS_QUESTION_TYPE, format!("TYPE{kind}")));
    }
    let text = metrics.text(false).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("_count{")).count(), OPERATIONS + 1);
    assert_eq!(sample(&text, "dns_server_request_duration_seconds_count", OTHER), 100.0 - OPERATIONS as f64);
}

#[test]
fn the_older_format_has_no_exemplars_and_full_names_of_counters() {
    let metrics = Metrics::new("lb");
    metrics.request_began();
    metrics.request_ended(StatusCode::OK, Duration::from_micros(300), Some(TRACE));
    let text = metrics.text(false).unwrap();
    assert!(text.contains("# TYPE http_server_requests_total counter\n"), "{text}");
    assert!(text.contains("# HELP http_server_requests_total Requests answered.\n"), "{text}");
    assert!(text.contains("# TYPE http_server_request_duration_seconds histogram\n"), "{text}");
    for foreign in ["trace_id", "# EOF", "# UNIT"] {
        assert!(!text.contains(foreign), "{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok()), "{line}");
    }
}
