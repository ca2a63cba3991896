//! Are these faster than those? Statistics of two sets of times, and what they allow one to say.
//!
//! Everything here is about the *median*, without any assumption about the shape of the distribution:
//!
//! * the interval of one median comes from order statistics: of `n` independent values the number below
//!   the true median is binomial (n, ½), so the k-th smallest and the k-th largest enclose it with a
//!   probability that can be counted ([`median_interval`]);
//! * the interval of a difference of two medians is that of Price and Bonett (2002, "Distribution-free
//!   confidence intervals for difference and ratio of medians"): each median's standard error is read
//!   off its own order statistics ([`compare`]).

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, Normal};

use crate::order_statistics::{chances, cut};

/// What two sets of times allow one to say about the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Its median is lower, by more than the least difference that counts.
    Faster,
    /// Its median is higher, by more than the least difference that counts.
    Slower,
    /// If there is a difference, it is no larger than the interval's ends, which is as close as was wanted.
    Equivalent,
    /// Nothing can be said: too few or too scattered samples.
    Inconclusive,
}

impl Change {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Faster => "faster",
            Change::Slower => "slower",
            Change::Equivalent => "equivalent",
            Change::Inconclusive => "inconclusive",
        }
    }
}

/// Two sets of times beside each other, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The first one's median.
    pub before_ns: u64,
    /// The second one's median.
    pub after_ns: u64,
    /// The second median less the first.
    pub difference_ns: i64,
    /// The interval that holds the true difference with the given confidence: its lower end,
    pub low_ns: Option<i64>,
    /// and its upper end; absent when there are too few samples for that confidence.
    pub high_ns: Option<i64>,
    /// The second median divided by the first; absent when the first is 0.
    pub ratio: Option<f64>,
    /// What that allows one to say.
    pub verdict: Change,
}

/// The interval that holds the median with at least this confidence (0 to 1), from the k-th smallest to
/// the k-th largest of the samples, which need no order; `None` when there are too few of them (95 % needs
/// six).
///
/// The samples must be independent of each other; where neighbours resemble each other, the true
/// confidence is lower ([`compare`] allows for that, this does not).
pub fn median_interval(samples: &[u64], confidence: f64) -> Option<(u64, u64)> {
    let cut = cut(samples.len(), 0.5, (1.0 - confidence) / 2.0)?;
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    Some((sorted[cut], sorted[sorted.len() - 1 - cut]))
}

/// Compares two sets of times by their medians; `None` when one is empty.
///
/// The second is *faster* or *slower* when the whole interval of the difference lies beyond `least_ns`
/// on that side. Samples stand in the order in which they were taken: where neighbours resemble each
/// other (a machine that is busy for a while), the interval becomes wider.
/// What one start of the programs decided, and was the same for all of its samples, nothing here can see: for
/// that, see [`compare_runs`](crate::compare_runs).
pub fn compare(before: &[u64], after: &[u64], confidence: f64, least_ns: u64) -> Option<Comparison> {
    let (one, other) = (Median::of(before)?, Median::of(after)?);
    let difference = other.at - one.at;
    let miss = 1.0 - confidence;
    let enough = [before, after].iter().all(|samples| cut(samples.len(), 0.5, miss / 2.0).is_some());
    let half =
        one.error.zip(other.error).filter(|_| enough).map(|(one, other)| z(miss / 2.0) * one.hypot(other));
    Some(Comparison::of((one.at, other.at), difference, half, least_ns))
}

impl Comparison {
    /// Half the width of the interval, in nanoseconds.
    pub fn half_width_ns(&self) -> Option<u64> {
        self.low_ns.zip(self.high_ns).map(|(low, high)| high.abs_diff(low).div_ceil(2))
    }

    /// If there is a difference, it is not larger than this: how far the interval reaches from 0.
    pub fn at_most_ns(&self) -> Option<u64> {
        self.low_ns.zip(self.high_ns).map(|(low, high)| low.unsigned_abs().max(high.unsigned_abs()))
    }

    /// Who is neither faster nor slower is equivalent, if the interval reaches at most so far to either side of its
    /// middle.
    #[must_use]
    pub fn or_equivalent(self, enough_ns: u64) -> Self {
        match (self.verdict, self.half_width_ns()) {
            (Change::Inconclusive, Some(half)) if half <= enough_ns => {
                Comparison { verdict: Change::Equivalent, ..self }
            }
            _ => self,
        }
    }

    /// Two medians (nanoseconds), their difference, and half the width of its interval, if there is one.
    pub(crate) fn of((before, after): (f64, f64), difference: f64, half: Option<f64>, least_ns: u64) -> Self {
        let (low, high) = (half.map(|half| difference - half), half.map(|half| difference + half));
        let least = least_ns as f64;
        let verdict = match (low, high) {
            (Some(low), _) if low > least => Change::Slower,
            (_, Some(high)) if high < -least => Change::Faster,
            _ => Change::Inconclusive,
        };
        Comparison {
            before_ns: before.round() as u64,
            after_ns: after.round() as u64,
            difference_ns: difference.round() as i64,
            low_ns: low.map(|low| low.floor() as i64),
            high_ns: high.map(|high| high.ceil() as i64),
            ratio: (before > 0.0).then(|| after / before),
            verdict,
        }
    }
}

/// A median and its standard error.
struct Median {
    at: f64,
    error: Option<f64>,
}

impl Median {
    fn of(samples: &[u64]) -> Option<Median> {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let n = sorted.len();
        let at = (*sorted.get(n.checked_sub(1)? / 2)? as f64 + sorted[n / 2] as f64) / 2.0;
        // Price and Bonett: the c-th from both ends, about two standard errors out; how many exactly is
        // counted, as in `median_interval`.
        let c = ((n as f64 + 1.0) / 2.0 - (n as f64).sqrt()).round().max(1.0) as usize;
        let error = (2 * c <= n).then(|| {
            let width = (sorted[n - c] - sorted[c - 1]) as f64;
            let independent = width / (2.0 * z(chance_below(n, c)));
            scatter(samples).map_or(independent, |scatter| scatter.max(independent))
        });
        Some(Median { at, error })
    }
}

/// The standard error of the median as the series itself shows it: cut into stretches, whose medians
/// scatter more than those of independent samples would when the machine is slow for a while ("batch
/// means" in the literature on simulations). `None` when the stretches would be too short.
fn scatter(samples: &[u64]) -> Option<f64> {
    const STRETCHES: usize = 25;
    const SHORTEST: usize = 5;
    let length = samples.len() / STRETCHES;
    if length < SHORTEST {
        return None;
    }
    let medians: Vec<f64> = samples
        .chunks_exact(length)
        .take(STRETCHES)
        .map(|stretch| {
            let mut stretch = stretch.to_vec();
            let (_, median, _) = stretch.select_nth_unstable(length / 2);
            *median as f64
        })
        .collect();
    let mean = medians.iter().sum::<f64>() / STRETCHES as f64;
    let squares: f64 = medians.iter().map(|median| (median - mean).powi(2)).sum();
    Some((squares / (STRETCHES * (STRETCHES - 1)) as f64).sqrt())
}

/// The chance that fewer than `c` of `n` values lie below their true median.
fn chance_below(n: usize, c: usize) -> f64 {
    chances(n, 0.5).take(c).sum()
}

/// The standard normal value that is exceeded with this chance (below one half).
fn z(chance: f64) -> f64 {
    (-Normal::standard().inverse_cdf(chance.clamp(1e-300, 0.5))).max(0.001)
}

#[cfg(test)]
mod tests;
