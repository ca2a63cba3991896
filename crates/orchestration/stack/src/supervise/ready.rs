//! Is a program ready? Probed, never guessed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hop::admin::client;
use hyper::{Method, StatusCode};
use plan::{Hop, Runs};
use tokio::net::{TcpStream, UdpSocket};

/// How long one probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// How a program's readiness is probed.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    /// Where it serves `/readyz`, if it does.
    pub(crate) admin: Option<SocketAddr>,
    /// Where it does its work.
    pub(crate) listen: SocketAddr,
    /// Is its work answering DNS queries?
    pub(crate) dns: bool,
    /// Is it one of ours? Then nothing but `/readyz` counts.
    pub(crate) own: bool,
}

impl Readiness {
    /// The probe that fits this hop.
    pub(crate) fn of(hop: &Hop) -> Self {
        let own = hop.runs == Runs::Own;
        Readiness { admin: hop.admin, listen: hop.listen, dns: hop.role().speaks_dns(), own }
    }

    /// Probes once.
    ///
    /// Our own programs say so themselves. A foreign one that answers `/readyz` is believed, too; one
    /// that does not is ready when it accepts a connection, and answers a query if it speaks DNS.
    pub(crate) async fn holds(&self) -> bool {
        match self.readyz().await {
            Some(StatusCode::OK) => true,
            Some(StatusCode::SERVICE_UNAVAILABLE) => false,
            _ if self.own => false,
            _ => connects(self.listen).await && (!self.dns || answers_dns(self.listen).await),
        }
    }

    /// What was probed in vain.
    pub(crate) fn hint(&self) -> String {
        match (self.own, self.admin) {
            (true, Some(admin)) => format!("GET http://{admin}/readyz did not answer 200"),
            _ if self.dns => format!("{} does not answer DNS questions on TCP and UDP", self.listen),
            _ => format!("{} accepts no connection (LISTEN says where)", self.listen),
        }
    }

    async fn readyz(&self) -> Option<StatusCode> {
        let reply =
            client::request(self.admin?, Method::GET, "/readyz", Default::default(), None, PROBE_TIMEOUT)
                .await;
        reply.ok().map(|reply| reply.status)
    }
}

async fn connects(address: SocketAddr) -> bool {
    matches!(tokio::time::timeout(PROBE_TIMEOUT, TcpStream::connect(address)).await, Ok(Ok(_)))
}

/// Any response to "who serves the root?" will do, also a refusal.
async fn answers_dns(server: SocketAddr) -> bool {
    // RFC 1035 §4.1: id, flags (a query), one question; then the root's name, type NS, class IN.
    const QUERY: [u8; 17] = [0x4c, 0xab, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
    let exchange = async {
        let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).await?;
        socket.connect(server).await?;
        socket.send(&QUERY).await?;
        let mut response = [0; 512];
        let length = socket.recv(&mut response).await?;
        std::io::Result::Ok(length >= 12 && response[..2] == QUERY[..2])
    };
    matches!(tokio::time::timeout(PROBE_TIMEOUT, exchange).await, Ok(Ok(true)))
}
