//! Who may change something: whoever knows the secret, and no web page.
//!
//! A page of any site can make a browser send requests to loopback addresses. Two headers tell: what a page
//! sends to another site carries `Origin` (Fetch §3.2), and a name of the page's own that was made to point
//! here (DNS rebinding) stands in `Host`. An address in `Host` needs no lookup, so nobody can have bent it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Response, StatusCode};
use subtle::ConstantTimeEq as _;

use crate::http::{Body, text};

/// What a request that changes something has to know: `Authorization: Bearer SECRET` (RFC 6750 §2.1).
#[derive(Clone)]
pub struct Secret(Arc<str>);

/// A secret is not shown.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A new one, of 256 random bits.
    pub fn random() -> Self {
        Secret(format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()).into())
    }

    /// The one in a file, without white space around it.
    ///
    /// # Errors
    /// The file cannot be read, is empty, or holds what no header may.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("read the secret in {}", file.display()))?;
        let secret = text.trim();
        let usable = !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic());
        anyhow::ensure!(
            usable,
            "{} holds no secret: expected visible ASCII letters, no spaces",
            file.display()
        );
        Ok(Secret(secret.into()))
    }

    /// As it stands in a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As `Authorization` has it.
    ///
    /// # Errors
    /// Never for a secret that was made or read here.
    pub fn bearer(&self) -> Result<HeaderValue, header::InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Does the request know it? Takes as long for a wrong one that is nearly right.
    fn known_by(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return false };
        // The scheme's case does not matter (RFC 9110 §11.1).
        let (scheme, secret) = value.as_bytes().split_at_checked(7).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(secret.ct_eq(self.0.as_bytes()))
    }
}

/// Refuses what a web page may have sent, whatever it is.
///
/// # Errors
/// The response: 421 when `Host` is a name (RFC 9110 §15.5.20), 403 when another site's page sends it.
pub fn refuse_pages(headers: &HeaderMap) -> Result<(), Box<Response<Body>>> {
    let refused = |status, why: &str| Err(Box::new(text(status, format!("{why}\n"))));
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    if !host.is_none_or(is_an_address) {
        return refused(
            StatusCode::MISDIRECTED_REQUEST,
            "Host must be an IP address or localhost: a name may have been bent",
        );
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let own = host.is_some_and(|host| origin.as_bytes() == format!("http://{host}").as_bytes());
    if own {
        Ok(())
    } else {
        refused(StatusCode::FORBIDDEN, "Origin is another site: pages have no business here")
    }
}

/// An address, or the one name that never leaves the machine (RFC 6761 §6.3); with a port or without.
fn is_an_address(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let ipv6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let ip = ipv6.map_or_else(|| name.parse::<IpAddr>().is_ok(), |ip| ip.parse::<Ipv6Addr>().is_ok());
    !authority.as_str().contains('@') && (ip || name.eq_ignore_ascii_case("localhost"))
}

/// Refuses who does not know the secret; without one, nobody does.
///
/// # Errors
/// The response: 401 (RFC 6750 §3), or 403 when there is nothing to know.
pub(super) fn refuse_strangers(
    secret: Option<&Secret>,
    headers: &HeaderMap,
) -> Result<(), Box<Response<Body>>> {
    let Some(secret) = secret else {
        let why =
            "this program was started without a secret (ADMIN_SECRET_FILE): nobody may change anything\n";
        return Err(Box::new(text(StatusCode::FORBIDDEN, why)));
    };
    if secret.known_by(headers) {
        return Ok(());
    }
    let why = "expected `Authorization: Bearer SECRET`; under the lab the secret is in the file `secret` of its folder\n";
    let mut refusal = text(StatusCode::UNAUTHORIZED, why);
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Err(Box::new(refusal))
}

#[cfg(test)]
mod tests;
