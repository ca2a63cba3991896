//! The one place that writes for people and scripts: results on stdout, everything else on stderr.

use std::io::{ErrorKind, Write as _};
use std::time::{Duration, Instant};

use hop::clock;

use crate::hint;

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

/// May standard output show colours? It is a terminal, and neither NO_COLOR nor CLICOLOR=0 is set; CLICOLOR_FORCE
/// colours anything.
pub(crate) fn is_coloured() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

/// Writes a line about what is going on to stderr; hints in it can be pasted.
pub(crate) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{}", hint::typed(&text.to_string()));
}

/// Shows what is going on and for how long, in one line that ends with `going`; on a terminal only.
pub(crate) async fn live<T>(what: &str, going: impl Future<Output = T>) -> T {
    if !Progress::is_seen() {
        return going.await;
    }
    let begun = clock::monotonic();
    let mut line = Line { shown: false };
    let mut ticks = tokio::time::interval(REDRAW_INTERVAL);
    let mut going = std::pin::pin!(going);
    loop {
        tokio::select! {
            done = &mut going => return done,
            _ = ticks.tick() => line.show(&format!("{what} … {:.1} s", clock::since(begun).as_secs_f64())),
        }
    }
}

/// A line of a terminal that is written again and again, and is empty at its end.
#[derive(Debug)]
struct Line {
    shown: bool,
}

impl Line {
    fn show(&mut self, text: &str) {
        self.shown = true;
        let mut out = std::io::stderr().lock();
        let _ = write!(out, "\r{text}\x1b[K").and_then(|()| out.flush());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.shown {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}

/// A count that goes up, with its rate and the time that is left; on a terminal only (logs need no
/// animation), and only for what takes longer than a second.
#[derive(Debug)]
pub(crate) struct Progress {
    begun: Instant,
    shown: Option<Instant>,
    /// Where the count was when it was first seen above 0, and when.
    first: Option<(usize, Instant)>,
    line: Line,
}

/// A measurement that ends sooner shows no bar.
const BAR_AFTER: Duration = Duration::from_secs(1);
/// Between two redraws of the bar.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
/// In characters.
const BAR_WIDTH: usize = 30;

impl Progress {
    pub(crate) fn new() -> Self {
        Progress { begun: clock::monotonic(), shown: None, first: None, line: Line { shown: false } }
    }

    /// Can anybody see it?
    pub(crate) fn is_seen() -> bool {
        std::io::IsTerminal::is_terminal(&std::io::stderr())
    }

    /// Shows how far it is, if it is time to.
    pub(crate) fn show(&mut self, done: usize, of: usize) {
        let now = clock::monotonic();
        if done > 0 {
            self.first.get_or_insert((done, now));
        }
        let due = match self.shown {
            None => now.saturating_duration_since(self.begun) >= BAR_AFTER && done < of,
            Some(last) => now.saturating_duration_since(last) >= REDRAW_INTERVAL || done == of,
        };
        if due && Self::is_seen() {
            self.shown = Some(now);
            let per_second = self.first.and_then(|(first, since)| {
                let seconds = now.saturating_duration_since(since).as_secs_f64();
                (done > first).then(|| (done - first) as f64 / seconds.max(1e-9))
            });
            self.line.show(&bar(done, of, per_second));
        }
    }
}

fn bar(done: usize, of: usize, per_second: Option<f64>) -> String {
    let full = (done.min(of) * BAR_WIDTH).checked_div(of).unwrap_or(0);
    let mut line = format!(
        "[{}{}] {done} of {of} journeys",
        "█".repeat(full),
        " ".repeat(BAR_WIDTH.saturating_sub(full))
    );
    if let Some(rate) = per_second {
        let left = of.saturating_sub(done) as f64 / rate;
        line += &format!(", {rate:.0} per second, {left:.0} s left");
    }
    line
}

#[cfg(test)]
mod tests;
