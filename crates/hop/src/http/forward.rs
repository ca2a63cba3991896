//! What a proxy must change in the headers it passes on.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Version};

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

/// Removes the connection's own headers and everything that `Connection` names.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
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

/// At the edge of the trusted network: drops what the caller claims about its way and says what is true.
///
/// Sets `Forwarded` (RFC 7239), its older forms `X-Forwarded-For`, `-Proto` and `-Host`, and `Via`
/// (RFC 9110 §7.6.3).
pub fn at_the_edge(headers: &mut HeaderMap, via: &Via<'_>) {
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"]
    {
        headers.remove(name);
    }
    inside(headers, via);
    let host = via.host.unwrap_or_default();
    set(headers, "x-forwarded-proto", via.scheme);
    set(headers, "x-forwarded-host", host);
    let node = match via.client.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    };
    set(headers, "forwarded", &format!("for={node};proto={};host=\"{host}\"", via.scheme));
}

/// Inside the trusted network: appends this proxy's peer to `X-Forwarded-For`, and itself to `Via`.
pub fn inside(headers: &mut HeaderMap, via: &Via<'_>) {
    append(headers, "x-forwarded-for", &via.client.ip().to_string());
    let version = match via.version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2.0",
        Version::HTTP_3 => "3.0",
        _ => "1.1",
    };
    append(headers, "via", &format!("{version} {}", via.by));
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
