//! A real Apache Kafka, for tests and benchmarks: fetched once with Maven, started on free ports.
//!
//! The recipe with which the lab starts one (`recipes/events/kafka`) does it, and says what is missing; it also
//! runs Kafka by hand: `recipes/events/kafka/run 127.0.0.1 9092 /tmp/kafka`.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "shared by several binaries")]

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A first start on a slow machine, with the jars to be fetched; the usual is three seconds.
const START: Duration = Duration::from_secs(400);

/// A running broker. Dropping it is `kill -9`.
pub struct Kafka {
    pub address: SocketAddr,
    pub process: Child,
    _data: TempDir,
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Kafka {
    /// Starts one and waits until it listens. The error says what is missing and how to get it.
    pub async fn start() -> Result<Self, String> {
        let data = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let log = data.path().join("said");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../recipes/events/kafka/run");
        let mut command = Command::new(&script);
        command.args([address.ip().to_string(), address.port().to_string()]).arg(data.path());
        command.env("CONTROLLER_PORT", free_port().to_string()).stdin(Stdio::null());
        if std::env::var_os("DOWNLOADS").is_none() {
            // As the lab does, so that both fetch the jars once.
            command.env("DOWNLOADS", concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target/downloads"));
        }
        command.stderr(File::create(&log).expect("a file for its log"));
        let process = command.spawn().map_err(|error| format!("start {}: {error}", script.display()))?;
        let mut kafka = Kafka { address, process, _data: data };
        let listens = hop::wait::until("Kafka to listen", START, async || match kafka.process.try_wait() {
            Ok(None) => TcpStream::connect(address).ok().map(|_| true),
            _ended => Some(false),
        });
        match listens.await {
            Ok(true) => Ok(kafka),
            Ok(false) => Err(format!("Kafka ended while starting\n{}", end_of(&log))),
            Err(error) => Err(format!("{error}\n{}", end_of(&log))),
        }
    }
}

/// Says on stderr that a test did not run, and why. On a build machine that is a failure: there it
/// should have.
pub fn did_not_run(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} did not run, and CI is set: {why}");
    // Not by eprintln, which the test runner keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test}: {why}");
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let from = text.lines().count().saturating_sub(20);
    text.lines().skip(from).collect::<Vec<_>>().join("\n")
}
