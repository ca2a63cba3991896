//! What a browser has to be told before it can send anything.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A version of HTTP that the browser speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// RFC 9112.
    Http11,
    /// RFC 9113.
    #[default]
    Http2,
}

/// Where requests go, and whom the browser believes on the way.
#[derive(Clone, Debug)]
pub struct Config {
    /// The caching resolver that the stub queries.
    pub resolver: SocketAddr,
    /// The host in the URL, such as `api.myshop.com`.
    pub host: String,
    /// The port in the URL.
    pub port: u16,
    /// The certificate authority that is trusted, and no other (a PEM file).
    pub ca: PathBuf,
    /// The bearer token of every request, if there is one.
    pub token: Option<String>,
    /// Which version of HTTP is offered in the handshake; there is no falling back to another.
    pub http: HttpVersion,
    /// Where programs are known to listen, so that an error can name an address that DNS gives and nobody has; empty
    /// where that is not known.
    pub known: Vec<SocketAddr>,
}

impl HttpVersion {
    /// Its name in ALPN (RFC 7301 §6).
    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            HttpVersion::Http11 => b"http/1.1",
            HttpVersion::Http2 => b"h2",
        }
    }
}

impl Config {
    /// Where the host is by DNS, for the error of a connection that was not made.
    pub(crate) fn resolved_to(&self, address: SocketAddr) -> String {
        let host = &self.host;
        if self.known.is_empty() || self.known.contains(&address) {
            return format!("{host} is {address}");
        }
        format!(
            "{host} is {address} by DNS, but no hop of this lab listens there: \
             give the lb that address in lab.toml, or change the A record in its zone file"
        )
    }
}
