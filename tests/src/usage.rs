//! What a process has used of processor and memory, as /proc shows it.

/// The kernel counts processor time in hundredths of a second (`USER_HZ`).
const TICK_MICROS: f64 = 10_000.0;

/// Microseconds of processor time, of user and kernel; 0 when the process is gone.
pub fn cpu_micros(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The program's name, in parentheses, may hold anything. proc_pid_stat(5): utime is field 14, stime 15.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() * TICK_MICROS
}

/// Mebibytes of memory: `VmRSS` is what is resident, `VmHWM` the most that ever was.
pub fn mebibytes(pid: u32, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// From now on `VmHWM` is the most since now (proc_pid_clear_refs(5)).
///
/// # Errors
/// The process is gone, or somebody else's.
pub fn reset_peak(pid: u32) -> std::io::Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")
}
