//! The event log as a process of its own, as the lab runs it: settings through the environment.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "shared by several binaries")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::client::Client;

/// Nothing takes this long unless it is broken.
pub const LIMIT: Duration = Duration::from_secs(60);

/// An address that nobody else has. A port of 127.0.0.1 that was free a moment ago may be another test's by
/// now; all of 127.0.0.0/8 is loopback, so each test process takes an address of its own there.
fn own_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 77, high, low.max(1)), NEXT.fetch_add(1, Ordering::Relaxed)))
}

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
        let address = own_address();
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
