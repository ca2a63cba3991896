//! A running program, and what it has used of the processor.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tests::usage;
use tokio::net::UdpSocket;

use super::queries::Names;

const LIMIT: Duration = Duration::from_secs(120);

/// It ends with this value.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    child: Child,
    output: PathBuf,
}

impl Drop for Peer {
    fn drop(&mut self) {
        for pid in descendants(self.child.id()).into_iter().rev() {
            // A server's own processes end with it, but not at once; what they hold is the next one's to bind.
            let _ = rustix::process::Pid::from_raw(pid as i32)
                .map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        }
        drop(self.child.wait());
    }
}

impl Peer {
    /// Starts it; `package` of Debian has it.
    pub(crate) fn spawn(
        name: &'static str,
        (program, package): (&Path, &str),
        arguments: &[String],
        address: SocketAddr,
        folder: &Path,
    ) -> anyhow::Result<Peer> {
        let output = folder.join(format!("{name}.out"));
        let file = std::fs::File::create(&output)?;
        // Debian keeps daemons where only root's PATH leads.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| {
                format!("start {}\n  what to do: apt-get install {package}", program.display())
            })?;
        Ok(Peer { name, address, child, output })
    }

    /// Starts a name server or a resolver and waits until it answers the first of `names`.
    pub(crate) async fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        address: SocketAddr,
        folder: &Path,
        names: Names,
    ) -> anyhow::Result<Peer> {
        let peer = Self::spawn(name, (program, name), arguments, address, folder)?;
        let probe = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).await?;
        peer.answers(async || {
            let mut query = Vec::new();
            names.write_query(&mut query, 0, 0);
            probe.send_to(&query, address).await.ok()?;
            let mut buffer = [0; 4096];
            let received = tokio::time::timeout(Duration::from_millis(200), probe.recv(&mut buffer)).await;
            received.ok()?.ok().filter(|length| names.is_answer(&buffer[..*length])).map(|_| ())
        })
        .await?;
        Ok(peer)
    }

    /// Waits until `look` has an answer.
    pub(crate) async fn answers(&self, look: impl AsyncFnMut() -> Option<()>) -> anyhow::Result<()> {
        let failed = || {
            let said = std::fs::read_to_string(&self.output).unwrap_or_default();
            format!("{} does not answer:\n{said}", self.name)
        };
        hop::wait::until("an answer", LIMIT, look).await.with_context(failed)
    }

    /// Microseconds of processor time that it and its processes have used.
    pub(crate) fn cpu_micros(&self) -> f64 {
        descendants(self.child.id()).into_iter().map(usage::cpu_micros).sum()
    }

    /// Mebibytes of memory that it and its processes have resident, shared pages counted once for each.
    pub(crate) fn resident_mebibytes(&self) -> f64 {
        let resident = |pid| usage::mebibytes(pid, "VmRSS");
        descendants(self.child.id()).into_iter().filter_map(resident).sum()
    }
}

/// A process and all below it.
fn descendants(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let below = children.split_whitespace().filter_map(|child| child.parse().ok()).flat_map(descendants);
    std::iter::once(pid).chain(below).collect()
}
