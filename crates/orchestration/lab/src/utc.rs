//! Dates, as people and files want them.

/// Nanoseconds since the Unix epoch as RFC 3339 has them, to the microsecond.
pub(crate) fn rfc3339(unix_ns: u64) -> String {
    format!("{}.{:06}Z", to_the_second(unix_ns / 1_000_000_000), unix_ns / 1_000 % 1_000_000)
}

/// Milliseconds since the Unix epoch likewise, to the millisecond.
pub(crate) fn rfc3339_millis(unix_ms: u64) -> String {
    format!("{}.{:03}Z", to_the_second(unix_ms / 1_000), unix_ms % 1_000)
}

fn to_the_second(unix_seconds: u64) -> String {
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar.
///
/// Counted in years that begin in March, so that leap days come last, and in eras of 400 years, which
/// all have 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let since_march_0 = days + 719_468;
    let (era, day) = (since_march_0 / 146_097, since_march_0 % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(951_782_400_000_000_000), "2000-02-29T00:00:00.000000Z");
        assert_eq!(rfc3339(951_868_800_000_000_000), "2000-03-01T00:00:00.000000Z");
        assert_eq!(rfc3339(1_704_067_199_999_999_999), "2023-12-31T23:59:59.999999Z");
        assert_eq!(rfc3339(4_107_542_400_000_000_000), "2100-03-01T00:00:00.000000Z");
    }

    #[test]
    fn times_are_readable() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_210_096_007, "2024-02-29T12:34:56.007Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339_millis(milliseconds), text);
        }
    }
}
