//! The one place that writes for people and scripts: results on stdout, everything else on stderr; no line wider than the
//! reader's terminal.

use std::io::{ErrorKind, Write as _};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use hop::clock;
use report::{Style, layout};

use crate::hint;

/// No terminal is taken to be narrower: words would be cut.
const NARROWEST: usize = 40;
/// Sentences are not read well in wider lines.
const WIDEST_TEXT: usize = 100;

/// How wide the terminal of standard output is; 80 columns when it is none.
pub(crate) fn width() -> usize {
    columns(&std::io::stdout())
}

/// How wide texts on standard output are.
pub(crate) fn text_width() -> usize {
    width().min(WIDEST_TEXT)
}

fn columns(of: &impl AsFd) -> usize {
    let size = terminal_size::terminal_size_of(of.as_fd());
    size.map_or(layout::WIDTH, |(columns, _)| usize::from(columns.0).max(NARROWEST))
}

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
    AutoStream::choice(&std::io::stdout()) != ColorChoice::Never
}

/// Writes about what is going on to stderr; hints in it can be pasted.
pub(crate) fn note(text: impl std::fmt::Display) {
    let mut stderr = std::io::stderr().lock();
    let text = layout::wrap(&hint::typed(&text.to_string()), columns(&stderr).min(WIDEST_TEXT));
    let colour = AutoStream::choice(&stderr) != ColorChoice::Never;
    let _ = stderr.write_all(Style { colour, ..Style::default() }.note(&text).as_bytes());
}

/// Shows what is going on and for how long: on a terminal in one line that ends with `work`, elsewhere in a line of its own
/// now and then, if it takes long.
pub(crate) async fn live<T>(what: impl Fn() -> String, work: impl Future<Output = T>) -> T {
    let begun = clock::monotonic();
    let seen = Progress::is_seen();
    let interval = if seen { REDRAW_INTERVAL } else { NOTE_INTERVAL };
    let mut ticks = tokio::time::interval(interval);
    // The first one comes at once.
    ticks.tick().await;
    let mut line = Line { shown: false };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                let (what, seconds) = (what(), clock::since(begun).as_secs_f64());
                if seen { line.show(&format!("{seconds:.1} s {what}")) } else { note(format_args!("{what} ({seconds:.0} s)")) }
            }
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
        // A line that goes on in the terminal's next one could not be written again.
        let text: String = text.chars().take(columns(&out) - 1).collect();
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
/// Between two lines where lines can't be written again.
const NOTE_INTERVAL: Duration = Duration::from_secs(5);
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
