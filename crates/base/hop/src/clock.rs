//! The one clock.
//!
//! Stamps use CLOCK_REALTIME because the kernel stamps packets with it; all programs run on one
//! machine, so their stamps compare directly. CLOCK_MONOTONIC brackets a journey: where the two
//! moved apart, someone set the clock and the journey is flagged.
#![allow(clippy::disallowed_methods, reason = "this is the module that reads clocks")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now, in nanoseconds since the Unix epoch (CLOCK_REALTIME). Good until the year 2554.
pub fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

/// Now as HTTP writes it (RFC 9110 §5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}

/// [`http_date`] as the value of a header.
pub(crate) fn http_date_value() -> hyper::header::HeaderValue {
    http_date().try_into().unwrap_or(hyper::header::HeaderValue::from_static(""))
}

/// Now on the clock that never steps (CLOCK_MONOTONIC), for deadlines and intervals.
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The same moment on both clocks: monotonic, and nanoseconds since the Unix epoch.
///
/// They cannot be read at once. Of a few tries the one counts in which the least time passed between
/// the readings around it; a pause in between would look like a clock that was set.
pub fn both() -> (Instant, u64) {
    let look = || {
        let before = Instant::now();
        let unix = now();
        let width = Instant::now().saturating_duration_since(before);
        (width, before + width / 2, unix)
    };
    let mut best = look();
    for _ in 0..4 {
        if best.0 < Duration::from_nanos(300) {
            break;
        }
        let next = look();
        if next.0 < best.0 {
            best = next;
        }
    }
    (best.1, best.2)
}

/// The time since `earlier` on the clock that never steps.
pub fn since(earlier: Instant) -> Duration {
    Instant::now().saturating_duration_since(earlier)
}
