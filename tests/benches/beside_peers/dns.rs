//! `dns` beside Knot and NSD: zones of three sizes, names that exist and names that do not.

use std::fmt::Write as _;
use std::path::Path;

use lab::binaries::Binaries;
use lab::plan::Role;

use super::peer::Peer;
use super::queries::Names;
use super::rounds;

pub(crate) async fn run() -> anyhow::Result<String> {
    let programs = Binaries::ensure(&[Role::Dns].into(), true).await?;
    let mut table = rounds::HEAD.to_owned();
    for (count, size) in [(10, "10 names"), (10_000, "10⁴ names"), (1_000_000, "10⁶ names")] {
        let folder = tempfile::tempdir()?;
        let names = Names { count, exist: true };
        std::fs::write(folder.path().join("bench.zone"), names.zone())?;
        let ours = self::ours(&programs.path(Role::Dns), folder.path(), names).await?;
        let peers = [ours, knot(folder.path(), names).await?, nsd(folder.path(), names).await?];
        table += &rounds::compare(size, &peers, names).await?;
        let absent = Names { exist: false, ..names };
        table += &rounds::compare(&format!("{size}, NXDOMAIN"), &peers, absent).await?;
    }
    Ok(table)
}

/// `dns` with `bench.zone` of the folder.
pub(crate) async fn ours(program: &Path, folder: &Path, names: Names) -> anyhow::Result<Peer> {
    let address = hop::listen::own_loopback();
    let arguments = ["--listen", &address.to_string(), "--zone", "bench.test.=bench.zone"].map(str::to_owned);
    Peer::start("dns", program, &arguments, address, folder, names).await
}

/// With the number of workers that it chooses itself: one for each core.
async fn knot(folder: &Path, names: Names) -> anyhow::Result<Peer> {
    let (address, at) = (hop::listen::own_loopback(), folder.display());
    std::fs::create_dir_all(folder.join("knot"))?;
    let config = format!(
        "server:\n  rundir: \"{at}/knot\"\n  listen: {}@{}\nlog:\n  - target: stderr\n    any: warning\n\
         database:\n  storage: \"{at}/knot\"\nzone:\n  - domain: bench.test\n    storage: \"{at}\"\n    \
         file: bench.zone\n    journal-content: none\n    zonefile-sync: -1\n",
        address.ip(),
        address.port()
    );
    std::fs::write(folder.join("knot.conf"), config)?;
    let arguments = ["-c", "knot.conf"].map(str::to_owned);
    Peer::start("knot", Path::new("knotd"), &arguments, address, folder, names).await
}

/// With one server process, as Debian sets it up; it answers whoever asks as fast as it can.
async fn nsd(folder: &Path, names: Names) -> anyhow::Result<Peer> {
    let (address, at) = (hop::listen::own_loopback(), folder.display());
    let mut config = String::new();
    let _ = write!(
        config,
        "server:\n ip-address: {}\n port: {}\n username: \"\"\n chroot: \"\"\n zonesdir: \"{at}\"\n pidfile: \"\"\n \
         database: \"\"\n xfrdfile: \"\"\n xfrdir: \"{at}\"\n zonelistfile: \"{at}/nsd.list\"\n logfile: \"{at}/nsd.log\"\n \
         server-count: 1\n rrl-ratelimit: 0\nremote-control:\n control-enable: no\n\
         zone:\n name: bench.test\n zonefile: bench.zone\n",
        address.ip(),
        address.port()
    );
    std::fs::write(folder.join("nsd.conf"), config)?;
    let arguments = ["-d", "-c", "nsd.conf"].map(str::to_owned);
    Peer::start("nsd", Path::new("nsd"), &arguments, address, folder, names).await
}
