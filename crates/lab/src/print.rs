//! The one place that writes for people and scripts: results on stdout, everything else on stderr.

use std::io::{ErrorKind, Write as _};

/// Writes a result to stdout. A reader that has gone away (`lab status | head -1`) is no error.
pub(crate) fn result(text: &str) -> std::io::Result<()> {
    line(text).map(drop)
}

/// Writes one of many results to stdout; `false` says that the reader has gone away.
pub(crate) fn line(text: &str) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    let line_end = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{line_end}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a line about what is going on to stderr.
pub(crate) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Shows a count that goes up, on a terminal only: logs need no animation.
pub(crate) fn progress(done: usize, of: usize) {
    if of > 1 && std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        let end = if done == of { "\n" } else { "" };
        let mut out = std::io::stderr().lock();
        let _ = write!(out, "\r{done} of {of} journeys{end}").and_then(|()| out.flush());
    }
}
