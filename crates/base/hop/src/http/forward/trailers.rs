//! Trailers: fields after the body (RFC 9110 §6.5), such as gRPC's `grpc-status`, end to end.
//!
//! HTTP/2 has them on any message (RFC 9113 §8.1). HTTP/1.1 has them on chunked bodies only (RFC 9112 §7.1.2), and
//! who sends a request says with `TE: trailers` whether it takes any (RFC 9110 §10.1.4). So a proxy invites its next hop to send
//! trailers when it can pass them on, and announces only those that may come.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Version};

use super::sanitize;
use crate::http::{Body, BoxError};

/// What no trailer may set (RFC 9110 §6.5.1): it frames or routes the message, asks for something, proves who
/// somebody is, steers caches, or says what the content is: all of which was decided when the head came.
const FORBIDDEN: [&str; 44] = [
    "accept-ranges",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "host",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "server-timing",
    "set-cookie",
    "strict-transport-security",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-content-type-options",
];

/// What gRPC sends after a response without having announced it.
const GRPC: &str = "grpc-status, grpc-message, grpc-status-details-bin";

/// May this field be a trailer?
pub fn allowed(name: &HeaderName) -> bool {
    FORBIDDEN.binary_search(&name.as_str()).is_err() && !sanitize::is_spoofable(name)
}

/// Can the sender of this request be sent trailers? Over HTTP/2 always, over HTTP/1.1 if it says so.
pub fn accepted(version: Version, headers: &HeaderMap) -> bool {
    match version {
        Version::HTTP_2 | Version::HTTP_3 => true,
        Version::HTTP_11 => tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers")),
        _ => false,
    }
}

/// Says that trailers are welcome; `TE` is for the next program only, so `Connection` names it (RFC 9110 §10.1.4).
pub(super) fn invite(headers: &mut HeaderMap) {
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("TE"));
}

/// Leaves in `Trailer` what may come; nothing at all where trailers cannot be sent.
pub(super) fn announce(headers: &mut HeaderMap, possible: bool) {
    if !headers.contains_key(header::TRAILER) {
        return;
    }
    let names: Vec<String> = tokens(headers, &header::TRAILER)
        .filter_map(|name| HeaderName::try_from(name).ok())
        .filter(|name| possible && allowed(name))
        .map(|name| name.to_string())
        .collect();
    headers.remove(header::TRAILER);
    if let (false, Ok(value)) = (names.is_empty(), HeaderValue::try_from(names.join(", "))) {
        headers.insert(header::TRAILER, value);
    }
}

/// As [`announce`], for a response: gRPC's trailers come unannounced, and HTTP/1.1 is told of them here.
pub(super) fn announce_in_response(headers: &mut HeaderMap, possible: bool) {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if kind.starts_with(b"application/grpc") && !headers.contains_key(header::TRAILER) {
        headers.insert(header::TRAILER, HeaderValue::from_static(GRPC));
    }
    announce(headers, possible);
}

/// The body with those trailers that may pass.
pub fn pass(body: Body, possible: bool) -> Body {
    if body.is_end_stream() { body } else { Passing { body, possible }.boxed_unsync() }
}

/// As http-body-util's `MapFrame`, which forgets how long the body is: whoever sends it on could not know then that it
/// is short, and would not wait with the head for it.
struct Passing {
    body: Body,
    possible: bool,
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let possible = self.possible;
        Pin::new(&mut self.body).poll_frame(context).map_ok(|frame| match frame.into_trailers() {
            Ok(trailers) => Frame::trailers(keep(trailers, possible)),
            Err(frame) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Those trailers that may pass.
pub fn keep(mut trailers: HeaderMap, possible: bool) -> HeaderMap {
    if !possible {
        trailers.clear();
    }
    sanitize::remove(&mut trailers);
    let forbidden: Vec<HeaderName> = trailers.keys().filter(|name| !allowed(name)).cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
    trailers
}

/// The elements of a list header.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    // A weight, as in `trailers;q=0.5`, is no part of the name.
    values.flat_map(|value| value.split(',')).map(|token| token.split(';').next().unwrap_or("").trim())
}

#[cfg(test)]
mod tests;
