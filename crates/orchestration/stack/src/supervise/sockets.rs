//! The sockets that programs of ours serve on belong to the lab, which hands them over at each start.
//!
//! While a program is away, connects wait in the kernel's queue and datagrams in the socket's buffer, and
//! the next process finds them there: a restart refuses nobody. The protocol is systemd's
//! (sd_listen_fds(3)): the sockets are the descriptors from 3 on, `LISTEN_FDS` is their number,
//! `LISTEN_FDNAMES` their names, `LISTEN_PID` the process that they are for.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use anyhow::Context as _;
use command_fds::{CommandFdExt as _, FdMapping};
use net::Namespace;
use tokio::process::Command;
use tokio::runtime::Handle;

/// SD_LISTEN_FDS_START: the first descriptor that is handed over.
const FIRST: i32 = 3;

/// `LISTEN_PID` is known only in the new process: a shell sets it, and becomes the program.
const BECOME: &str = r#"export LISTEN_PID=$$; exec "$0" "$@""#;

/// A socket that a program of ours serves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    /// The key in lab.toml that says where.
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Datagrams instead of connections.
    pub(crate) udp: bool,
}

/// Open sockets, in the order of their descriptors in the program.
#[derive(Debug)]
pub(super) struct Sockets(Vec<(Socket, OwnedFd)>);

impl Sockets {
    /// Binds them all, in the network of the program's host when it has one of its own.
    ///
    /// # Errors
    /// An address is taken, or none of this machine's.
    pub(super) fn open(wanted: &[Socket], host: Option<&Namespace>) -> anyhow::Result<Self> {
        let open = |socket: &Socket| anyhow::Ok((*socket, bind(*socket)?));
        let all = || wanted.iter().map(open).collect::<anyhow::Result<_>>();
        let Some(host) = host else { return Ok(Sockets(all()?)) };
        let runtime = Handle::current();
        let opened = host.run(|| {
            let _inside = runtime.enter();
            Ok(all())
        });
        Ok(Sockets(opened.context("enter the host's network")??))
    }

    /// The command that starts `program` with these sockets; it needs [`Self::variables`] as well.
    ///
    /// # Errors
    /// The process has no descriptors left (EMFILE).
    pub(super) fn command(&self, program: &std::path::Path) -> anyhow::Result<Command> {
        if self.0.is_empty() {
            return Ok(Command::new(program));
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", BECOME]).arg(program);
        let mapping = |(child_fd, (_, socket)): (i32, &(Socket, OwnedFd))| {
            Ok(FdMapping { parent_fd: socket.try_clone()?, child_fd })
        };
        let mappings: std::io::Result<Vec<_>> = (FIRST..).zip(&self.0).map(mapping).collect();
        command.fd_mappings(mappings.context("hand over sockets: see `ulimit -n`")?)?;
        Ok(command)
    }

    /// What the program must find in its environment.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let names: Vec<&str> = self.0.iter().map(|(socket, _)| socket.name).collect();
        vec![("LISTEN_FDS", names.len().to_string()), ("LISTEN_FDNAMES", names.join(":"))]
    }
}

fn bind(socket: Socket) -> anyhow::Result<OwnedFd> {
    if socket.udp {
        let bound = UdpSocket::bind(socket.address);
        return Ok(bound.with_context(|| format!("listen on udp {}", socket.address))?.into());
    }
    Ok(hop::listen::bind(socket.address)?.into_std()?.into())
}
