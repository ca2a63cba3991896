//! The event log as a process of its own, as the lab runs it: settings through the environment.
#![allow(dead_code, unreachable_pub, reason = "the benchmark uses a part of it")]

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::client::Client;

/// Nothing takes this long unless it is broken.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Dropping it is `kill -9`.
pub struct Events {
    pub address: SocketAddr,
    pub process: Child,
    log: NamedTempFile,
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Events {
    /// Starts it, which does not yet mean that it answers.
    pub fn start(data: &Path, settings: &[(&str, &str)]) -> Self {
        let address = hop::listen::own_loopback();
        let log = NamedTempFile::new().expect("a file for its log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_events"));
        command.env("LISTEN", address.to_string()).env("DATA_DIR", data).env("RUST_LOG", "warn");
        command.env_remove("OTEL_EXPORTER_OTLP_ENDPOINT").env_remove("ADMIN").env_remove("ADVERTISED");
        command.envs(settings.iter().copied()).stdin(Stdio::null());
        command.stderr(File::options().append(true).open(log.path()).expect("open its log"));
        let process = command.spawn().expect("start the server");
        Events { address, process, log }
    }

    pub async fn connect(&self) -> Client {
        hop::wait::until("the server to listen", LIMIT, async || Client::connect(self.address).await.ok())
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", self.said()))
    }

    /// What it wrote to its log so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log.path()).expect("read its log")
    }
}
