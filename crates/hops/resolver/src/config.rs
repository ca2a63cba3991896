//! What a resolver is told: where to listen, where the root is, and how name servers are reached.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use recursion::ServerMap;

/// A caching recursive resolver: finds names from the root down, and remembers them.
///
/// Queries name servers on loopback only. On the admin endpoint, POST /flush empties the cache.
#[derive(clap::Parser, Clone, Debug)]
#[command(version)]
pub struct Settings {
    /// Where to answer, on UDP and on TCP
    #[arg(long, env = "LISTEN", value_name = "IP:PORT", default_value = "127.0.53.53:5300")]
    pub listen: SocketAddr,

    /// The addresses of the root's name servers
    #[arg(long, env = "ROOTS", value_name = "IP,…", value_delimiter = ',', default_value = "127.0.53.1")]
    pub roots: Vec<IpAddr>,

    /// The port of every name server: a referral tells addresses only
    #[arg(long, env = "NAME_SERVER_PORT", value_name = "PORT", default_value_t = 5300)]
    pub name_server_port: u16,

    /// Where single name servers really are, such as "127.0.53.1=127.0.0.1:5301", for machines with one loopback address
    #[arg(long, env = "NAME_SERVER_MAP", value_name = "IP=IP:PORT,…", value_delimiter = ',')]
    pub name_server_map: Vec<Moved>,

    /// Where to answer DNS over HTTPS (path /dns-query); off unless a certificate is given
    #[arg(long, env = "DOH_LISTEN", value_name = "IP:PORT", default_value = "127.0.53.53:5443")]
    pub doh_listen: SocketAddr,

    /// The certificate chain for DNS over HTTPS (PEM)
    #[arg(long, env = "TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key (PEM)
    #[arg(long, env = "TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    #[command(flatten)]
    pub common: hop::Common,
}

impl Settings {
    /// How name servers are reached.
    pub fn servers(&self) -> ServerMap {
        let moved = self.name_server_map.iter().map(|moved| (moved.from, moved.to));
        ServerMap::new(self.name_server_port, self.listen.ip())
            .within(&self.common.local_networks)
            .moved(moved)
    }
}

/// One name server that is not at the address its zone gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The address in the zone.
    pub from: IpAddr,
    /// Where it really listens.
    pub to: SocketAddr,
}

impl FromStr for Moved {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('=')
            .and_then(|(from, to)| Some(Moved { from: from.parse().ok()?, to: to.parse().ok()? }))
            .ok_or_else(|| format!("{text:?}: expected IP=IP:PORT, such as 127.0.53.1=127.0.0.1:5301"))
    }
}
