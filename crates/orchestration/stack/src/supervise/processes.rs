//! Processes, as /proc shows them (proc_pid_stat(5)).

/// So much of a command is shown, in characters.
const SHOWN: usize = 120;

/// A process, told apart from a later one of the same number by the time of its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    /// It has ended, and nobody has asked how.
    pub(super) zombie: bool,
    /// In clock ticks since the machine's start.
    started: u64,
}

/// Every process that can be seen.
pub(super) fn all() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Process::of(entry.file_name().to_str()?.parse().ok()?)).collect()
}

impl Process {
    /// The process that has this number now.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before the last parenthesis may hold anything.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let small = |at: usize| u32::try_from(number(at)?).ok();
        Some(Process {
            pid,
            parent: small(1)?,
            group: small(2)?,
            session: small(3)?,
            zombie: matches!(fields.first(), Some(&("Z" | "X"))),
            started: number(19)?,
        })
    }

    /// Does it still run?
    pub(super) fn lives(&self) -> bool {
        Process::of(self.pid).is_some_and(|now| now.started == self.started && !now.zombie)
    }

    /// As ps shows it.
    pub(super) fn command(&self) -> String {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None if words.is_empty() => "it has no command line".to_owned(),
            None => words,
        }
    }

    /// Some variables of the environment that it was started with.
    pub(super) fn environment<const N: usize>(&self, names: [&str; N]) -> [Option<String>; N] {
        let all = std::fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        let value = |name: &str| {
            let of = |entry: &[u8]| {
                let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
                Some(String::from_utf8_lossy(value).into_owned())
            };
            all.split(|byte| *byte == 0).find_map(of)
        };
        names.map(value)
    }
}
