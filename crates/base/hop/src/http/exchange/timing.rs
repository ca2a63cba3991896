//! What `Server-Timing` says: what a request waited for, and this program's own time.

use std::borrow::Cow;

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
            push(&mut value, name, *time);
            value.push_str(", ");
        }
        push(&mut value, hop, own);
        value
    }
}

/// One entry, with milliseconds of three decimals, rounded down. Formatted by hand: it is done for each request at each hop.
fn push(value: &mut String, name: &str, nanoseconds: u64) {
    value.push_str(name);
    value.push_str(";dur=");
    // From the right: three digits, the point, and the others, at least one.
    let (mut left, mut digits, mut first) = (nanoseconds / 1_000, [b'0'; 24], 24);
    while left > 0 || first > 19 {
        first -= 1;
        if first == 20 {
            digits[first] = b'.';
        } else {
            digits[first] += (left % 10) as u8;
            left /= 10;
        }
    }
    value.extend(digits[first..].iter().copied().map(char::from));
}
