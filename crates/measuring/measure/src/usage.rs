//! How much memory and CPU a program takes, with everything that it started itself.

use std::collections::HashMap;

/// What a process group takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Resident memory in bytes, pages shared with others included.
    pub resident: u64,
    /// CPU time in seconds, of user and kernel.
    pub cpu: f64,
}

/// The kernel counts CPU time in these; every Linux that runs Rust has 100 per second (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Every process group's usage, by its leader's pid. Empty where there is no /proc.
pub fn groups() -> HashMap<u32, Usage> {
    let mut groups: HashMap<u32, Usage> = HashMap::new();
    for pid in numbers("/proc") {
        let Some((group, cpu)) =
            std::fs::read_to_string(format!("/proc/{pid}/stat")).ok().as_deref().and_then(stat)
        else {
            continue;
        };
        let usage = groups.entry(group).or_default();
        usage.cpu += cpu;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        usage.resident += resident(&status).unwrap_or(0);
    }
    groups
}

/// How long threads ran and how long they waited for a core, in nanoseconds; for programs that are still
/// there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scheduled {
    /// Running on a core.
    pub(crate) ran_ns: u64,
    /// Ready to run, and no core was free.
    pub(crate) waited_ns: u64,
}

impl Scheduled {
    pub(crate) fn with(self, other: Scheduled) -> Scheduled {
        Scheduled { ran_ns: self.ran_ns + other.ran_ns, waited_ns: self.waited_ns + other.waited_ns }
    }
}

/// What the process groups of these leaders were given, all threads of all their processes together.
pub(crate) fn scheduled(leaders: &[u32]) -> Scheduled {
    let group = |pid: u32| Some(stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?.0);
    let theirs = numbers("/proc").filter(|pid| group(*pid).is_some_and(|group| leaders.contains(&group)));
    theirs.map(|pid| threads(&pid.to_string())).fold(Scheduled::default(), Scheduled::with)
}

/// What this process was given.
pub(crate) fn this_process() -> Scheduled {
    threads("self")
}

fn threads(process: &str) -> Scheduled {
    let folder = format!("/proc/{process}/task");
    let of = |thread: u32| {
        let text = std::fs::read_to_string(format!("{folder}/{thread}/schedstat")).unwrap_or_default();
        // Time on a core, time waiting for one, number of turns (the kernel's sched-stats.rst).
        let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
        let (ran_ns, waited_ns) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Scheduled { ran_ns, waited_ns }
    };
    numbers(&folder).map(of).fold(Scheduled::default(), Scheduled::with)
}

/// The entries of a folder that are numbers.
fn numbers(folder: &str) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The group and the CPU seconds in /proc/PID/stat. The name, in parentheses, may hold anything.
fn stat(text: &str) -> Option<(u32, f64)> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    // proc_pid_stat(5): pgrp is field 5, utime 14, stime 15; fields here begin with the third.
    Some((fields.get(2)?.parse().ok()?, (number(11)? + number(12)?) as f64 / TICKS_PER_SECOND))
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests;
