//! Where the log goes: standard error, whatever that is.
//!
//! A log is no reason to end. Standard error may be a full disk or a pipe that nobody reads any more; what
//! can't be written is counted and forgotten, and the count is told once writing works again.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Events that could not be written.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Begins to log what `RUST_LOG` selects, such as `info` or `warn,lb=debug`; without it, what `filter` says.
pub fn init(filter: &str) {
    let targets = selected(std::env::var("RUST_LOG").ok().as_deref(), filter);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(|| BestEffort { to: io::stderr().lock(), lost: &LOST })
        // Else an event that can't be formatted is told by `eprintln!`, which panics where it can't write.
        .log_internal_errors(false)
        // A file gets no colours, nor does who wants none (https://no-color.org).
        .with_ansi(
            io::IsTerminal::is_terminal(&io::stderr())
                && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
        )
        .map_event_format(super::Format::new)
        .finish();
    let _ = subscriber.with(targets).try_init();
}

/// A variable that is empty or cannot be read selects nothing.
fn selected(variable: Option<&str>, filter: &str) -> Targets {
    let given = variable.filter(|text| !text.trim().is_empty()).and_then(|text| text.parse().ok());
    given.or_else(|| filter.parse().ok()).unwrap_or_default()
}

/// Writes what can be written and never says that it failed.
struct BestEffort<'a, W> {
    to: W,
    lost: &'a AtomicU64,
}

impl<W: Write> Write for BestEffort<'_, W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let lost = self.lost.load(Ordering::Relaxed);
        let told = lost == 0
            || writeln!(self.to, "({lost} log events before this one could not be written)").is_ok();
        if told && self.to.write_all(event).is_ok() {
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.to.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
