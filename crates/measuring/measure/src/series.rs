//! Many journeys of one kind, and statistical budgets over them.
//!
//! ```
//! use std::time::Duration;
//! use measure::Series;
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

use journey::{Flagged, Journey, Quantile, Summary, Tally};
use serde::{Deserialize, Serialize};

use crate::open_loop::OpenLoop;

/// Requests that came to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// So many.
    pub count: usize,
    /// What was wrong with the first of them.
    pub first: Option<String>,
}

impl Failures {
    /// Did every request get what it asked for?
    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn add(&mut self, error: &anyhow::Error) {
        self.count += 1;
        self.first.get_or_insert_with(|| format!("{error:#}"));
    }
}

/// Journeys of one kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Series {
    /// Over all of them; absent when none could be used.
    pub summary: Option<Summary>,
    /// Journeys that are in no row, because their parts cannot be trusted: the first hundred of them, and why.
    pub flagged: Vec<Flagged>,
    /// With a rate: how it was kept, and what all requests took, recorded or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_loop: Option<OpenLoop>,
    /// Requests that got no response, or another than 201: they are in no figure.
    #[serde(default, skip_serializing_if = "Failures::is_none")]
    pub failures: Failures,
    /// In the order in which they were made: each of them, or as many as were to be kept, evenly spread.
    pub journeys: Vec<Journey>,
}

impl Series {
    /// Sums journeys up, all of which are kept.
    pub fn of(journeys: Vec<Journey>) -> Series {
        let mut tally = Tally::default();
        journeys.iter().for_each(|journey| tally.add(journey));
        let (summary, flagged) = (tally.summary(&journeys), tally.flagged().to_vec());
        Series { summary, flagged, journeys, ..Series::default() }
    }

    /// The journeys whose parts count: sealed, and nothing about them was strange.
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
