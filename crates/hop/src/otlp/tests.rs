use super::*;

fn span() -> Span {
    let mut span = Span::new(
        TraceId([1; 16]),
        SpanId([2; 8]),
        Some(SpanId([3; 8])),
        Kind::Client,
        "GET /stock",
        (1_700_000_000_000_000_001, 1_700_000_000_000_000_999),
    )
    .with("http.response.status_code", 200_i64)
    .with("url.path", "/stock/PROD-123")
    .with("reused", true);
    span.hop = Cow::Borrowed("cart");
    span.stamps.push(Stamp {
        flow: "tcp 127.0.0.1:40000>127.0.113.50:8443".parse().unwrap(),
        direction: Direction::Request,
        offset: 412,
        event: Event::Tx,
        at: 1_700_000_000_000_000_100,
        quality: Quality::Kernel,
    });
    span
}

#[test]
fn what_is_encoded_is_decoded() {
    assert_eq!(decode(&encode("cart", &[span()])).unwrap(), [span()]);
}

#[test]
fn spans_without_ids_are_left_out_and_garbage_is_an_error() {
    let mut nameless = span();
    nameless.trace_id = TraceId::default();
    assert_eq!(decode(&encode("cart", &[nameless])).unwrap(), []);
    assert!(decode(b"\xff\xff\xff\xff").is_err());
}
