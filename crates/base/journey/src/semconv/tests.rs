use std::collections::BTreeSet;

use super::convention::Convention;
use super::{attribute, name, stamp};
use crate::{Kind, Span, SpanId, TraceId};

/// The namespaces of OpenTelemetry that are in use; everything else must be under our own prefix.
const OPENTELEMETRY: [&str; 11] =
    ["service", "server", "network", "error", "enduser", "tls", "http", "url", "db", "messaging", "dns"];

#[test]
fn a_key_is_opentelemetrys_or_begins_with_our_prefix() {
    for key in attribute::ALL.iter().chain(stamp::ALL) {
        let namespace = key.split('.').next().unwrap_or_default();
        assert!(namespace == "journey" || OPENTELEMETRY.contains(&namespace), "{key}");
    }
    // OpenTelemetry's registry has no other attribute for queries.
    let dns: Vec<_> = attribute::ALL.iter().filter(|key| key.starts_with("dns.")).collect();
    assert_eq!(dns, [&attribute::DNS_QUESTION_NAME]);
}

#[test]
fn no_two_constants_mean_the_same_name() {
    for names in [attribute::ALL, name::ALL, stamp::ALL] {
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}

#[test]
fn what_a_span_lacks_is_found_by_its_convention() {
    let span = |kind| Span::new(TraceId([1; 16]), SpanId([1; 8]), None, kind, "a span", (0, 1));
    let client = span(Kind::Client).with(attribute::HTTP_REQUEST_METHOD, "GET");
    let convention = Convention::of(&client).expect("a convention");
    assert_eq!(convention.name, "HTTP client");
    let lacks = [
        attribute::URL_FULL,
        attribute::SERVER_ADDRESS,
        attribute::SERVER_PORT,
        attribute::HTTP_RESPONSE_STATUS_CODE,
    ];
    assert_eq!(convention.missing(&client), lacks);
    let whole = client
        .with(attribute::URL_FULL, "http://127.0.0.1:80/")
        .with(attribute::SERVER_ADDRESS, "127.0.0.1")
        .with(attribute::SERVER_PORT, 80_u16);
    // A request that failed has no status; it says why.
    assert!(convention.missing(&whole.clone().with(attribute::ERROR_TYPE, "timeout")).is_empty());
    assert!(convention.missing(&whole.with(attribute::HTTP_RESPONSE_STATUS_CODE, 200_u16)).is_empty());

    // The same attribute on a span of another kind is about something else.
    let produced = span(Kind::Producer).with(attribute::MESSAGING_SYSTEM, "kafka");
    assert_eq!(Convention::of(&produced).map(|it| it.name), Some("message producer"));
    assert!(Convention::of(&span(Kind::Client)).is_none());
}
