//! The form of a request on an HTTP/1.1 connection: its target, and how its body is framed.

use std::net::SocketAddr;

use hyper::body::Body as _;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Uri, Version};

use crate::http::Body;

/// HTTP/1.1 to a server that is no proxy: `GET /path`, the authority in `Host`, and this program's own
/// version of the protocol (RFC 9112 §3.2.1, RFC 9110 §6.2), whatever the request came in as.
pub(super) fn in_origin_form(request: &mut Request<Body>, to: SocketAddr) {
    *request.version_mut() = Version::HTTP_11;
    if !request.headers().contains_key(header::HOST) {
        let authority = request.uri().authority().map_or_else(|| to.to_string(), ToString::to_string);
        if let Ok(host) = HeaderValue::try_from(authority) {
            request.headers_mut().insert(header::HOST, host);
        }
    }
    if request.uri().authority().is_some() {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
}

/// Says how long the body is, or that it comes in chunks (RFC 9112 §6), where hyper would choose otherwise.
///
/// It takes a `GET` whose length is not known for one without a body, and has trailers on chunked bodies only
/// (RFC 9112 §7.1.2), so that a length gives way to an announced trailer. A request without a body
/// expects nothing and ends with its head (RFC 9110 §10.1.1, §6.6.2).
pub(super) fn framed(request: &mut Request<Body>) {
    let (empty, exact) = (request.body().is_end_stream(), request.body().size_hint().exact());
    let headers = request.headers_mut();
    if empty {
        headers.remove(header::EXPECT);
        headers.remove(header::TRAILER);
    } else if headers.contains_key(header::TRAILER)
        || (exact.is_none() && !headers.contains_key(header::CONTENT_LENGTH))
    {
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}
