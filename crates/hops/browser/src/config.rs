//! What a browser has to be told before it can send anything.

use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// The bearer token of every request.
    pub token: String,
    /// Where programs are known to listen, so that an error can name an address that DNS gives and nobody has; empty
    /// where that is not known.
    pub known: Vec<SocketAddr>,
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
