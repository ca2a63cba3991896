//! Percentiles of any number of times, in bounded memory.

/// An HdrHistogram of nanoseconds with three significant digits: a percentile is at most 0.1 % above the
/// true one, and never above the largest value.
#[derive(Clone, Debug)]
pub struct Histogram {
    inner: hdrhistogram::Histogram<u64>,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let inner = hdrhistogram::Histogram::new(3).expect("three digits are within what it can do");
        Histogram { inner, max: 0 }
    }
}

impl Histogram {
    /// Adds a time in nanoseconds.
    pub fn record(&mut self, nanoseconds: u64) {
        // It grows as needed; what it cannot count in the end (584 years) counts as the most it can.
        if self.inner.record(nanoseconds).is_err() {
            self.inner.saturating_record(nanoseconds);
        }
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

    /// The smallest value that at least `percent` of all are not above (nearest rank); 0 when there is none.
    pub fn percentile(&self, percent: f64) -> u64 {
        self.percentile_among(percent, self.len())
    }

    /// As [`Histogram::percentile`], but as if zeros had been added until there were `all`.
    pub fn percentile_among(&self, percent: f64, all: usize) -> u64 {
        let rank = ((percent / 100.0 * all as f64).ceil() as usize).clamp(1, all.max(1));
        let Some(rank) = rank.checked_sub(all.saturating_sub(self.len())).filter(|rank| *rank > 0) else {
            return 0;
        };
        // The middle of the rank, so that no rounding makes it the next one.
        let value = self.inner.value_at_quantile((rank as f64 - 0.5) / self.inner.len() as f64);
        if self.is_empty() { 0 } else { value.min(self.max) }
    }
}

#[cfg(test)]
mod tests;
