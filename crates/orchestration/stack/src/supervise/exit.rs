//! When a program dies, the error is the answer: who, how, its last words, where the rest is.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::launch::Launch;

/// How many of its last lines are shown.
const LINES: usize = 10;
/// A line is cut after so many characters.
const WIDTH: usize = 400;
/// With less room than this on its disk, in bytes, a program can't work.
const ROOM: u64 = 64 << 10;
/// Last lines are looked for in this many bytes.
const TAIL: u64 = 16 << 10;

/// A program that did not start, did not become ready, or ended by itself.
#[derive(Clone, Debug)]
pub struct Exit {
    /// The hop's, such as `cart-pod-def34`.
    pub name: String,
    /// What happened, such as `exit status: 1 after 0.2 s`.
    pub what: String,
    /// What else is known, a line each: what it was asked, what it answered, where it listens.
    pub facts: Vec<String>,
    /// What to do; empty when only its own words tell.
    pub remedy: String,
    /// The end of its log.
    pub lines: Vec<String>,
    /// The file with all of it.
    pub log: PathBuf,
    /// The pages of the documentation that help.
    pub page: String,
}

impl Exit {
    /// Reads the last lines that a program wrote after `start` bytes of its log.
    pub(super) fn new(launch: &Launch, what: String, start: u64) -> Self {
        let command = launch.command();
        let page = page(&launch.role, command.is_none());
        let mut facts: Vec<String> =
            command.map(|command| format!("in its slot runs: {command}")).into_iter().collect();
        let (mut remedy, lines) = (String::new(), last_lines(&launch.log, start));
        if is_on_a_full_disk(&launch.log) {
            // Then it can say so nowhere.
            facts.push("the disk that holds its log and its data is full".to_owned());
            remedy = "make room there, or put the lab's folder on another: `lab --set lab.state=FOLDER`"
                .to_owned();
        }
        Exit { name: launch.name.clone(), what, facts, remedy, lines, log: launch.log.clone(), page }
    }

    /// Adds what else is known.
    pub(super) fn with(mut self, facts: impl IntoIterator<Item = String>, remedy: impl Into<String>) -> Self {
        self.facts.extend(facts);
        if self.remedy.is_empty() {
            self.remedy = remedy.into();
        }
        self
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.what)?;
        for fact in &self.facts {
            writeln!(f, "  {fact}")?;
        }
        if !self.remedy.is_empty() {
            writeln!(f, "  what to do: {}", self.remedy)?;
        }
        write_log(f, &self.lines, &self.log)?;
        write!(f, "  what a program must do: {}", self.page)
    }
}

impl std::error::Error for Exit {}

/// Is there next to no room on the disk of this file?
fn is_on_a_full_disk(file: &Path) -> bool {
    let full = |disk: rustix::fs::StatVfs| disk.f_blocks > 0 && disk.f_bavail * disk.f_frsize < ROOM;
    rustix::fs::statvfs(file).is_ok_and(full)
}

/// The pages of the documentation that say what a program of this role must do.
pub(crate) fn page(role: &str, own: bool) -> String {
    let swapping = if own { "" } else { ", docs/swapping.md" };
    format!("docs/contract.md ({role}){swapping}")
}

/// A program's last lines, and where all of them are.
pub(crate) fn write_log(f: &mut impl fmt::Write, lines: &[String], log: &Path) -> fmt::Result {
    f.write_str(if lines.is_empty() { "  it wrote nothing\n" } else { "  its last lines:\n" })?;
    for line in lines {
        writeln!(f, "    | {line}")?;
    }
    writeln!(f, "  all of them: {}", plan::workspace::shown(log))
}

/// The last lines of a log, from `start` bytes on.
pub(crate) fn last_lines(log: &Path, start: u64) -> Vec<String> {
    let tail = || {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        // A log that is shorter than it was has been cut since.
        let start = if start > length { 0 } else { start };
        file.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL))))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    };
    let bytes = tail().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        // A program must not write into the user's terminal what only a terminal understands.
        .map(|line| {
            line.chars().filter(|letter| !letter.is_control() || *letter == '\t').take(WIDTH).collect()
        })
        .collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}
