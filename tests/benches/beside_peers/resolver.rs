//! `resolver` beside Unbound: names that both have in their caches.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use lab::binaries::Binaries;
use lab::plan::Role;

use super::peer::Peer;
use super::queries::{self, Names};
use super::{dns, rounds};

/// Enough for each name to be asked for, and for what the rounds ask to be in the caches.
const FILLING: Duration = Duration::from_secs(3);

pub(crate) async fn run() -> anyhow::Result<String> {
    let programs = Binaries::ensure(&[Role::Dns, Role::Resolver].into(), true).await?;
    let mut table = rounds::HEAD.to_owned();
    for (count, size) in [(10, "10 names"), (10_000, "10⁴ names")] {
        let folder = tempfile::tempdir()?;
        let names = Names { count, exist: true };
        std::fs::write(folder.path().join("bench.zone"), names.zone())?;
        let server = dns::ours(&programs.path(Role::Dns), folder.path(), names).await?;
        let resolver = ours(&programs.path(Role::Resolver), server.address, folder.path(), names).await?;
        let peers = [resolver, unbound(server.address, folder.path(), names).await?];
        for peer in &peers {
            queries::load(peer.address, names, FILLING).await?;
        }
        table += &rounds::compare(&format!("{size}, cached"), &peers, names).await?;
    }
    Ok(table)
}

/// The one name server answers for the root as well: the names below it are all it is asked for.
async fn ours(program: &Path, root: SocketAddr, folder: &Path, names: Names) -> anyhow::Result<Peer> {
    let address = hop::listen::own_loopback();
    let (roots, port) = (root.ip().to_string(), root.port().to_string());
    let listen = address.to_string();
    let arguments = ["--listen", &listen, "--roots", &roots, "--name-server-port", &port].map(str::to_owned);
    Peer::start("resolver", program, &arguments, address, folder, names).await
}

/// With one thread, its default.
async fn unbound(root: SocketAddr, folder: &Path, names: Names) -> anyhow::Result<Peer> {
    let (address, at) = (hop::listen::own_loopback(), folder.display());
    let config = format!(
        "server:\n interface: {}@{}\n username: \"\"\n chroot: \"\"\n directory: \"{at}\"\n pidfile: \"\"\n \
         use-syslog: no\n do-not-query-localhost: no\n access-control: 127.0.0.0/8 allow\n \
         local-zone: \"test.\" nodefault\n module-config: \"iterator\"\nremote-control:\n control-enable: no\n\
         stub-zone:\n name: bench.test\n stub-addr: {}@{}\n",
        address.ip(),
        address.port(),
        root.ip(),
        root.port()
    );
    std::fs::write(folder.join("unbound.conf"), config)?;
    let arguments = ["-d", "-c", "unbound.conf"].map(str::to_owned);
    Peer::start("unbound", Path::new("unbound"), &arguments, address, folder, names).await
}
