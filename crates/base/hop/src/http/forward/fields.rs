//! Header fields that belong to one connection, and lists in one field.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

/// Headers that concern one connection only and end at each proxy (RFC 9110 §7.6.1).
pub(super) static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What `Connection` cannot name away, although RFC 9110 §7.6.1 says to remove whatever it names: these
/// are for all who pass the message on, and §7.6.1 forbids senders to name such fields. A client could
/// otherwise take from a message what another proxy has put there, or what frames and routes it.
pub(super) static END_TO_END: [HeaderName; 10] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::AUTHORIZATION,
    header::COOKIE,
    header::VIA,
    header::FORWARDED,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("server-timing"),
];

/// Removes the connection's own headers and everything that `Connection` names, save what is meant for
/// all programs on the way.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            // Those go anyway; most often it is one of them.
            .filter(|name| !HOP_BY_HOP.iter().any(|known| known.as_str().eq_ignore_ascii_case(name)))
            .filter_map(|name| name.parse().ok())
            .filter(|name: &HeaderName| {
                !END_TO_END.contains(name) && !name.as_str().starts_with("x-forwarded-")
            })
            .collect();
        for name in &named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Sets a field, unless the value cannot be one.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: impl Into<Bytes>) {
    if let Ok(value) = HeaderValue::from_maybe_shared(value.into()) {
        headers.insert(name, value);
    }
}

/// Appends to a comma-separated list header, keeping it one field.
pub fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let mut joined = Vec::with_capacity(64);
    for earlier in headers.get_all(&name) {
        if let Ok(earlier) = earlier.to_str() {
            joined.extend_from_slice(earlier.as_bytes());
            joined.extend_from_slice(b", ");
        }
    }
    joined.extend_from_slice(value.as_bytes());
    set(headers, name, joined);
}
