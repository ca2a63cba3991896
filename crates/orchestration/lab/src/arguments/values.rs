//! Numbers as they are typed: parsed, and refused with what was expected.

use hop::settings::{number, quantity};

/// No measurement has more journeys of one kind.
pub(super) const MOST: usize = 1_000_000;

pub(super) fn count(text: &str) -> Result<usize, String> {
    number(1..=MOST)(text)
}

/// Two starts of a variant are the fewest that scatter.
pub(super) fn runs(text: &str) -> Result<usize, String> {
    number(2..=1_000)(text)
}

pub(super) fn connections(text: &str) -> Result<usize, String> {
    number(1..=1024)(text)
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    quantity("requests per second", 0.1..=100_000.0)(text)
}

pub(super) fn percent(text: &str) -> Result<f64, String> {
    quantity("a percentage", 0.0..=10_000.0)(text.trim_end_matches('%'))
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    quantity("seconds", 0.1..=3600.0)(text)
}
