//! What the kernel counts of all cores together.

/// `USER_HZ` is 100 on every Linux that runs Rust.
pub(super) const NANOSECONDS_PER_TICK: u64 = 10_000_000;

/// The kernel's counters of all cores together, in ticks (proc_stat(5)); zeros where there is no /proc.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cores {
    /// Running programs, the kernel, or interrupts.
    pub(super) busy: u64,
    /// Taken by a hypervisor while there was something to run.
    pub(super) stolen: u64,
}

impl Cores {
    pub(super) fn read() -> Cores {
        std::fs::read_to_string("/proc/stat").ok().as_deref().and_then(Cores::parse).unwrap_or_default()
    }

    pub(super) fn parse(text: &str) -> Option<Cores> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().map_while(|number| number.parse().ok()).collect();
        let [user, nice, system, _idle, _iowait, irq, softirq, stolen, ..] = ticks[..] else { return None };
        Some(Cores { busy: user + nice + system + irq + softirq, stolen })
    }
}
