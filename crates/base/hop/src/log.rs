//! What a program says about itself, and how often: a peer must not be able to fill a log.
//!
//! Whoever sends a bad packet, resets a stream or breaks off a handshake can do so a hundred thousand times a second.
//! A line for each would bury everything else, fill the disk, and cost more than the attack itself. So a line that a
//! peer can cause is written once a second for each place in the code, with the number of those that were left out
//! since then:
//!
//! * lines of our own, by [`warn_throttled!`](crate::warn_throttled) and [`error_throttled!`](crate::error_throttled);
//! * all warnings and errors of other people's crates, by [`Format`]: `h2` warns of each stream that is reset too early.
//!
//! Lines that only the operator or a neighbour's change of state can cause (a certificate reloaded, an upstream taken
//! out) are written always.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

mod sink;

pub use sink::init;

/// The least time between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(1);

/// Lets one line a second pass, and counts the others.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the last line passed.
    passed: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// For a `static`: one for each kind of line.
    pub const fn new() -> Self {
        Throttle(Mutex::new(State { passed: None, suppressed: 0 }))
    }

    /// `None`: this line is left out. Else how many were left out since the last one that passed.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(clock::monotonic())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock();
        if state.passed.is_some_and(|passed| now.saturating_duration_since(passed) < PAUSE) {
            state.suppressed += 1;
            return None;
        }
        state.passed = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

/// `tracing::warn!` for what a peer can cause: at most once a second for each place in the code, with the field
/// `suppressed`, the number of lines left out since the last one.
#[macro_export]
macro_rules! warn_throttled {
    ($($arguments:tt)+) => { $crate::throttled!(warn, $($arguments)+) };
}

/// `tracing::error!` for what a peer can cause; see [`warn_throttled!`](crate::warn_throttled).
#[macro_export]
macro_rules! error_throttled {
    ($($arguments:tt)+) => { $crate::throttled!(error, $($arguments)+) };
}

/// What [`warn_throttled!`](crate::warn_throttled) and [`error_throttled!`](crate::error_throttled) have in common.
#[doc(hidden)]
#[macro_export]
macro_rules! throttled {
    ($level:ident, $($arguments:tt)+) => {{
        static THROTTLE: $crate::log::Throttle = $crate::log::Throttle::new();
        match THROTTLE.pass() {
            None => {}
            Some(0) => ::tracing::$level!($($arguments)+),
            Some(suppressed) => ::tracing::$level!(suppressed, $($arguments)+),
        }
    }};
}

/// The usual format of a line, but warnings and errors of foreign crates are throttled by their place in the code.
/// There are as many of those as there are in the code, so what is remembered is bounded.
pub struct Format<F> {
    inner: F,
    foreign: Mutex<HashMap<Identifier, Throttle>>,
}

impl<F> Format<F> {
    /// Writes the lines that pass as `inner` does.
    pub fn new(inner: F) -> Self {
        Format { inner, foreign: Mutex::default() }
    }

    fn pass(&self, line: &Metadata<'_>) -> Option<u64> {
        if *line.level() > Level::WARN || !is_foreign(line) {
            return Some(0);
        }
        self.foreign.lock().entry(line.callsite()).or_default().pass()
    }
}

impl<S, N, F> FormatEvent<S, N> for Format<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Without a byte the subscriber makes no write call.
        let Some(suppressed) = self.pass(event.metadata()) else { return Ok(()) };
        if suppressed == 0 {
            return self.inner.format_event(context, writer, event);
        }
        // Such a line has no colours, which a borrowed writer can't be told to make.
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        writeln!(writer, "{} suppressed={suppressed}", line.trim_end())
    }
}

/// Was the line written by somebody else's crate? Cargo compiles the crates of a workspace by paths that are relative
/// to it, and all others by absolute ones.
fn is_foreign(line: &Metadata<'_>) -> bool {
    line.file().is_some_and(|file| std::path::Path::new(file).is_absolute())
}

#[cfg(test)]
mod tests;
