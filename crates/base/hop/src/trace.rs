//! Ids for spans, and reading the caller's.

use hyper::HeaderMap;
use journey::{SpanId, TraceId, Traceparent};

/// The header of W3C Trace Context §3.2.
pub const TRACEPARENT: &str = "traceparent";

/// A random trace id, never all zeroes.
pub fn new_trace_id() -> TraceId {
    TraceId(rand::random::<u128>().max(1).to_be_bytes())
}

/// A random span id, never all zeroes.
pub fn new_span_id() -> SpanId {
    SpanId(rand::random::<u64>().max(1).to_be_bytes())
}

/// The caller's trace, if it sent exactly one valid `traceparent`, in lower-case hexadecimal (§3.2.1).
pub fn extract(headers: &HeaderMap) -> Option<Traceparent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let first = values.next()?.to_str().ok()?.trim();
    let alphabet = |c| matches!(c, b'0'..=b'9' | b'a'..=b'f' | b'-');
    if values.next().is_some() || !first.bytes().take(55).all(alphabet) {
        return None;
    }
    first.parse().ok()
}
