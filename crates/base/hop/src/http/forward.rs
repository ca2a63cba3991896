//! What a proxy must change in the headers it passes on.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{self, HeaderName, HeaderValue, MAX_FORWARDS};
use hyper::http::request;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Response, StatusCode, Version};

use super::{Body, Fault, Interim, Problem, acceptable};

pub mod claims;
pub mod trailers;

/// Headers that concern one connection only and end at each proxy (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
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
const END_TO_END: [HeaderName; 10] = [
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
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name: &HeaderName| !END_TO_END.contains(name) && !name.as_str().starts_with("x-forwarded-"))
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// How a request reached a proxy, for the programs behind it.
pub struct Via<'a> {
    /// Who asked.
    pub client: SocketAddr,
    /// `https` where TLS ended here.
    pub scheme: &'a str,
    /// What the caller took this host for.
    pub host: Option<&'a str>,
    /// The protocol it came in.
    pub version: Version,
    /// This proxy's name.
    pub by: &'a str,
}

/// At the edge of the trusted network: drops what the caller claims about its way (see [`claims`]) and says what
/// is true.
///
/// Sets `Forwarded` (RFC 7239), its older forms `X-Forwarded-For`, `-Proto` and `-Host`, and `Via`
/// (RFC 9110 §7.6.3).
pub fn at_the_edge(headers: &mut HeaderMap, via: &Via<'_>) {
    claims::remove(headers);
    inside(headers, via);
    let node = match via.client.ip().to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        // Brackets and colons are not token characters: such a node is quoted (RFC 7239 §6).
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    };
    let mut forwarded = format!("for={node};proto={}", via.scheme);
    set(headers, "x-forwarded-proto", via.scheme);
    if let Some(host) = via.host {
        set(headers, "x-forwarded-host", host);
        // A quoted string (RFC 9110 §5.6.4): a host with a quotation mark in it cannot end it early.
        forwarded += &format!(";host=\"{}\"", host.replace('\\', "\\\\").replace('"', "\\\""));
    }
    set(headers, "forwarded", &forwarded);
}

/// Inside the trusted network: appends this proxy's peer to `X-Forwarded-For`, and itself to `Via`.
pub fn inside(headers: &mut HeaderMap, via: &Via<'_>) {
    append(headers, "x-forwarded-for", &via.client.ip().to_canonical().to_string());
    let version = match via.version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2.0",
        Version::HTTP_3 => "3.0",
        _ => "1.1",
    };
    append(headers, "via", &format!("{version} {}", via.by));
}

/// Whom a request is for: the one authority that its head names, in `Host`, the target or `:authority`.
///
/// # Errors
/// 400, the client's fault, when there is none, or more than one, or it is none (RFC 9112 §3.2).
pub fn authority(head: &request::Parts) -> Result<Authority, Box<Problem>> {
    acceptable::authority_of(head.version, &head.uri, &head.headers)?.ok_or_else(acceptable::host_missing)
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
pub enum Place {
    /// Its clients are strangers: see [`at_the_edge`].
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
pub fn outgoing(head: &mut request::Parts, via: &Via<'_>, place: Place) -> WayBack {
    let back = WayBack { trailers: trailers::accepted(via.version, &head.headers) };
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
    match place {
        Place::Edge => at_the_edge(&mut head.headers, via),
        Place::Inside => inside(&mut head.headers, via),
    }
    set(&mut head.headers, "host", via.host.unwrap_or_default());
    trailers::announce(&mut head.headers, true);
    if back.trailers {
        trailers::ask_for(&mut head.headers);
    }
    let interim = head.extensions.remove::<Interim>();
    head.extensions.clear();
    if let Some(interim) = interim {
        head.extensions.insert(interim);
    }
    back
}

/// How the response to a forwarded request goes back to who asked; see [`outgoing`].
#[derive(Clone, Copy, Debug)]
pub struct WayBack {
    /// Who asked can be sent trailers.
    trailers: bool,
}

impl WayBack {
    /// The response without what concerned the connection to the next hop, and with the trailers that may pass.
    ///
    /// # Errors
    /// 502 when `from` switched protocols: nobody asked for it, `Upgrade` ends at a proxy.
    pub fn response(self, response: Response<Body>, from: &str) -> Result<Response<Body>, Box<Problem>> {
        let (mut head, body) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let detail = format!("{from} switched protocols without being asked");
            let problem = Problem::new(StatusCode::BAD_GATEWAY, Fault::Upstream, "upstream-switched", detail);
            return Err(Box::new(problem));
        }
        strip_hop_by_hop(&mut head.headers);
        trailers::announce_in_response(&mut head.headers, self.trailers);
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, trailers::pass(body, self.trailers)))
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Appends to a comma-separated list header, keeping it one field.
pub fn append(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let earlier: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    let joined =
        if earlier.is_empty() { value.to_owned() } else { format!("{}, {value}", earlier.join(", ")) };
    set(headers, name, &joined);
}

#[cfg(test)]
mod tests;
