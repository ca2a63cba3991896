//! Are the ports free? Found out before anything starts, with the name of who holds them.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use plan::{Hop, Plan};

use crate::listeners;

/// So many taken addresses are listed.
const SHOWN: usize = 5;
/// How long taken ports may take to become free.
const PATIENCE: Duration = Duration::from_millis(500);

/// Refuses to start when a port is taken, and says by whom.
pub(crate) async fn check(plan: &Plan) -> anyhow::Result<()> {
    // Programs that were just killed give their ports back a moment later.
    let freed = hop::wait::until("free ports", PATIENCE, async || are_free(plan).then_some(()));
    if freed.await.is_ok() {
        return Ok(());
    }
    let taken = taken(plan);
    let mut list: Vec<String> = taken.iter().take(SHOWN).map(|taken| format!("  {taken}")).collect();
    if taken.len() > SHOWN {
        list.push(format!("  and {} more; `lab doctor` lists all", taken.len() - SHOWN));
    }
    anyhow::bail!(
        "addresses that cannot be used:\n{}\n  what to do: stop those programs, or move every port of this lab: --set network.port_offset=100",
        list.join("\n")
    )
}

/// Can every address of the plan be bound?
pub fn are_free(plan: &Plan) -> bool {
    binds(plan).all(|(_, _, address, udp)| refusal(address, udp).is_none())
}

/// Every address of the plan that somebody else holds.
pub fn taken(plan: &Plan) -> Vec<Taken> {
    binds(plan).filter_map(|(hop, key, address, udp)| refused(&hop.name, key, address, udp)).collect()
}

/// Every address that a program of the plan binds: whose, its key, and whether on UDP, too.
fn binds(plan: &Plan) -> impl Iterator<Item = (&Hop, &'static str, SocketAddr, bool)> {
    plan.hops().flat_map(|(_, hop)| {
        let speaks_dns = hop.role().speaks_dns();
        hop.binds().into_iter().map(move |(key, at)| (hop, key, at, speaks_dns && key == "listen"))
    })
}

/// A port that somebody else holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The hop that needs it.
    pub hop: String,
    /// The key in lab.toml.
    pub key: &'static str,
    /// With the offset of all ports.
    pub address: SocketAddr,
    /// What the kernel said.
    pub error: String,
    /// Who holds it, if that can be told.
    pub holder: Option<String>,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hop.{}.{} = {}: {}", self.hop, self.key, self.address, self.error)?;
        match &self.holder {
            Some(holder) => write!(f, ", by {holder}"),
            None => Ok(()),
        }
    }
}

/// Why a program could not bind this address, and because of whom.
fn refused(hop: &str, key: &'static str, address: SocketAddr, udp: bool) -> Option<Taken> {
    let (protocol, error) = refusal(address, udp)?;
    let error = match error.kind() {
        io::ErrorKind::AddrInUse => format!("taken ({protocol})"),
        _ => format!("{error} ({protocol})"),
    };
    Some(Taken { hop: hop.to_owned(), key, address, error, holder: holder(protocol, address) })
}

fn refusal(address: SocketAddr, udp: bool) -> Option<(&'static str, io::Error)> {
    if let Err(error) = TcpListener::bind(address) {
        return Some(("tcp", error));
    }
    UdpSocket::bind(address).err().filter(|_| udp).map(|error| ("udp", error))
}

/// Who holds an address, as far as can be told: `nginx (pid 123)`.
fn holder(protocol: &str, address: SocketAddr) -> Option<String> {
    let pid = listeners::holder(protocol, address)?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{} (pid {pid})", name.trim()))
}

#[cfg(test)]
mod tests;
