//! What `Server-Timing` says: what a request waited for, and this program's own time.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::http::forward;

/// The header that shows each hop in `curl -i` and in a browser's developer tools (W3C Server Timing).
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Adds a value behind what an upstream has said.
pub(super) fn append(headers: &mut HeaderMap, value: String) {
    if headers.contains_key(&SERVER_TIMING) {
        forward::append(headers, SERVER_TIMING, &value);
    } else if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(SERVER_TIMING, value);
    }
}

/// All times in nanoseconds; moments since the Unix epoch.
#[derive(Default)]
pub(super) struct Timing {
    entries: Vec<(Cow<'static, str>, u64)>,
    /// Spent waiting for programs further down.
    pub(super) upstream: u64,
    /// How many programs are being waited for, and since when there is one.
    waiting: (usize, u64),
}

impl Timing {
    pub(super) fn add(&mut self, name: Cow<'static, str>, time: u64) {
        self.entries.push((name, time));
    }

    pub(super) fn waited(&mut self, time: u64) {
        self.upstream += time;
    }

    /// One more program is waited for; waits at the same time count once.
    pub(super) fn wait_begins(&mut self, now: u64) {
        if self.waiting.0 == 0 {
            self.waiting.1 = now;
        }
        self.waiting.0 += 1;
    }

    pub(super) fn wait_ends(&mut self, now: u64) {
        self.waiting.0 = self.waiting.0.saturating_sub(1);
        if self.waiting.0 == 0 {
            self.upstream += now.saturating_sub(self.waiting.1);
        }
    }

    pub(super) fn waits(&self) -> bool {
        self.waiting.0 > 0
    }

    /// The value of the header: what the hop called and did, then its own time, from `since` to `now` less what it waited
    /// for.
    pub(super) fn header(&self, hop: &str, since: u64, now: u64) -> String {
        let waiting = if self.waits() { now.saturating_sub(self.waiting.1) } else { 0 };
        let own = now.saturating_sub(since).saturating_sub(self.upstream + waiting);
        let mut value = String::with_capacity(48 + 32 * self.entries.len());
        for (name, time) in &self.entries {
            let _ = write!(value, "{name};dur={}, ", Milliseconds(*time));
        }
        let _ = write!(value, "{hop};dur={}", Milliseconds(own));
        value
    }
}

/// A duration as `Server-Timing` writes it: milliseconds with three digits, rounded down.
struct Milliseconds(u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000_000, self.0 / 1_000 % 1_000)
    }
}
