//! When a program dies, the error is the answer: who, how, its last words, where the rest is.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// How many of its last lines are shown.
const LINES: usize = 10;
/// A line is cut after so many characters.
const WIDTH: usize = 400;
/// Last lines are looked for in this many bytes.
const TAIL: u64 = 16 << 10;

/// A program that did not start, did not become ready, or ended by itself.
#[derive(Clone, Debug)]
pub struct Exit {
    /// The hop's, such as `cart-pod-def34`.
    pub name: String,
    /// What happened, such as `exit status: 1 after 0.2 s`.
    pub what: String,
    /// The end of its log.
    pub lines: Vec<String>,
    /// The file with all of it.
    pub log: PathBuf,
    /// The page of the documentation that helps.
    pub page: &'static str,
}

impl Exit {
    /// Reads the last lines that a program wrote after `start` bytes of its log.
    pub(super) fn new(name: &str, what: String, log: &Path, start: u64, own: bool) -> Self {
        let page = if own { "docs/contract.md" } else { "docs/swapping.md" };
        Exit { name: name.to_owned(), what, lines: last_lines(log, start), log: log.to_owned(), page }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.what)?;
        if self.lines.is_empty() {
            writeln!(f, "  it wrote nothing")?;
        } else {
            writeln!(f, "  its last lines:")?;
        }
        for line in &self.lines {
            writeln!(f, "    | {line}")?;
        }
        writeln!(f, "  all of them: {}", plan::workspace::shown(&self.log))?;
        write!(f, "  what a program must do: {}", self.page)
    }
}

impl std::error::Error for Exit {}

fn last_lines(log: &Path, start: u64) -> Vec<String> {
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
