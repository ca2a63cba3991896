//! What no hop takes, whatever it does with requests: heads that HTTP forbids, or that two programs could
//! understand in two ways.
//!
//! What cannot be read at all never comes here: hyper and h2 refuse it.

use hyper::header::{self, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};

use super::{Body, Fault, Problem, empty};

/// What our hops have handlers for; other methods have no meaning that they know.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Whom a request is for, in its extensions, so that its head is read for that only once.
#[derive(Clone)]
pub(super) struct Host(pub(super) Authority);

/// Is this a head that may be answered, and whom is it for?
///
/// # Errors
/// The client's fault, with the rule that it breaks.
pub(super) fn check<B>(request: &Request<B>) -> Result<Option<Authority>, Box<Problem>> {
    let (version, headers) = (request.version(), request.headers());
    let host = authority_of(version, request.uri(), headers)?;
    if host.is_none() && version == Version::HTTP_11 {
        return Err(host_missing());
    }
    target(request.method(), request.uri())?;
    transfer_coding(headers)?;
    expectation(version, headers)?;
    Ok(host)
}

/// Is the request about the server itself (RFC 9110 §9.3.7), not about something that it has?
pub(super) fn is_about_the_server(target: &Uri) -> bool {
    target.path() == "*"
}

/// What a server says about itself.
pub fn about_the_server() -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(METHODS));
    response
}

/// Whom a request is for: the one authority that its head names, if any.
///
/// HTTP/1.1 says it in `Host`, or in an absolute-form target, which then wins (RFC 9112 §3.2.2);
/// HTTP/2 in `:authority`, with which a `Host` must agree (RFC 9113 §8.3.1).
///
/// # Errors
/// 400, the client's fault, when it is given twice, contradictory or not an authority
/// (RFC 9112 §3.2): two programs could take such a request for two different hosts'.
pub(super) fn authority_of(
    version: Version,
    target: &Uri,
    headers: &HeaderMap,
) -> Result<Option<Authority>, Box<Problem>> {
    let bad = |kind: &str, detail: &str| Err(refused(StatusCode::BAD_REQUEST, kind, detail, "Host"));
    let mut values = headers.get_all(header::HOST).iter();
    let named = values.next().map(|value| Authority::try_from(value.as_bytes()));
    if values.next().is_some() {
        return bad("host-twice", "the request has more than one Host header");
    }
    let named = match named {
        Some(Ok(host)) if is_sound(&host) => Some(host),
        Some(_) => return bad("host-malformed", "Host is not HOST or HOST:PORT"),
        None => None,
    };
    match (target.authority(), named) {
        (Some(target), _) if !is_sound(target) => {
            bad("host-malformed", "the target's authority is not HOST or HOST:PORT")
        }
        (Some(target), Some(host)) if version == Version::HTTP_2 && *target != host => {
            bad("host-contradicts", "Host and :authority name different hosts")
        }
        (Some(target), _) => Ok(Some(target.clone())),
        (None, named) => Ok(named),
    }
}

/// Every HTTP/1.1 request must say it, and whoever forwards by it must know (RFC 9112 §3.2).
pub(super) fn host_missing() -> Box<Problem> {
    let detail = "the request does not say for which host it is";
    refused(StatusCode::BAD_REQUEST, "host-missing", detail, "Host")
}

/// A host, no user, and a port that can be one (RFC 9110 §4.2.4, RFC 3986 §3.2.3); the port may be empty.
fn is_sound(authority: &Authority) -> bool {
    let text = authority.as_str();
    let port = text.strip_prefix(authority.host()).and_then(|rest| match rest.strip_prefix(':') {
        Some(port) => Some(port),
        None if rest.is_empty() => Some(""),
        None => None,
    });
    let is_port = |port: &str| {
        port.is_empty() || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
    };
    !authority.host().is_empty() && !text.contains('@') && port.is_some_and(is_port)
}

/// A target in one of the forms that a server must understand (RFC 9112 §3.2).
fn target(method: &Method, target: &Uri) -> Result<(), Box<Problem>> {
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        let detail = format!("{method} is not for this server");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let problem = Problem::new(status, Fault::Client, "method-not-allowed", detail);
        return Err(Box::new(problem.allow(METHODS)));
    }
    let bad = |kind: &str, detail: String| {
        Err(Box::new(Problem::new(StatusCode::BAD_REQUEST, Fault::Client, kind, detail)))
    };
    match target.scheme_str() {
        None | Some("http" | "https") => {}
        Some(other) => return bad("scheme", format!("{other}: is nothing that this server speaks")),
    }
    if is_about_the_server(target) && *method != Method::OPTIONS {
        return bad("target", "the target * is for OPTIONS only".to_owned());
    }
    Ok(())
}

/// No coding of the transfer but chunks (RFC 9112 §6.1); hyper itself refuses a request in which they do not
/// come last, with 400 as §6.3 demands.
fn transfer_coding(headers: &HeaderMap) -> Result<(), Box<Problem>> {
    let name = header::TRANSFER_ENCODING;
    if !headers.contains_key(&name) {
        return Ok(());
    }
    let codings: Vec<&[u8]> = headers
        .get_all(&name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty())
        .collect();
    match codings[..] {
        [only] if only.eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ if codings.iter().all(|coding| coding.eq_ignore_ascii_case(b"chunked")) => {
            let detail = "a body is cut into chunks once";
            Err(refused(StatusCode::BAD_REQUEST, "chunked-twice", detail, "Transfer-Encoding"))
        }
        _ => {
            let detail = "no transfer coding is understood here but chunked";
            Err(refused(StatusCode::NOT_IMPLEMENTED, "transfer-coding", detail, "Transfer-Encoding"))
        }
    }
}

/// `100-continue` is the only expectation there is (RFC 9110 §10.1.1); HTTP/1.0 has none.
fn expectation(version: Version, headers: &HeaderMap) -> Result<(), Box<Problem>> {
    let known = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue");
    if version == Version::HTTP_10 || headers.get_all(header::EXPECT).iter().all(known) {
        return Ok(());
    }
    let detail = "no expectation is known here but 100-continue";
    Err(refused(StatusCode::EXPECTATION_FAILED, "expectation", detail, "Expect"))
}

fn refused(status: StatusCode, kind: &str, detail: &str, field: &str) -> Box<Problem> {
    Box::new(Problem::new(status, Fault::Client, kind, detail).field(field))
}

/// In HTTP/2 a field value begins and ends with no white space (RFC 9113 §8.2.1).
pub(super) fn has_malformed_value(headers: &HeaderMap) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    headers.values().map(HeaderValue::as_bytes).any(|value| blank(value.first()) || blank(value.last()))
}

#[cfg(test)]
mod tests;
