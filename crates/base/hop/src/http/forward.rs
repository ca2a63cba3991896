//! What a proxy must change in the headers it passes on.

use std::fmt::Display;
use std::net::SocketAddr;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue, MAX_FORWARDS};
use hyper::http::request;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Response, StatusCode, Version};

use super::{Body, Fault, Interim, Problem, validate};

mod fields;
pub mod permits;
pub mod read_ahead;
pub mod replay;
pub mod sanitize;
pub mod trailers;

pub use fields::{append, strip_hop_by_hop};

use fields::set;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// How a request reached a proxy, for the programs behind it.
pub struct Via<'a> {
    /// Who sent the request.
    pub client: SocketAddr,
    /// `https` where TLS ended here.
    pub scheme: &'static str,
    /// What the caller took this host for.
    pub host: Option<&'a str>,
    /// The protocol it came in.
    pub version: Version,
    /// This proxy's name.
    pub by: &'a str,
}

/// At the edge of the trusted network: drops what the caller says about its way (see [`sanitize`]) and says what
/// is true.
///
/// Sets `Forwarded` (RFC 7239), its older forms `X-Forwarded-For`, `-Proto` and `-Host`, and `Via`
/// (RFC 9110 §7.6.3).
pub fn at_the_edge(headers: &mut HeaderMap, via: &Via<'_>) {
    sanitize::remove(headers);
    let ip = via.client.ip().to_canonical();
    let address = ip.to_string();
    let mut forwarded = String::with_capacity(128);
    // Brackets and colons are not token characters: such a node is quoted (RFC 7239 §6).
    let (before, after) = if ip.is_ipv6() { ("for=\"[", "]\"") } else { ("for=", "") };
    for part in [before, &address, after, ";proto=", via.scheme] {
        forwarded.push_str(part);
    }
    set(headers, X_FORWARDED_PROTO, Bytes::from_static(via.scheme.as_bytes()));
    if let Some(host) = via.host {
        set(headers, X_FORWARDED_HOST, Bytes::copy_from_slice(host.as_bytes()));
        // A quoted string (RFC 9110 §5.6.4): a host with a quotation mark in it cannot end it early.
        forwarded.push_str(";host=\"");
        for character in host.chars() {
            if matches!(character, '\\' | '"') {
                forwarded.push('\\');
            }
            forwarded.push(character);
        }
        forwarded.push('"');
    }
    set(headers, header::FORWARDED, forwarded);
    passed_by(headers, via, &address);
}

/// Inside the trusted network: appends this proxy's peer to `X-Forwarded-For`, and itself to `Via`.
pub fn inside(headers: &mut HeaderMap, via: &Via<'_>) {
    passed_by(headers, via, &via.client.ip().to_canonical().to_string());
}

fn passed_by(headers: &mut HeaderMap, via: &Via<'_>, address: &str) {
    append(headers, X_FORWARDED_FOR, address);
    let version = match via.version {
        Version::HTTP_10 => "1.0 ",
        Version::HTTP_2 => "2.0 ",
        Version::HTTP_3 => "3.0 ",
        _ => "1.1 ",
    };
    append(headers, header::VIA, &[version, via.by].concat());
}

/// Whom a request is for: the one authority that its head names, in `Host`, the target or `:authority`.
///
/// # Errors
/// 400, the client's fault, when there is none, or more than one, or it is none (RFC 9112 §3.2).
pub fn authority(head: &mut request::Parts) -> Result<Authority, Box<Problem>> {
    if let Some(validate::Host(host)) = head.extensions.remove() {
        return Ok(host);
    }
    validate::authority_of(head.version, &head.uri, &head.headers)?.ok_or_else(validate::host_missing)
}

/// Does this request end at this proxy, because it may be forwarded no more often? `Max-Forwards` counts it down,
/// for `OPTIONS` (RFC 9110 §7.6.2; `TRACE` is for none of our servers).
pub fn ends_here(head: &mut request::Parts) -> bool {
    let left = head.headers.get(MAX_FORWARDS).filter(|_| head.method == Method::OPTIONS);
    let Some(left) = left.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()) else { return false };
    match left.checked_sub(1) {
        Some(left) => {
            head.headers.insert(MAX_FORWARDS, left.into());
            false
        }
        None => true,
    }
}

/// Where a proxy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Its clients are not trusted: see [`at_the_edge`].
    Edge,
    /// Its clients are our own proxies: see [`inside`].
    Inside,
}

/// Makes a received head into the one to send on with [`Client`](super::Client), and says how the response
/// goes back.
///
/// The connection's own headers go first, so that a client cannot have the proxy's headers removed
/// by naming them in `Connection`. `Expect` goes on, unless it came over HTTP/1.0 (RFC 9110 §10.1.1). Cookies
/// that HTTP/2 split are joined again (RFC 9113 §8.2.3). Of the extensions only [`Interim`] is kept.
pub fn outgoing(head: &mut request::Parts, via: &Via<'_>, position: Position) -> ResponsePath {
    let back = ResponsePath { trailers: trailers::accepted(via.version, &head.headers) };
    // At once, for all that is added here.
    head.headers.reserve(8);
    strip_hop_by_hop(&mut head.headers);
    if via.version == Version::HTTP_10 {
        head.headers.remove(header::EXPECT);
    }
    let crumbs: Vec<&[u8]> = head.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        head.headers.insert(header::COOKIE, cookie);
    }
    match position {
        Position::Edge => at_the_edge(&mut head.headers, via),
        Position::Inside => inside(&mut head.headers, via),
    }
    let host = via.host.unwrap_or_default();
    if head.headers.get(header::HOST).is_none_or(|value| value != host) {
        set(&mut head.headers, header::HOST, Bytes::copy_from_slice(host.as_bytes()));
    }
    trailers::announce(&mut head.headers, true);
    if back.trailers {
        trailers::invite(&mut head.headers);
    }
    let interim = head.extensions.remove::<Interim>();
    head.extensions.clear();
    if let Some(interim) = interim {
        head.extensions.insert(interim);
    }
    back
}

/// How the response to a forwarded request goes back; see [`outgoing`].
#[derive(Clone, Copy, Debug)]
pub struct ResponsePath {
    /// The client can be sent trailers.
    trailers: bool,
}

impl ResponsePath {
    /// The response without what concerned the connection to the next hop, and with the trailers that may pass.
    ///
    /// # Errors
    /// 502 when `from` switched protocols: `Upgrade` ends at a proxy.
    pub fn response(
        self,
        response: Response<Body>,
        from: impl Display,
    ) -> Result<Response<Body>, Box<Problem>> {
        let (mut head, body) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let detail = format!("{from} switched protocols, which nobody wanted");
            let problem = Problem::new(StatusCode::BAD_GATEWAY, Fault::Upstream, "upstream-switched", detail);
            return Err(Box::new(problem));
        }
        strip_hop_by_hop(&mut head.headers);
        trailers::announce_in_response(&mut head.headers, self.trailers);
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, trailers::pass(body, self.trailers)))
    }
}

#[cfg(test)]
mod tests;
