//! Statistical budgets: is a percentile within a limit? *Inconclusive* is a conclusion, too.
//!
//! Of `n` independent samples the number below the true percentile is binomial, whatever the
//! distribution. So two of the sorted samples enclose it with a probability that can be counted: that is
//! the interval. A budget is *within* when the whole interval is, *over* when the whole interval is
//! above it, and *inconclusive* when the limit lies inside: more journeys make the interval narrower.
//!
//! ```
//! use std::time::Duration;
//! use journey::{Conclusion, Quantile};
//!
//! # let journeys: Vec<_> = (0..40).map(|at| journey::example(100 + at)).collect();
//! let p50 = Quantile::of(journeys.iter().map(|j| j.hop("cart").own()), 50.0);
//! assert_eq!(p50.within(Duration::from_millis(1)).conclusion, Conclusion::Within);
//! assert_eq!(p50.within(Duration::from_micros(100)).conclusion, Conclusion::Over);
//! let close = p50.within(Duration::from_micros(120));
//! assert_eq!(close.conclusion, Conclusion::Inconclusive, "{close}");
//! ```

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::order_statistics::{CONFIDENCE, cut, enough};

/// Is it within the limit?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conclusion {
    /// Yes, with the stated confidence.
    Within,
    /// No, with the stated confidence.
    Over,
    /// These samples do not tell.
    Inconclusive,
}

impl Conclusion {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Conclusion::Within => "within",
            Conclusion::Over => "over",
            Conclusion::Inconclusive => "inconclusive",
        }
    }
}

/// A conclusion and the statistic behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Within, over, or not to be told.
    pub conclusion: Conclusion,
    /// What was measured, how sure it is, what the limit is.
    pub statement: String,
}

impl Verdict {
    /// Is it over for certain? What a test should fail for: `assert!(!verdict.is_over(), "{verdict}")`.
    pub fn is_over(&self) -> bool {
        self.conclusion == Conclusion::Over
    }

    /// Is it within for certain? A stricter test fails without.
    pub fn is_within(&self) -> bool {
        self.conclusion == Conclusion::Within
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.conclusion.as_str(), self.statement)
    }
}

/// A percentile of some times, and between which values it truly lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantile {
    /// Which: 50 is the median.
    pub percent: f64,
    /// Of so many samples.
    pub samples: usize,
    /// Of so many starts of the programs. An interval of one says nothing of another.
    pub runs: usize,
    /// The sample at this rank (nearest rank), whether or not their number carries it; zero of no samples.
    pub estimate: Duration,
    /// It is truly not less than this; `None` when there are too few samples to tell.
    pub least: Option<Duration>,
    /// It is truly not more than this.
    pub most: Option<Duration>,
    /// How sure the interval is, 0 to 1.
    pub confidence: f64,
}

impl Quantile {
    /// The percentile of these times of one run, with an interval of [`CONFIDENCE`].
    pub fn of(times: impl IntoIterator<Item = Duration>, percent: f64) -> Quantile {
        Quantile::sure(times, percent, CONFIDENCE)
    }

    /// The same, as sure as this.
    pub fn sure(times: impl IntoIterator<Item = Duration>, percent: f64, confidence: f64) -> Quantile {
        let mut sorted: Vec<Duration> = times.into_iter().collect();
        sorted.sort_unstable();
        let n = sorted.len();
        let share = (percent / 100.0).clamp(0.0, 1.0);
        let rank = (share * n as f64).ceil() as usize;
        let (least, most) = ranks(n, share, confidence);
        let at = |index: Option<usize>| index.and_then(|index| sorted.get(index)).copied();
        Quantile {
            percent,
            samples: n,
            runs: 1,
            estimate: at(Some(rank.max(1) - 1)).unwrap_or_default(),
            least: at(least),
            most: at(most),
            confidence,
        }
    }

    /// Is it at most `limit`?
    pub fn within(&self, limit: Duration) -> Verdict {
        let conclusion = match (self.least, self.most) {
            (_, Some(most)) if most <= limit => Conclusion::Within,
            (Some(least), _) if least > limit => Conclusion::Over,
            _ => Conclusion::Inconclusive,
        };
        let Quantile { percent, samples, runs, estimate, .. } = self;
        let bound = |bound: Option<Duration>| bound.map_or_else(|| "?".to_owned(), milliseconds);
        let enough = enough(percent / 100.0, self.confidence);
        let mut statement = if *samples < enough {
            format!("p{percent} of {samples} cannot be told (too few: it takes at least {enough})")
        } else {
            let [estimate, least, most] = [Some(*estimate), self.least, self.most].map(bound);
            let sure = format!("{:.2}", self.confidence * 100.0);
            let sure = sure.trim_end_matches('0').trim_end_matches('.');
            let of = if *runs > 1 { format!("{samples} in {runs} runs") } else { samples.to_string() };
            format!("p{percent} of {of} is {estimate} ms, {sure} % sure from {least} to {most} ms")
        };
        statement += &format!("; the limit is {} ms", milliseconds(limit));
        if conclusion == Conclusion::Inconclusive && *samples >= enough {
            let more = if *runs > 1 { "runs" } else { "journeys" };
            statement += &format!(" (more {more} make the interval narrower)");
        }
        Verdict { conclusion, statement }
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}

/// The positions (from 0) in `n` sorted samples between which the quantile of a share (0 to 1) lies with
/// at least this confidence; `None` at an end where there are too few samples.
fn ranks(n: usize, share: f64, confidence: f64) -> (Option<usize>, Option<usize>) {
    let miss = (1.0 - confidence) / 2.0;
    let most = cut(n, 1.0 - share, miss).map(|cut| n - 1 - cut);
    (cut(n, share, miss), most)
}

#[cfg(test)]
mod tests;
