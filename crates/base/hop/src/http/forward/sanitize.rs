//! What a client may say about its way here, and what an edge therefore takes out.
//!
//! Programs behind an edge believe certain headers because "the proxy sets them": who the client is, what it
//! requested, how it proved who it is. From an untrusted client, each of them is a lie that works. The rule:
//!
//! * what says *who the client is or by which way it came* (`Forwarded`, `X-Forwarded-*`, `X-Real-IP` and what
//!   the large delivery networks call it);
//! * what says *what was requested instead of the target* (`X-Original-URL`, `X-Rewrite-URL`): a rule that was
//!   checked for the one would be broken by the other;
//! * what says *what TLS has proved* (`Client-Cert` of RFC 9440, whose §2.4 demands this, and its older forms);
//! * what *steers a proxy* (`X-Envoy-*`), and `Proxy`, which CGI turns into the variable `HTTP_PROXY`
//!   (CVE-2016-5385).
//!
//! A name counts in every spelling: CGI, WSGI and Rack make `_` of each `-`, so that `X_Forwarded_For` reaches a
//! program as the very `HTTP_X_FORWARDED_FOR` that it trusts.
//!
//! What stays: `Via` and `CDN-Loop`, to which each proxy appends and which nobody may take away (RFC 9110 §7.6.3,
//! RFC 8586 §2); `traceparent`, by which a browser's trace and ours are one; `X-Request-ID` and whatever else is
//! between a client and the program that it speaks to.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::HeaderName;

use super::fields::{END_TO_END, HOP_BY_HOP};

/// Names, as a whole.
const SPOOFABLE: [&str; 19] = [
    "forwarded",
    "x-forwarded",
    "x-real-ip",
    "client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "fastly-client-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-original-url",
    "x-rewrite-url",
    "client-cert",
    "client-cert-chain",
    "x-client-cert",
    "x-arr-clientcert",
    "proxy",
];

/// How names begin of which there is no complete list.
const FAMILIES: [&str; 7] = [
    "x-forwarded-",
    "x-original-forwarded-",
    "x-original-host",
    "x-envoy-",
    "x-ssl-client-",
    "ssl-client-",
    "x-amzn-mtls-",
];

/// With what all of them begin.
const INITIALS: [char; 6] = ['c', 'f', 'p', 's', 't', 'x'];

/// Is this a name, in any spelling, that only a proxy's word may stand under?
pub fn is_spoofable(name: &HeaderName) -> bool {
    // Most names of a request are not looked up at all.
    if !name.as_str().starts_with(INITIALS) {
        return false;
    }
    let dashed = dashed(name);
    SPOOFABLE.contains(&dashed.as_ref()) || FAMILIES.iter().any(|family| dashed.starts_with(family))
}

/// Takes them out: of a request's headers, or of its trailers.
///
/// Also what is, with dashes for its underscores, a name that frames or routes a message or that a proxy
/// decides about (`Transfer_Encoding`, `Content_Length`): behind CGI there is no difference.
pub fn remove(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| is_spoofable(name) || is_twin(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Is it another spelling of a name that a proxy decides about?
fn is_twin(name: &HeaderName) -> bool {
    name.as_str().contains('_') && {
        let dashed = dashed(name);
        HOP_BY_HOP.iter().chain(&END_TO_END).any(|known| known.as_str() == dashed)
    }
}

/// The name with dashes for underscores. Header names are in small letters already.
fn dashed(name: &HeaderName) -> Cow<'_, str> {
    match name.as_str().contains('_') {
        true => Cow::Owned(name.as_str().replace('_', "-")),
        false => Cow::Borrowed(name.as_str()),
    }
}

#[cfg(test)]
mod tests;
