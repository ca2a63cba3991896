//! Starting a store and a real redis-server, each on a loopback address of its own, with nothing in common.
#![allow(dead_code, reason = "the benchmark and `scaling` use a part of it")]

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::client::{Client, Reply};

/// A running server; dropping it ends it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    /// Its files.
    _folder: Option<TempDir>,
}

impl Server {
    /// The store under test, with more arguments.
    pub(crate) async fn store(more: &[&str]) -> Self {
        let (_, folder) = place();
        let data = folder.path().to_owned();
        let mut server = Self::store_on(&data, more).await;
        server._folder = Some(folder);
        server
    }

    /// The store on a folder that outlives it.
    pub(crate) async fn store_on(data: &Path, more: &[&str]) -> Self {
        let (address, _) = place();
        let mut command = Command::new(env!("CARGO_BIN_EXE_store"));
        command.args(["--listen", &address.to_string(), "--data-dir"]).arg(data).args(more);
        Self::start("store", command, address, None).await
    }

    /// The real one, with its default settings but for those given.
    ///
    /// # Panics
    /// There is no redis-server on this machine: a comparison with nothing must not look like a pass.
    pub(crate) async fn redis(more: &[&str]) -> Self {
        let (_, folder) = place();
        let data = folder.path().to_owned();
        let mut server = Self::redis_on(&data, more).await;
        server._folder = Some(folder);
        server
    }

    /// [`Server::redis`] on a folder that outlives it.
    pub(crate) async fn redis_on(data: &Path, more: &[&str]) -> Self {
        let (address, _) = place();
        let mut command = Command::new("redis-server");
        command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.args(["--daemonize", "no", "--dir"]).arg(data).args(more);
        Self::start("redis-server", command, address, None).await
    }

    async fn start(name: &str, mut command: Command, address: SocketAddr, folder: Option<TempDir>) -> Self {
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = started.unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => panic!(
                "{name} is not installed, so nothing was compared: install it (Debian, Ubuntu: \
                 `apt-get install redis-server`; macOS: `brew install redis`)"
            ),
            _ => panic!("start {name}: {error}"),
        });
        let server = Self { address, child, _folder: folder };
        // A server that listens may still be loading.
        let pong = Reply::Line('+', "PONG".into());
        let listens = async || (Client::connect(address).ok()?.say("ping").ok()? == pong).then_some(());
        hop::wait::until(format!("{name} on {address}"), Duration::from_secs(20), listens)
            .await
            .expect("it starts");
        server
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`: it gets no chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address and an empty folder that nobody else has.
fn place() -> (SocketAddr, TempDir) {
    (hop::listen::own_loopback(), tempfile::tempdir().expect("a folder"))
}
