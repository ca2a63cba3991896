//! From when to when a certificate is valid, read from its DER (RFC 5280 §4.1, X.690).

use serde::Serialize;

/// A certificate's validity, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Validity {
    /// The first second.
    pub not_before: u64,
    /// The last second.
    pub not_after: u64,
}

impl Validity {
    /// Reads it from a certificate.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate, _) = element(certificate)?;
        let (_, mut rest, _) = element(certificate)?; // TBSCertificate
        // version [0], serialNumber, signature, issuer; then validity.
        for _ in 0..4 {
            rest = element(rest)?.2;
        }
        let (_, validity, _) = element(rest)?;
        let (kind, not_before, rest) = element(validity)?;
        let not_before = time(kind, not_before)?;
        let (kind, not_after, _) = element(rest)?;
        Some(Validity { not_before, not_after: time(kind, not_after)? })
    }

    /// Has it at least a third of its life left at `now`?
    pub(super) fn is_fresh(self, now: u64) -> bool {
        let life = self.not_after.saturating_sub(self.not_before);
        self.not_before <= now && now.saturating_add(life / 3) <= self.not_after
    }
}

/// One DER element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if count > 4 {
            return None;
        }
        let (digits, after) = rest.split_at_checked(count)?;
        length = digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// UTCTime (`YYMMDDHHMMSSZ`, until 2049) or GeneralizedTime (`YYYYMMDDHHMMSSZ`).
fn time(kind: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let year_digits = if kind == 0x17 { 2 } else { 4 };
    let number = |from: usize, digits: usize| text.get(from..from + digits)?.parse::<u64>().ok();
    let year = number(0, year_digits)?;
    let year = match (year_digits, year) {
        (2, 50..) => 1900 + year,
        (2, _) => 2000 + year,
        _ => year,
    };
    let part = |index: usize| number(year_digits + index * 2, 2);
    let days = days_since_epoch(year, part(0)?, part(1)?)?;
    Some(days * 86_400 + part(2)? * 3600 + part(3)? * 60 + part(4)?)
}

/// Days from 1970-01-01 in the Gregorian calendar, counting years from March so that leap days come last.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    (year * 365 + leap_days + (month * 153 + 2) / 5 + day).checked_sub(719_469)
}

#[cfg(test)]
mod tests;
