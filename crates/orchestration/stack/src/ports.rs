//! Are the ports free? Found out before anything starts, with the name of who holds them.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use plan::{Hop, Plan};

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

/// Who holds an address, as far as /proc tells this user: `nginx (pid 123)`.
fn holder(protocol: &str, address: SocketAddr) -> Option<String> {
    let table = std::fs::read_to_string(Path::new("/proc/net").join(protocol)).ok()?;
    let inode = table.lines().skip(1).find_map(|line| held(line, protocol, address))?;
    let link = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| {
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files
            .into_iter()
            .any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link.as_str()))
    })
    .map(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("{} (pid {pid})", name.trim())
    })
}

/// The inode of a socket in /proc/net/{tcp,udp} that is bound to the address and, for TCP, listens.
fn held(line: &str, protocol: &str, wanted: SocketAddr) -> Option<u64> {
    let mut fields = line.split_whitespace().skip(1);
    let (ip, port) = fields.next()?.split_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    // The address is one number in the machine's byte order.
    let ip = IpAddr::from(u32::from_str_radix(ip, 16).ok()?.to_ne_bytes());
    let port = u16::from_str_radix(port, 16).ok()?;
    let listens = protocol != "tcp" || state == "0A";
    (listens && port == wanted.port() && (ip == wanted.ip() || ip.is_unspecified())).then_some(inode)
}

#[cfg(test)]
mod tests;
