//! Dates as RFC 3339 writes them, in UTC.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const MICROSECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Nanoseconds since the Unix epoch, to the microsecond.
pub fn rfc3339(unix_ns: u64) -> String {
    written(i128::from(unix_ns), MICROSECONDS)
}

/// Milliseconds since the Unix epoch, to the millisecond.
pub fn rfc3339_millis(unix_ms: u64) -> String {
    written(i128::from(unix_ms) * 1_000_000, MILLISECONDS)
}

/// The epoch itself where the calendar ends, in the year 9999.
fn written(unix_ns: i128, format: &[BorrowedFormatItem<'_>]) -> String {
    let date = OffsetDateTime::from_unix_timestamp_nanos(unix_ns).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    date.format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests;
