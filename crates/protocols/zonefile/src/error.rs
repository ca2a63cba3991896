//! What can be wrong with a zone file.

use std::fmt;
use std::path::PathBuf;

/// Why a zone file cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// The file: the zone file, or one that it includes.
    pub file: PathBuf,
    /// The line, the first being 1, unless it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong, and what was expected.
    pub problem: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zone file {}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for Error {}

/// The problem of one line; the reader adds the file.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) line: usize,
    pub(crate) text: String,
}
