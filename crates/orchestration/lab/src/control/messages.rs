//! What a running lab says of itself.

use serde::{Deserialize, Serialize};
use stack::Status;

/// What `lab status` shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// `lab.name` of lab.toml.
    pub name: String,
    /// The lab's own process.
    pub pid: u32,
    /// When it began, in nanoseconds since the Unix epoch.
    pub since_unix_ns: u64,
    /// Where its plan came from.
    pub config: String,
    /// The cargo profile: `debug` or `release`.
    pub build: String,
    /// What the user should know about the programs in the slots.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// In the order of the plan.
    pub hops: Vec<HopReport>,
}

/// A program of the lab, and what it uses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HopReport {
    /// Who, where, since when.
    #[serde(flatten)]
    pub status: Status,
    /// Resident memory in bytes, shared pages included; with all that it started itself.
    pub resident_bytes: Option<u64>,
    /// CPU time in seconds since it was started.
    pub cpu_seconds: Option<f64>,
}

/// How far a measurement is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Requests that were made.
    pub done: usize,
    /// Requests that will be; 0 while nothing was ever measured.
    pub of: usize,
}
