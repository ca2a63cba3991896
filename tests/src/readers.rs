//! Programs of others that read what the lab exports or stand in a slot, and one that knows HTTP/2 well; `.ci/readers`
//! installs them into `target/readers`.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::engines::did_not_run;
use crate::{program, programs};

/// How long a program may take to listen.
const START: Duration = Duration::from_secs(60);

/// The readers' programs and scripts.
#[derive(Debug)]
pub struct Readers {
    installed: PathBuf,
    scripts: PathBuf,
}

impl Readers {
    /// The readers, or nothing where they are not installed: the caller's test then says so, and fails on a
    /// build machine.
    ///
    /// # Errors
    /// This program is not run in the workspace.
    ///
    /// # Panics
    /// They are not installed, and the environment has `CI`.
    pub fn find(test: &str) -> anyhow::Result<Option<Readers>> {
        let needed = ["bin/python3", "perfetto/engine_bundle.js", "collector"];
        let Some(installed) = installed(test, &needed)? else { return Ok(None) };
        let readers = Readers { installed, scripts: program::root()?.join("tests/readers") };
        Ok(Some(readers))
    }

    /// Where one of the installed programs is.
    ///
    /// # Errors
    /// Its path is no text.
    pub fn program(&self, name: &str) -> anyhow::Result<String> {
        text(&self.installed.join(name)).map(str::to_owned)
    }

    /// What a Python script of `tests/readers` found in a file, with the arguments that stand before it.
    ///
    /// # Errors
    /// The script ends with an error: the reader could not read the file.
    pub async fn python(&self, script: &str, arguments: &[&str], file: &Path) -> anyhow::Result<Value> {
        let python = self.installed.join("bin/python3");
        let path = self.scripts.join(script);
        let words = [&[text(&path)?], arguments, &[text(file)?]].concat();
        let said = programs::output(text(&python)?, words).await.with_context(|| format!("read {script}"))?;
        serde_json::from_str(&said).with_context(|| format!("{script} wrote {said}"))
    }

    /// The rows that Perfetto's trace processor answers to each query about a trace.
    ///
    /// # Errors
    /// It cannot read the trace, or does not understand a query.
    pub async fn perfetto(&self, file: &Path, queries: &[&str]) -> anyhow::Result<Vec<Value>> {
        let (script, engine) = (self.scripts.join("perfetto.mjs"), self.installed.join("perfetto"));
        let words = [&[text(&script)?, text(&engine)?, text(file)?], queries].concat();
        let said = programs::output("node", words).await.context("read a trace")?;
        said.lines().map(|line| serde_json::from_str(line).with_context(|| said.clone())).collect()
    }

    /// An OpenTelemetry Collector that writes what it receives into a file; it ends when it is dropped.
    ///
    /// # Errors
    /// It does not listen in time.
    pub async fn collector(&self, log: &Path) -> anyhow::Result<Collector> {
        let address = hop::listen::own_loopback();
        let config = json!({
            "receivers": { "otlp": { "protocols": { "http": { "endpoint": address.to_string() } } } },
            "exporters": { "debug": { "verbosity": "detailed", "use_internal_logger": false } },
            "service": { "pipelines": { "traces": { "receivers": ["otlp"], "exporters": ["debug"] } } },
        });
        let out = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let mut command = Command::new(self.installed.join("collector"));
        command.arg(format!("--config=yaml:{config}")).stdin(Stdio::null());
        command.stderr(out.try_clone()?).stdout(out);
        let process = command.spawn().context("start the collector")?;
        let collector = Collector { address, process, log: log.to_owned() };
        hop::wait::until("the collector to listen", START, async || TcpStream::connect(address).ok())
            .await
            .with_context(|| collector.received())?;
        Ok(collector)
    }
}

/// Where the readers are installed, or nothing where one of `needed` is not: the test then says so, and fails on
/// a build machine.
fn installed(test: &str, needed: &[&str]) -> anyhow::Result<Option<PathBuf>> {
    let folder = program::root()?.join("target/readers");
    if let Some(missing) = needed.iter().find(|name| !folder.join(name).exists()) {
        did_not_run(test, &format!("target/readers/{missing} is not there; .ci/readers installs it"));
        return Ok(None);
    }
    Ok(Some(folder))
}

/// Programs that stand in a slot: proxies, and what a pod in Node needs.
#[derive(Debug)]
pub struct Foreign(PathBuf);

impl Foreign {
    /// As [`Readers::find`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn find(test: &str) -> anyhow::Result<Option<Foreign>> {
        let needed = ["bin/caddy", "bin/envoy", "bin/traefik", "node/node_modules"];
        Ok(installed(test, &needed)?.map(Foreign))
    }

    /// The folder in which the proxies are.
    pub fn programs(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// A PATH in which they are, before everything else.
    ///
    /// # Errors
    /// It is no text.
    pub fn path(&self) -> anyhow::Result<String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.programs()).chain(std::env::split_paths(&path));
        std::env::join_paths(folders)?.into_string().ok().context("a PATH that is text")
    }

    /// Where Node's packages are.
    ///
    /// # Errors
    /// Its path is no text.
    pub fn node_modules(&self) -> anyhow::Result<String> {
        text(&self.0.join("node/node_modules")).map(str::to_owned)
    }
}

/// h2spec, which knows what RFC 9113 and RFC 7541 demand of a server.
#[derive(Debug)]
pub struct H2spec(PathBuf);

impl H2spec {
    /// As [`Readers::find`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn find(test: &str) -> anyhow::Result<Option<H2spec>> {
        Ok(installed(test, &["h2spec"])?.map(|folder| H2spec(folder.join("h2spec"))))
    }

    /// What it finds wrong with a server that speaks HTTP/2 over TLS, and how many tests it ran.
    ///
    /// # Errors
    /// It does not run, or ends without its summary.
    pub async fn judge(&self, server: SocketAddr) -> anyhow::Result<String> {
        let (host, port) = (server.ip().to_string(), server.port().to_string());
        let words = ["--tls", "--insecure", "--timeout", "10", "--host", &host, "--port", &port];
        let said = programs::run(text(&self.0)?, words).await?;
        let lines: Vec<&str> = said.stdout.lines().collect();
        let found = lines.iter().rposition(|line| line.starts_with("Failures:"));
        let found = found.or_else(|| lines.iter().rposition(|line| line.contains(" tests, ")));
        let found = found.with_context(|| format!("h2spec said {}{}", said.stdout, said.stderr))?;
        Ok(lines[found..].join("\n"))
    }
}

/// A running collector.
#[derive(Debug)]
pub struct Collector {
    /// Where it takes OTLP over HTTP.
    pub address: SocketAddr,
    process: Child,
    log: PathBuf,
}

impl Collector {
    /// Everything that it has received, as it writes it: one field a line.
    pub fn received(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is text")
}
