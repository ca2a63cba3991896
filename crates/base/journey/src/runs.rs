//! Do these runs differ from those?
//!
//! A run is one start of the programs with the journeys that were made then. Where their memory came to lie, which
//! connections their pools hold, what else the machine does in that minute: all journeys of a run share it, so they
//! are no independent samples of a change. The run is the unit here: each gives one median, and the interval of the
//! difference is Student's t, from how the medians of runs scatter ([`compare_runs`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use crate::compare::Comparison;
use crate::verdict::Quantile;

/// How the runs of both sides were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Design {
    /// In turn, the n-th of each side close together: what the machine did meanwhile, it did to both. The interval is
    /// that of the mean of their differences.
    Paired,
    /// In turn, and the first so many pairs decided how many there are ([`pairs_needed`]). A pilot that happens to scatter
    /// little calls for few, so what all of them scatter is then too little as well; the interval is the wider one of
    /// Stein's (1945, from the pilot alone, exact) and that of all pairs.
    Planned {
        /// How many pairs decided.
        pilot: usize,
    },
    /// Independently of each other. The interval is Welch's (1947, for unequal variances).
    Unpaired,
}

/// Compares two sets of runs by the medians of each; `None` when a side has none, or a run is empty.
///
/// The second is *faster* or *slower* when the whole interval of the difference lies beyond `least_ns` on that side.
/// With one run a side there is no interval and no verdict: two runs cannot tell a change from another start of the
/// programs.
pub fn compare_runs(
    before: &[Vec<u64>],
    after: &[Vec<u64>],
    design: Design,
    confidence: f64,
    least_ns: u64,
) -> Option<Comparison> {
    let medians = |runs: &[Vec<u64>]| runs.iter().map(|run| median(run)).collect::<Option<Vec<f64>>>();
    let (before, after) = (medians(before)?, medians(after)?);
    let (one, other) = (Sample::of(&before)?, Sample::of(&after)?);
    let tail = (1.0 - confidence) / 2.0;
    let half = match design {
        Design::Paired | Design::Planned { .. } if before.len() == after.len() => {
            let pairs: Vec<f64> = before.iter().zip(&after).map(|(before, after)| after - before).collect();
            let half = |of: &[f64]| {
                let of = Sample::of(of).filter(|of| of.count > 1.0)?;
                Some(t(of.count - 1.0, tail) * (of.variance / pairs.len() as f64).sqrt())
            };
            match design {
                Design::Planned { pilot } if pilot < pairs.len() => {
                    half(&pairs).zip(half(&pairs[..pilot])).map(|(all, pilot)| all.max(pilot))
                }
                _ => half(&pairs),
            }
        }
        _ => (one.count > 1.0 && other.count > 1.0).then(|| {
            let (a, b) = (one.error(), other.error());
            // Welch and Satterthwaite's degrees of freedom. Without any scatter there is nothing to weigh.
            let degrees = (a + b).powi(2) / (a * a / (one.count - 1.0) + b * b / (other.count - 1.0));
            let degrees = if degrees.is_finite() { degrees } else { one.count + other.count - 2.0 };
            t(degrees, tail) * (a + b).sqrt()
        }),
    };
    Some(Comparison::of((one.mean, other.mean), other.mean - one.mean, half, least_ns))
}

/// How many pairs of runs it takes until the interval of the mean of their differences reaches at most `half_width_ns` to
/// either side, as their first pairs have it; `None` of fewer than two.
///
/// This is decided once, by a pilot, and the verdict is read once, when so many are made (Stein 1945: the pilot tells how
/// much the differences scatter, which for a normal distribution says nothing of their mean). Who looks at the verdict
/// after each pair, and stops when he likes it, is wrong far more often than he claims.
pub fn pairs_needed(
    before: &[Vec<u64>],
    after: &[Vec<u64>],
    confidence: f64,
    half_width_ns: f64,
) -> Option<usize> {
    let pair = |(before, after): (&Vec<u64>, &Vec<u64>)| Some(median(after)? - median(before)?);
    let pairs = before.iter().zip(after).map(pair).collect::<Option<Vec<f64>>>()?;
    let pilot = Sample::of(&pairs).filter(|pilot| pilot.count > 1.0)?;
    let half_width_of_one = t(pilot.count - 1.0, (1.0 - confidence) / 2.0) * pilot.variance.sqrt();
    let needed = (half_width_of_one / half_width_ns.max(1.0)).powi(2).ceil();
    Some((needed as usize).max(pairs.len()))
}

/// The mean of the runs' medians, with Student's t interval from how they scatter; `None` of none, or an empty one.
pub fn median_of_runs(runs: &[Vec<u64>], confidence: f64) -> Option<Quantile> {
    let medians = runs.iter().map(|run| median(run)).collect::<Option<Vec<f64>>>()?;
    let sample = Sample::of(&medians)?;
    let half =
        (sample.count > 1.0).then(|| t(sample.count - 1.0, (1.0 - confidence) / 2.0) * sample.error().sqrt());
    // A time is not below zero, whatever a symmetric interval says.
    let time = |nanoseconds: f64| Duration::from_nanos(nanoseconds.max(0.0).round() as u64);
    Some(Quantile {
        percent: 50.0,
        samples: runs.iter().map(Vec::len).sum(),
        runs: runs.len(),
        estimate: time(sample.mean),
        least: half.map(|half| time(sample.mean - half)),
        most: half.map(|half| time(sample.mean + half)),
        confidence,
    })
}

/// A mean and the variance around it.
struct Sample {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Sample {
    fn of(values: &[f64]) -> Option<Sample> {
        let count = values.len() as f64;
        let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / count)?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Sample { count, mean, variance: if count > 1.0 { squares / (count - 1.0) } else { 0.0 } })
    }

    /// The square of the mean's standard error.
    fn error(&self) -> f64 {
        self.variance / self.count
    }
}

fn median(times: &[u64]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let n = sorted.len();
    Some((*sorted.get(n.checked_sub(1)? / 2)? as f64 + sorted[n / 2] as f64) / 2.0)
}

/// Student's t with these degrees of freedom that is exceeded with this chance.
fn t(degrees: f64, chance: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees).map_or(f64::INFINITY, |it| -it.inverse_cdf(chance))
}

#[cfg(test)]
mod tests;
