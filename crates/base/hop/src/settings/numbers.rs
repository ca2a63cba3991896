//! Numbers and times as arguments: the one parser for `#[arg(value_parser = …)]`.

use std::fmt::Display;
use std::ops::{Bound, RangeBounds};
use std::str::FromStr;
use std::time::Duration;

/// A number in a range; what is outside is refused with the range that was expected: `number(1_u16..)`.
pub fn number<N>(
    range: impl RangeBounds<N> + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: FromStr + PartialOrd + Display,
{
    quantity("a number", range)
}

/// As [`number`], of what: `quantity("requests per second", 0.1..=100.0)`.
pub fn quantity<N>(
    what: &'static str,
    range: impl RangeBounds<N> + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: FromStr + PartialOrd + Display,
{
    move |text| {
        let parsed: Option<N> = text.parse().ok();
        parsed.filter(|number| range.contains(number)).ok_or_else(|| expected(what, &range))
    }
}

/// A time in milliseconds, in a range of these.
pub fn milliseconds(
    range: impl RangeBounds<u64> + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    let number = number(range);
    move |text| number(text).map(Duration::from_millis)
}

fn expected<N: Display>(what: &str, range: &impl RangeBounds<N>) -> String {
    let least = match range.start_bound() {
        Bound::Included(least) | Bound::Excluded(least) => format!(" from {least}"),
        Bound::Unbounded => String::new(),
    };
    let most = match range.end_bound() {
        Bound::Included(most) => format!(" to {most}"),
        Bound::Excluded(end) => format!(" to below {end}"),
        Bound::Unbounded => " on".to_owned(),
    };
    format!("expected {what}{least}{most}")
}

#[cfg(test)]
mod tests;
