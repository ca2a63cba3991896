//! Percentiles of any number of times, in bounded memory.

use crate::percentile::{Percentiles, rank};

/// An HdrHistogram of nanoseconds with three significant digits: a percentile is at most 0.1 % above the
/// true one, and never above the largest value.
#[derive(Clone, Debug)]
pub struct Histogram {
    inner: hdrhistogram::Histogram<u64>,
    min: Option<u64>,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let inner = hdrhistogram::Histogram::new(3).expect("three digits are within what it can do");
        Histogram { inner, min: None, max: 0 }
    }
}

impl Histogram {
    /// Adds a time in nanoseconds.
    pub fn record(&mut self, nanoseconds: u64) {
        // It grows as needed; what it cannot count in the end (584 years) counts as the most it can.
        if self.inner.record(nanoseconds).is_err() {
            self.inner.saturating_record(nanoseconds);
        }
        self.min = Some(self.min.map_or(nanoseconds, |min| min.min(nanoseconds)));
        self.max = self.max.max(nanoseconds);
    }

    /// How many were added.
    pub fn len(&self) -> usize {
        usize::try_from(self.inner.len()).unwrap_or(usize::MAX)
    }

    /// Was nothing added?
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// The largest, exactly; 0 when there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The smallest value that at least `percent` of all are not above (nearest rank); `None` when they are
    /// [too few](crate::carries) to tell.
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        self.percentile_among(percent, self.len())
    }

    /// As [`Histogram::percentile`], but as if zeros had been added until there were `all`.
    pub fn percentile_among(&self, percent: f64, all: usize) -> Option<u64> {
        let zeros = all - self.len().min(all);
        Some(match rank(all, percent)?.checked_sub(zeros) {
            None | Some(0) => 0,
            // The middle of the rank, so that no rounding makes it the next one.
            Some(rank) => self.inner.value_at_quantile((rank as f64 - 0.5) / self.len() as f64).min(self.max),
        })
    }

    /// What its count carries.
    pub fn percentiles(&self) -> Percentiles {
        let at = |percent| self.percentile(percent);
        Percentiles {
            count: self.len(),
            min_ns: self.min.unwrap_or_default(),
            p50_ns: at(50.0),
            p90_ns: at(90.0),
            p99_ns: at(99.0),
            p999_ns: at(99.9),
            max_ns: self.max,
        }
    }
}

#[cfg(test)]
mod tests;
