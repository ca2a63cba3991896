//! What a supervised program is doing, and what happened to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exit::Exit;
use super::leftovers::Leftover;

/// What a program is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs and is not ready yet.
    Starting,
    /// It is ready for requests.
    Ready,
    /// It died and is started again after a pause.
    Restarting,
    /// The lab has ended it.
    Stopped,
    /// Somebody else runs it.
    External,
}

/// A program as `lab status` shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The hop's, such as `cart-pod-def34`.
    pub name: String,
    /// As lab.toml spells it.
    pub role: String,
    /// Where it listens for its work.
    pub listen: SocketAddr,
    /// Where its admin endpoint is.
    pub admin: Option<SocketAddr>,
    /// What it is doing.
    pub state: State,
    /// Absent while no process runs, and for an external program.
    pub pid: Option<u32>,
    /// When that process was started, in nanoseconds since the Unix epoch.
    pub since_unix_ns: Option<u64>,
    /// How often it was started again.
    pub restarts: u32,
    /// What it was asked while it was not ready, and what it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Processes that it started and that have lost their parent: they end with the lab.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Leftover>,
    /// How it ended the last time.
    pub last_exit: Option<String>,
    /// The file that its output goes to.
    pub log: PathBuf,
}

/// What happened to a running program.
#[derive(Clone, Debug)]
pub enum Event {
    /// It ended by itself; it is started again after the pause.
    Exited(Exit, Duration),
    /// It runs and is ready again.
    Back(String),
    /// A process that it started has lost its parent; both run on.
    Left(String, Leftover),
}
