//! How much memory and CPU a program takes, with everything that it started itself.

use std::collections::HashMap;

/// What a process group takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Resident memory in bytes, pages shared with others included.
    pub(crate) resident: u64,
    /// CPU time in seconds, of user and kernel.
    pub(crate) cpu: f64,
}

/// The kernel counts CPU time in these; every Linux that runs Rust has 100 per second (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Every process group's usage, by its leader's pid. Empty where there is no /proc.
pub(crate) fn groups() -> HashMap<u32, Usage> {
    let mut groups: HashMap<u32, Usage> = HashMap::new();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
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
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let text = "42 (a) (b c)) S 1 77 77 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 1 2 3";
        assert_eq!(stat(text), Some((77, 2.0)));
        assert_eq!(stat("nonsense"), None);
    }

    #[test]
    fn this_process_takes_memory() {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
        assert!(resident(&status).expect("a size") > 1 << 20);
        assert!(groups().values().any(|usage| usage.resident > 1 << 20));
    }
}
