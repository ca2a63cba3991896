//! Do these runs differ from those?
//!
//! A run is one start of the programs with the journeys that were made then. Where their memory came to lie, which
//! connections their pools hold, what else the machine does in that minute: all journeys of a run share it, so they
//! are no independent samples of a change. The run is the unit here: each gives one median, and the interval of the
//! difference is Student's t, from how the medians of runs scatter ([`compare_runs`]).

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use crate::compare::Comparison;

/// How the runs of both sides were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Design {
    /// In turn, the n-th of each side close together: what the machine did meanwhile, it did to both. The interval is
    /// that of the mean of their differences.
    Paired,
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
        Design::Paired if before.len() == after.len() => {
            let pairs: Vec<f64> = before.iter().zip(&after).map(|(before, after)| after - before).collect();
            let pairs = Sample::of(&pairs)?;
            (pairs.count > 1.0).then(|| t(pairs.count - 1.0, tail) * pairs.error().sqrt())
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
