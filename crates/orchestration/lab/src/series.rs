//! Statistical budgets over many journeys of one kind.
//!
//! ```
//! use std::time::Duration;
//! use lab::measure::Series;
//!
//! # let journeys = (0..40).map(|at| journey::example(100 + at)).collect();
//! # let series = Series::of(journeys);
//! // let series = lab.measure_warm(200).await?;
//! let verdict = series.p50(|j| j.hop("cart").own()).within(Duration::from_millis(2));
//! assert!(verdict.is_within(), "{verdict}");
//! // A tail needs many journeys: 40 cannot tell a p99, and the verdict says so.
//! let verdict = series.p99(|j| j.total()).within(Duration::from_secs(1));
//! assert_eq!(verdict.conclusion, journey::Conclusion::Inconclusive, "{verdict}");
//! ```

use std::time::Duration;

use journey::{Journey, Quantile};

use crate::measure::Series;

impl Series {
    /// The journeys that count: sealed, and nothing about them was strange.
    pub fn clean(&self) -> impl Iterator<Item = &Journey> {
        self.journeys.iter().filter(|journey| journey.clean())
    }

    /// A percentile of what `of` reads from each journey that counts, with its confidence interval.
    pub fn quantile(&self, percent: f64, of: impl Fn(&Journey) -> Duration) -> Quantile {
        Quantile::of(self.clean().map(of), percent)
    }

    /// The median.
    pub fn p50(&self, of: impl Fn(&Journey) -> Duration) -> Quantile {
        self.quantile(50.0, of)
    }

    /// What nine in ten journeys do not exceed.
    pub fn p90(&self, of: impl Fn(&Journey) -> Duration) -> Quantile {
        self.quantile(90.0, of)
    }

    /// What ninety-nine in a hundred journeys do not exceed.
    pub fn p99(&self, of: impl Fn(&Journey) -> Duration) -> Quantile {
        self.quantile(99.0, of)
    }
}
