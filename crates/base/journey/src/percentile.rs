//! Percentiles by nearest rank, of values and of journeys, each only where the count carries it.

use serde::{Deserialize, Serialize};

use crate::journey::Journey;
use crate::order_statistics::{CONFIDENCE, enough};

/// Percentiles of some times, in nanoseconds; what their count does not carry is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Of so many times.
    pub count: usize,
    /// The shortest; 0 when there is none.
    pub min_ns: u64,
    /// Half of all are at most this.
    pub p50_ns: Option<u64>,
    /// Nine in ten.
    pub p90_ns: Option<u64>,
    /// Ninety-nine in a hundred.
    pub p99_ns: Option<u64>,
    /// Nine hundred and ninety-nine in a thousand.
    pub p999_ns: Option<u64>,
    /// The longest; 0 when there is none.
    pub max_ns: u64,
}

impl Percentiles {
    /// Those of these times, which need no order.
    pub fn of(mut times: Vec<u64>) -> Percentiles {
        times.sort_unstable();
        let at = |percent| percentile(&times, percent);
        Percentiles {
            count: times.len(),
            min_ns: times.first().copied().unwrap_or_default(),
            p50_ns: at(50.0),
            p90_ns: at(90.0),
            p99_ns: at(99.0),
            p999_ns: at(99.9),
            max_ns: times.last().copied().unwrap_or_default(),
        }
    }
}

/// Can a percentile be told from so many times? Only where two of them enclose it with 95 % confidence, whatever the
/// distribution: a median takes 6, a p90 36, a p99 368, a p99.9 3688. Below that the largest of them would be printed
/// under another name.
pub fn carries(count: usize, percent: f64) -> bool {
    count >= needed(percent)
}

/// How many times a percentile takes.
pub fn needed(percent: f64) -> usize {
    let share = percent / 100.0;
    enough(share.max(1.0 - share), CONFIDENCE)
}

/// The smallest value that at least `percent` of all are not above (nearest rank); `None` when they are too few.
pub(crate) fn percentile<T: Copy>(sorted: &[T], percent: f64) -> Option<T> {
    sorted.get(rank(sorted.len(), percent)? - 1).copied()
}

/// Which of `count` sorted times, from 1, is the percentile; `None` when they are too few.
pub(crate) fn rank(count: usize, percent: f64) -> Option<usize> {
    // What a float is off by makes no rank the next one.
    let rank = (percent / 100.0 * count as f64 - 1e-6).ceil() as usize;
    carries(count, percent).then(|| rank.clamp(1, count))
}

/// The clean journeys whose totals lie nearest to a percentile of all totals: one in twenty, in the
/// outer tenths one in a hundred (the tail is steep), at least one. None when they are too few to have that percentile.
pub fn near(journeys: &[Journey], percent: f64) -> Vec<&Journey> {
    let mut clean: Vec<&Journey> = journeys.iter().filter(|journey| journey.clean()).collect();
    clean.sort_by_key(|journey| journey.total_ns);
    let Some(rank) = rank(clean.len(), percent) else { return Vec::new() };
    let one_in = if (10.0..=90.0).contains(&percent) { 20 } else { 100 };
    let width = (clean.len() / one_in).max(1);
    let first = (rank - 1).saturating_sub(width / 2).min(clean.len() - width);
    clean[first..first + width].to_vec()
}

#[cfg(test)]
mod tests;
