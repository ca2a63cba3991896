//! Where name servers are: in the networks that are ours, or nowhere.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

/// RFC 1122 §3.2.1.3, RFC 4291 §2.5.3.
const LOOPBACK: [IpNet; 2] = [
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// Where name servers are, and from where they are queried.
#[derive(Clone, Debug)]
pub struct ServerMap {
    /// The port they all share: a referral says addresses only.
    port: u16,
    /// Where single ones really are, for machines that have only one loopback address.
    moved: Arc<HashMap<IpAddr, SocketAddr>>,
    /// Our own address, so that a name server sees who queries it.
    own: IpAddr,
    /// Nobody outside is queried.
    networks: Arc<[IpNet]>,
}

impl ServerMap {
    /// Name servers that listen on `port` of loopback addresses that their zones give; they are queried from `own`.
    pub fn new(port: u16, own: IpAddr) -> Self {
        ServerMap { port, moved: Arc::default(), own, networks: Arc::new(LOOPBACK) }
    }

    /// The same, but each of these addresses stands for a socket elsewhere.
    pub fn moved(self, moved: impl IntoIterator<Item = (IpAddr, SocketAddr)>) -> Self {
        ServerMap { moved: Arc::new(moved.into_iter().collect()), ..self }
    }

    /// The same, but those of these networks are queried instead of loopback's.
    pub fn within(self, networks: &[IpNet]) -> Self {
        ServerMap { networks: networks.into(), ..self }
    }

    /// Where the name server with this address listens.
    ///
    /// # Errors
    /// It is not on this machine.
    pub fn locate(&self, address: IpAddr) -> Result<SocketAddr, String> {
        let server = self.moved.get(&address).copied().unwrap_or(SocketAddr::new(address, self.port));
        match self.networks.iter().any(|network| network.contains(&server.ip())) {
            true => Ok(server),
            false => Err(format!(
                "name server {address}: not on this machine, and this resolver queries nobody else"
            )),
        }
    }

    /// Our end of a query to `server`: our address, and a port that the kernel picks at random, so that a
    /// response is hard to forge (RFC 5452 §9.2).
    pub fn own_end(&self, server: SocketAddr) -> SocketAddr {
        let own = match server.ip() {
            _ if self.own.is_ipv4() == server.is_ipv4() => self.own,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        SocketAddr::new(own, 0)
    }
}
