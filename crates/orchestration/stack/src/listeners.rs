//! Who listens where, as far as /proc tells this user.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// A bound socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    address: SocketAddr,
    inode: u64,
}

/// The process that holds an address.
pub(crate) fn holder(protocol: &str, address: SocketAddr) -> Option<u32> {
    let holds = |bound: &Bound| {
        let ip = bound.address.ip();
        bound.address.port() == address.port() && (ip == address.ip() || ip.is_unspecified())
    };
    let inode = table("self", protocol).into_iter().find(holds)?.inode;
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| sockets(*pid).contains(&inode))
}

/// Where these processes accept connections.
pub(crate) fn of(pids: impl IntoIterator<Item = u32>) -> Vec<SocketAddr> {
    let pids: Vec<u32> = pids.into_iter().collect();
    let sockets: HashSet<u64> = pids.iter().copied().flat_map(sockets).collect();
    // A process sees the sockets of its own network; processes that belong together have the same.
    let process = pids.first().map_or("self".to_owned(), u32::to_string);
    let bound = ["tcp", "tcp6"].into_iter().flat_map(|protocol| table(&process, protocol));
    let mut listens: Vec<SocketAddr> =
        bound.filter(|bound| sockets.contains(&bound.inode)).map(|bound| bound.address).collect();
    listens.sort_unstable();
    listens.dedup();
    listens
}

/// The inodes of a process's sockets.
fn sockets(pid: u32) -> Vec<u64> {
    let inode = |link: PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| inode(std::fs::read_link(file.path()).ok()?)).collect()
}

/// The sockets of /proc/PROCESS/net/{tcp,tcp6,udp} that others cannot bind over: of TCP those that listen.
fn table(process: &str, protocol: &str) -> Vec<Bound> {
    let file = Path::new("/proc").join(process).join("net").join(protocol);
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().skip(1).filter_map(|line| bound(line, protocol != "udp")).collect()
}

fn bound(line: &str, must_listen: bool) -> Option<Bound> {
    let mut fields = line.split_whitespace().skip(1);
    let (ip, port) = fields.next()?.split_once(':')?;
    let listens = fields.nth(1)? == "0A";
    let inode = fields.nth(5)?.parse().ok()?;
    // Each 32 bits are one number in the machine's byte order.
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        _ => {
            let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical()
        }
    };
    let address = SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?);
    (listens || !must_listen).then_some(Bound { address, inode })
}

#[cfg(test)]
mod tests;
