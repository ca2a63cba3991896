//! A real Apache Kafka, for tests and benchmarks: fetched once with Maven, started on free ports.
//!
//! Needs `java` (17 or later) and `mvn`. The jars (43 MiB) are kept in the target folder; `KAFKA_LIBS`
//! names a folder that has them already. By hand, with its values filled in, it is three commands:
//!
//! ```text
//! mvn -q -B -f tests/real_kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=LIBS
//! java -cp 'LIBS/*' kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c server.properties
//! java -Xmx256m -cp 'LIBS/*' kafka.Kafka server.properties
//! ```
#![allow(dead_code, unreachable_pub, missing_docs, reason = "shared by several binaries")]

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A first start on a slow machine; the usual is three seconds.
const START: Duration = Duration::from_secs(120);

/// Names the cluster (any 16 bytes in base64 do).
const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAQ";

/// A running broker. Dropping it is `kill -9`.
pub struct Kafka {
    pub address: SocketAddr,
    pub process: Child,
    folder: TempDir,
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
        let libs = libs()?;
        let folder = tempfile::tempdir().map_err(|error| format!("make a folder: {error}"))?;
        let (port, controller) = (free_port(), free_port());
        let settings = include_str!("server.properties")
            .replace("{IP}", "127.0.0.1")
            .replace("{PORT}", &port.to_string())
            .replace("{CONTROLLER_PORT}", &controller.to_string())
            .replace("{DATA_DIR}", &folder.path().join("data").display().to_string());
        let file = folder.path().join("server.properties");
        fs::write(&file, settings).map_err(|error| format!("write {}: {error}", file.display()))?;

        let log = folder.path().join("log");
        let format = java(&libs, &log, &["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"], &file)?
            .wait()
            .map_err(|error| format!("format Kafka's storage: {error}"))?;
        if !format.success() {
            return Err(format!("format Kafka's storage: {format}\n{}", end_of(&log)));
        }
        let process = java(&libs, &log, &["kafka.Kafka"], &file)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut kafka = Kafka { address, process, folder };
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

fn java(libs: &Path, log: &Path, what: &[&str], settings: &Path) -> Result<Child, String> {
    let open = || File::options().create(true).append(true).open(log);
    let (out, err) = (open(), open());
    let mut command = Command::new("java");
    // Small and quick to start: a test's load, not a company's.
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=4"]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]).arg(libs.join("*"));
    command.args(what).arg(settings).stdin(Stdio::null());
    for (stream, set) in [
        (out, Command::stdout as fn(&mut Command, Stdio) -> &mut Command),
        (err, Command::stderr as fn(&mut Command, Stdio) -> &mut Command),
    ] {
        set(&mut command, stream.map_err(|error| format!("open {}: {error}", log.display()))?.into());
    }
    command.spawn().map_err(|error| {
        format!("start java: {error}; install a JVM of version 17 or later (apt-get install openjdk-17-jre-headless)")
    })
}

/// The folder with Kafka's jars; fetched when absent.
fn libs() -> Result<PathBuf, String> {
    if let Some(libs) = std::env::var_os("KAFKA_LIBS") {
        return Ok(libs.into());
    }
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_kafka/pom.xml");
    // Another pom, another folder.
    let text = fs::read(&pom).map_err(|error| format!("read {}: {error}", pom.display()))?;
    let libs = cache.join(format!("kafka-{:08x}", crc32c::crc32c(&text)));
    if libs.exists() {
        return Ok(libs);
    }
    // Aside first: a download that was interrupted is not taken for a whole one.
    let made = fs::create_dir_all(cache).and_then(|()| tempfile::tempdir_in(cache));
    let aside = made.map_err(|error| format!("make a folder in {}: {error}", cache.display()))?;
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", aside.path().join("libs").display()))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("start mvn: {error}; install Maven (apt-get install maven)"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return Err(format!("fetch Kafka's jars with mvn: {}\n{said}", output.status));
    }
    match fs::rename(aside.path().join("libs"), &libs) {
        // Somebody else was quicker.
        Err(_) if libs.exists() => Ok(libs),
        Err(error) => Err(format!("move Kafka's jars to {}: {error}", libs.display())),
        Ok(()) => Ok(libs),
    }
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
