//! A lab's folder: what runs, what it writes, and the lock that says that it runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// What a running lab says about itself, in `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The lab's own process.
    pub pid: u32,
    /// When it began, in nanoseconds since the Unix epoch.
    pub since_unix_ns: u64,
    /// Where it answers: `GET /status`, `POST /measure`, `POST /stop`, `GET /plan`.
    pub control: SocketAddr,
    /// Where its plan came from.
    pub config: String,
    /// `debug` or `release`.
    pub build: String,
    /// The programs and their addresses.
    pub hops: Vec<RunHop>,
}

/// A program in `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHop {
    /// The hop.
    pub name: String,
    /// Its role.
    pub role: String,
    /// Its process when the lab had started; a restart changes it (`lab status` knows).
    pub pid: Option<u32>,
    /// Where it answers.
    pub listen: SocketAddr,
    /// Where its admin endpoint is.
    pub admin: Option<SocketAddr>,
}

/// A run folder that is ours while this value lives.
#[derive(Debug)]
pub struct Held {
    folder: PathBuf,
    /// Closing it gives the lock back, also when the process is killed.
    lock: File,
}

/// Somebody else runs a lab of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlreadyRuns {
    /// The lab's name.
    pub name: String,
    /// Its process, if it has said so already.
    pub pid: Option<u32>,
}

impl std::fmt::Display for AlreadyRuns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pid =
            self.pid.map_or_else(|| "a process that is just starting".to_owned(), |pid| format!("pid {pid}"));
        write!(f, "the lab \"{}\" runs already ({pid})\n  what to do: ", self.name)?;
        f.write_str("`lab stop` ends it; or run a second one beside it: ")?;
        f.write_str("lab --set lab.name=two --set network.port_offset=100")
    }
}

impl std::error::Error for AlreadyRuns {}

/// The folder of the lab of this name.
pub fn folder(states: &Path, name: &str) -> PathBuf {
    crate::workspace::absolute(&states.join(name))
}

/// Where a hop's output goes, in a lab's folder.
pub fn log(folder: &Path, hop: &str) -> PathBuf {
    folder.join("logs").join(format!("{hop}.log"))
}

/// Takes the folder of the lab `name`, and empties it of what the last run left, but for its data.
///
/// # Errors
/// [`AlreadyRuns`], or the folder cannot be written.
pub fn hold(states: &Path, name: &str) -> anyhow::Result<Held> {
    let folder = folder(states, name);
    let make = |folder: PathBuf| {
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))
    };
    make(folder.join("data"))?;
    let lock = lock_file(&folder)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = read(&folder).map(|run| run.pid);
            return Err(AlreadyRuns { name: name.to_owned(), pid }.into());
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("lock {}", folder.display()));
        }
    }
    // A run.json that is still here was left by a lab that was killed.
    let _ = std::fs::remove_file(folder.join("run.json"));
    for stale in ["logs", "zones"] {
        let _ = std::fs::remove_dir_all(folder.join(stale));
        make(folder.join(stale))?;
    }
    Ok(Held { folder, lock })
}

/// The running lab of this name, if it runs: its lock is held and it has said where it answers.
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

fn lock_file(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    open.with_context(|| format!("open {}", path.display()))
}

fn read(folder: &Path) -> Option<Run> {
    serde_json::from_slice(&std::fs::read(folder.join("run.json")).ok()?).ok()
}

impl Held {
    /// The folder, an absolute path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a hop's output goes.
    pub fn log(&self, hop: &str) -> PathBuf {
        log(&self.folder, hop)
    }

    /// Says what runs, in one step.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn announce(&self, run: &Run) -> anyhow::Result<()> {
        let (path, temporary) = (self.folder.join("run.json"), self.folder.join("run.json.new"));
        std::fs::write(&temporary, serde_json::to_vec_pretty(run)?)
            .and_then(|()| std::fs::rename(&temporary, &path))
            .with_context(|| format!("write {}", path.display()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.folder.join("run.json"));
        // Not left to closing: a child that is between fork and exec has a copy of the descriptor.
        let _ = self.lock.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            pid: 42,
            since_unix_ns: 1,
            control: "127.0.0.1:1".parse().expect("an address"),
            config: "lab.toml".to_owned(),
            build: "debug".to_owned(),
            hops: Vec::new(),
        }
    }

    #[test]
    fn one_lab_of_a_name() {
        let states = tempfile::tempdir().expect("a folder");
        assert_eq!(running(states.path(), "lab"), None);
        let held = hold(states.path(), "lab").expect("it is free");
        let error = hold(states.path(), "lab").expect_err("it is held");
        assert!(error.to_string().contains("just starting"), "{error}");
        held.announce(&run()).expect("it is writable");
        let error = hold(states.path(), "lab").expect_err("it is held").to_string();
        assert!(
            error.contains("pid 42") && error.contains("lab stop") && error.contains("port_offset"),
            "{error}"
        );
        assert_eq!(running(states.path(), "lab"), Some(run()));
        hold(states.path(), "two").expect("another name is free");
        drop(held);
        assert_eq!(running(states.path(), "lab"), None);
        hold(states.path(), "lab").expect("it is free again");
    }

    #[test]
    fn what_a_killed_lab_left_is_recognised() {
        let states = tempfile::tempdir().expect("a folder");
        let held = hold(states.path(), "lab").expect("it is free");
        held.announce(&run()).expect("it is writable");
        let data = held.folder().join("data/redis");
        std::fs::write(&data, "kept").expect("it is writable");
        std::fs::write(held.log("lb"), "old").expect("it is writable");
        // kill -9: the kernel gives the lock back, the files stay.
        let folder = held.folder().to_owned();
        drop(held);
        std::fs::write(folder.join("run.json"), serde_json::to_vec(&run()).expect("JSON")).expect("writable");
        assert_eq!(running(states.path(), "lab"), None, "nobody holds the lock");
        let held = hold(states.path(), "lab").expect("it is free");
        assert!(!folder.join("run.json").exists() && !held.log("lb").exists());
        assert_eq!(std::fs::read_to_string(&data).expect("it is kept"), "kept");
    }
}
