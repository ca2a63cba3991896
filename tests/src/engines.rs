//! Real engines, each with an address and a folder of its own, and with the settings that make what they
//! acknowledge durable: redis-server, PostgreSQL, Apache Kafka; and the lab's own event log, started by hand.
//!
//! One file without neighbours, so that suites of other crates can include it.
#![allow(dead_code, unreachable_pub, reason = "other suites include this file and use a part of it")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// How long a first start may take on a slow machine, with jars to be fetched; the usual is seconds.
const START: Duration = Duration::from_secs(400);
/// Starts an Apache Kafka: `run IP PORT DATA_DIR`, relative to the workspace.
const KAFKA: &str = "recipes/events/kafka/run";
/// The user `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// A running engine. Dropping it ends it as [`Engine::crash`] does.
pub struct Engine {
    name: &'static str,
    address: SocketAddr,
    url: String,
    /// The signal that ends it without a farewell.
    crash: &'static str,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    answers: fn(SocketAddr) -> bool,
    process: Option<Child>,
    folder: TempDir,
}

impl Engine {
    /// A `redis-server` that syncs its append-only file before it answers.
    ///
    /// # Errors
    /// It can't be had here; the text says why.
    pub async fn redis() -> Result<Self, String> {
        let (address, folder) = (hop::listen::own_loopback(), folder()?);
        let path = folder.path().to_owned();
        let command = move || {
            let mut command = Command::new("redis-server");
            command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
            command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
            command.arg("--dir").arg(&path);
            command
        };
        let url = format!("redis://{address}");
        let answers = |address| talk(address, b"PING\r\n").is_ok_and(|said| said.starts_with(b"+PONG"));
        Self::start(
            "redis-server",
            "apt-get install redis-server",
            url,
            "KILL",
            command,
            answers,
            address,
            folder,
        )
        .await
    }

    /// A PostgreSQL with its defaults, which are durable: `fsync` and `synchronous_commit` are on.
    ///
    /// # Errors
    /// As [`Engine::redis`].
    pub async fn postgres() -> Result<Self, String> {
        const INSTALL: &str = "apt-get install postgresql (Debian), brew install postgresql (macOS)";
        let (address, folder) = (hop::listen::own_loopback(), folder()?);
        let programs = postgres_programs().ok_or_else(|| format!("PostgreSQL is missing: {INSTALL}"))?;
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
        if is_root {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).map_err(|error| format!("chown: {error}"))?;
        }
        let path = folder.path().to_owned();
        let program = move |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.arg("-D").arg(path.join("data")).current_dir(&path);
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let made = program("initdb")
            .args(["--username=shop", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .output()
            .map_err(|error| format!("start initdb: {error}"))?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let path = folder.path().to_owned();
        let command = move || {
            let mut command = program("postgres");
            command
                .args(["-h", &address.ip().to_string(), "-p", &address.port().to_string(), "-k"])
                .arg(&path);
            command
        };
        let url = format!("postgres://shop@{address}/postgres");
        // An SSLRequest (PostgreSQL's documentation, "Message Formats") is answered once connections are taken.
        let answers = |address| talk(address, &[0, 0, 0, 8, 4, 210, 22, 47]).is_ok_and(|said| said == b"N");
        // SIGQUIT is PostgreSQL's "immediate shutdown": no checkpoint, no farewell, recovery at the next start.
        // With SIGKILL its children would live on for a moment and keep the next one from starting.
        Self::start("postgres", INSTALL, url, "QUIT", command, answers, address, folder).await
    }

    /// An Apache Kafka in KRaft mode that flushes each batch before it acknowledges, by the lab's own recipe.
    ///
    /// # Errors
    /// As [`Engine::redis`].
    pub async fn kafka(workspace: &Path) -> Result<Self, String> {
        let (address, folder) = (hop::listen::own_loopback(), folder()?);
        let (script, data) = (workspace.join(KAFKA), folder.path().join("data"));
        // As the lab does, so that both fetch the jars once.
        let downloads = workspace.join("target/downloads");
        let controller = hop::listen::own_loopback().port().to_string();
        let command = move || {
            let mut command = Command::new(&script);
            command.args([address.ip().to_string(), address.port().to_string()]).arg(&data);
            command.env("CONTROLLER_PORT", &controller);
            if std::env::var_os("DOWNLOADS").is_none() {
                command.env("DOWNLOADS", &downloads);
            }
            command
        };
        let url = format!("kafka://{address}");
        Self::start(
            "kafka",
            "apt-get install default-jre-headless maven",
            url,
            "KILL",
            command,
            listens,
            address,
            folder,
        )
        .await
    }

    /// The lab's own event log, as it runs without the lab.
    ///
    /// # Errors
    /// As [`Engine::redis`].
    pub async fn events(program: &Path) -> Result<Self, String> {
        let (address, folder) = (hop::listen::own_loopback(), folder()?);
        let (program, data) = (program.to_owned(), folder.path().join("data"));
        let command = move || {
            let mut command = Command::new(&program);
            command.env("LISTEN", address.to_string()).env("DATA_DIR", &data).env("RUST_LOG", "warn");
            command.env_remove("OTEL_EXPORTER_OTLP_ENDPOINT").env_remove("ADMIN").env_remove("ADVERTISED");
            command
        };
        let url = format!("kafka://{address}");
        Self::start("events", "cargo build -p events", url, "KILL", command, listens, address, folder).await
    }

    #[allow(clippy::too_many_arguments, reason = "called by the four above, one line each")]
    async fn start(
        name: &'static str,
        install: &str,
        url: String,
        crash: &'static str,
        command: impl Fn() -> Command + Send + Sync + 'static,
        answers: fn(SocketAddr) -> bool,
        address: SocketAddr,
        folder: TempDir,
    ) -> Result<Self, String> {
        let command = Box::new(command);
        let mut engine = Engine { name, address, url, crash, command, answers, process: None, folder };
        match engine.run().await {
            Ok(()) => Ok(engine),
            Err(error) => Err(format!("{error}\n  what to do: {install}")),
        }
    }

    /// Starts it (again) and waits until it answers.
    ///
    /// # Errors
    /// It ends, or does not answer; the error has its last lines.
    pub async fn run(&mut self) -> Result<(), String> {
        let path = self.folder.path().join("said");
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|error| format!("open {}: {error}", path.display()))?;
        let mut command = (self.command)();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().map_err(|error| format!("start {}: {error}", self.name))?;
        let process = self.process.insert(process);
        let (address, answers) = (self.address, self.answers);
        let answered =
            hop::wait::until(format!("{} to answer", self.name), START, async || match process.try_wait() {
                Ok(None) => answers(address).then_some(Ok(())),
                ended => Some(Err(format!("it ended: {ended:?}"))),
            });
        answered.await.map_err(|error| error.to_string()).flatten().map_err(|error| {
            let said = std::fs::read_to_string(&path).unwrap_or_default();
            let from = said.lines().count().saturating_sub(20);
            let end: Vec<&str> = said.lines().skip(from).collect();
            format!("{}: {error}\n{}", self.name, end.join("\n"))
        })
    }

    /// Ends it at once, without a farewell, and returns when it is gone.
    pub fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ =
                Command::new("kill").args([&format!("-{}", self.crash), &process.id().to_string()]).status();
            let _ = process.wait();
        }
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As lab.toml names it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Says on stderr that a test did not run, and why. On a build machine that is a failure: there it
/// should have.
///
/// # Panics
/// The environment has `CI`.
pub fn did_not_run(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} did not run, and CI is set: {why}");
    // Not by eprintln, which the test runner keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test}: {why}");
}

fn folder() -> Result<TempDir, String> {
    tempfile::tempdir().map_err(|error| format!("make a folder: {error}"))
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

/// The beginning of the answer to some bytes.
fn talk(address: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(bytes)?;
    let mut buffer = [0; 64];
    let length = stream.read(&mut buffer)?;
    Ok(buffer[..length].to_vec())
}

/// The folder with `postgres` and `initdb`, of the newest version there is.
fn postgres_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = found.into_iter().rev().map(|(_, path)| path).chain(std::env::split_paths(&path));
    let complete = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
    candidates.into_iter().find(complete)
}
