//! A lab's folder: what runs, what it writes, and the lock that says that it runs.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hop::admin::Secret;
use hop::files;
use plan::SECRET;
use serde::{Deserialize, Serialize};

/// What a running lab says about itself, in `run.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The lab's own process.
    pub pid: u32,
    /// When it began, in nanoseconds since the Unix epoch.
    pub since_unix_ns: u64,
    /// Where its control server is: `GET /status`, `POST /measure`, `POST /stop`, `GET /plan`.
    pub control: SocketAddr,
    /// What requests that change something have to know; in a file of its own, `secret`.
    #[serde(skip, default = "Secret::random")]
    pub secret: Secret,
    /// Where its plan came from.
    pub config: String,
    /// The cargo profile: `debug` or `release`.
    pub build: String,
    /// The programs and their addresses.
    pub hops: Vec<RunHop>,
    /// The hosts of its own network, by name; none on loopback.
    #[serde(default)]
    pub hosts: BTreeMap<String, RunHost>,
}

/// A host in `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHost {
    /// The first is the one that it connects from.
    pub addresses: Vec<Ipv4Addr>,
    /// Its network namespace, for `nsenter --net=FILE`; there while the lab runs.
    pub namespace: PathBuf,
}

/// A program in `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHop {
    /// The hop's, such as `cart-pod-def34`.
    pub name: String,
    /// As lab.toml spells it.
    pub role: String,
    /// Its process when the lab had started; a restart changes it (`lab status` knows).
    pub pid: Option<u32>,
    /// Where it listens for its work.
    pub listen: SocketAddr,
    /// Where its admin endpoint is.
    pub admin: Option<SocketAddr>,
}

/// A run folder that is ours while this value lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    secret: Secret,
    /// Closing it gives the lock back, also when the process is killed.
    lock: File,
}

/// Somebody else runs a lab of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlreadyRuns {
    /// `lab.name` of lab.toml.
    pub name: String,
    /// The running lab's process, once it has written it down.
    pub pid: Option<u32>,
}

impl std::fmt::Display for AlreadyRuns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pid =
            self.pid.map_or_else(|| "a process that is just starting".to_owned(), |pid| format!("pid {pid}"));
        write!(f, "the lab \"{}\" runs already ({pid})\n  what to do: ", self.name)?;
        f.write_str("`lab stop` ends it; or run a second one beside it: ")?;
        f.write_str("`lab --set lab.name=two --set network.port_offset=100`")
    }
}

impl std::error::Error for AlreadyRuns {}

/// The folder of the lab of this name.
pub fn folder(states: &Path, name: &str) -> PathBuf {
    plan::workspace::absolute(&states.join(name))
}

/// Where a hop's output goes, in a lab's folder.
pub fn log(folder: &Path, hop: &str) -> PathBuf {
    folder.join("logs").join(format!("{hop}.log"))
}

/// The running lab of this name, if it runs: its lock is held and it has said where its control server is.
pub fn running(states: &Path, name: &str) -> Option<Run> {
    let folder = folder(states, name);
    is_held(&folder).then(|| read(&folder)).flatten()
}

/// Does anybody hold this folder?
pub fn is_held(folder: &Path) -> bool {
    // Looking must not create anything, and a shared lock keeps nobody else from looking.
    File::open(folder.join("lock"))
        .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn read(folder: &Path) -> Option<Run> {
    let run: Run = serde_json::from_slice(&std::fs::read(folder.join("run.json")).ok()?).ok()?;
    Some(Run { secret: Secret::read(&folder.join(SECRET)).ok()?, ..run })
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    files::replace(&path, text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

impl RunFolder {
    /// Takes the folder of the lab `name`, and empties it of what the last run left, but for its data.
    ///
    /// # Errors
    /// [`AlreadyRuns`], or the folder cannot be written.
    pub fn claim(states: &Path, name: &str) -> anyhow::Result<Self> {
        let folder = folder(states, name);
        let make = |folder: PathBuf| {
            std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))
        };
        make(folder.join("data"))?;
        let lock = files::lock(&folder.join("lock"));
        let lock = lock.with_context(|| format!("lock {}", folder.display()))?.ok_or_else(|| {
            let pid = read(&folder).map(|run| run.pid);
            AlreadyRuns { name: name.to_owned(), pid }
        })?;
        // A run.json that is still here was left by a lab that was killed.
        let _ = std::fs::remove_file(folder.join("run.json"));
        for stale in ["logs", "zones"] {
            let _ = std::fs::remove_dir_all(folder.join(stale));
            make(folder.join(stale))?;
        }
        let secret = Secret::random();
        write(&folder, SECRET, secret.as_str())?;
        Ok(RunFolder { path: folder, secret, lock })
    }

    /// An absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What admin and control requests that change something have to know while this lab runs.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Where a hop's output goes.
    pub fn log(&self, hop: &str) -> PathBuf {
        log(&self.path, hop)
    }

    /// Says what runs, in one step.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn announce(&self, run: &Run) -> anyhow::Result<()> {
        write(&self.path, "run.json", &serde_json::to_string_pretty(run)?)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        for file in ["run.json", SECRET] {
            let _ = std::fs::remove_file(self.path.join(file));
        }
        // Not left to closing: a child that is between fork and exec has a copy of the descriptor.
        let _ = self.lock.unlock();
    }
}

#[cfg(test)]
mod tests;
