//! Processes as /proc shows them.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use lab::plan::Plan;

/// A process, told apart from a later one of the same number by the time of its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) name: String,
    /// In clock ticks since the machine's start: field 22 of proc_pid_stat(5).
    started: u64,
}

/// The fields of /proc/PID/stat from the third on; the name before them may hold anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

impl Process {
    /// The process that has this number now.
    pub(crate) fn of(pid: u32, name: &str) -> Option<Self> {
        let started = stat(pid)?.get(19)?.parse().ok()?;
        Some(Process { pid, name: name.to_owned(), started })
    }

    /// Does it still run? One that ended and was not yet waited for does not.
    pub(crate) fn lives(&self) -> bool {
        let Some(fields) = stat(self.pid) else { return false };
        let same = fields.get(19).and_then(|field| field.parse().ok()) == Some(self.started);
        same && !matches!(fields.first().map(String::as_str), Some("Z" | "X"))
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    }

    /// Sends a signal: `KILL`, `TERM`, `INT`.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(self.lives(), "{} (pid {}) has ended already", self.name, self.pid);
        // The shell's own `kill`: there is one wherever there is a shell.
        let kill =
            std::process::Command::new("sh").arg("-c").arg(format!("kill -s {signal} {}", self.pid)).status();
        assert!(kill.is_ok_and(|status| status.success()), "kill -s {signal} {}", self.pid);
    }
}

/// Every process that was started with this variable, and its command.
pub(crate) fn running_with(variable: &str) -> Vec<(u32, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has = |pid: &u32| {
        let all = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        all.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
    };
    let command = |pid: u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        (pid, String::from_utf8_lossy(&line).replace('\0', " "))
    };
    pids.filter(has).map(command).collect()
}

/// The addresses of a plan that cannot be bound, with what the kernel says.
pub(crate) fn taken(plan: &Plan) -> Vec<String> {
    let mut taken = Vec::new();
    let mut note = |name: &str, address: SocketAddr, bound: std::io::Result<()>| {
        taken.extend(bound.err().map(|error| format!("{name} {address}: {error}")));
    };
    for (_, hop) in plan.hops() {
        for (key, address) in hop.binds() {
            note(&hop.name, address, TcpListener::bind(address).map(drop));
            if key == "listen" && hop.role().speaks_dns() {
                note(&hop.name, address, UdpSocket::bind(address).map(drop));
            }
        }
    }
    taken
}
