//! Percentiles by nearest rank, of values and of journeys.

use crate::part::Journey;

/// The smallest value that at least `percent` of all are not above (nearest rank).
pub(crate) fn percentile(sorted: &[u64], percent: f64) -> Option<u64> {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// The clean journeys whose totals lie nearest to a percentile of all totals: one in twenty, in the
/// outer tenths one in a hundred (the tail is steep), at least one.
pub fn near(journeys: &[Journey], percent: f64) -> Vec<&Journey> {
    let mut clean: Vec<&Journey> = journeys.iter().filter(|journey| journey.clean()).collect();
    clean.sort_by_key(|journey| journey.total_ns);
    if clean.is_empty() {
        return clean;
    }
    let rank = ((percent / 100.0 * clean.len() as f64).ceil() as usize).clamp(1, clean.len()) - 1;
    let one_in = if (10.0..=90.0).contains(&percent) { 20 } else { 100 };
    let width = (clean.len() / one_in).max(1);
    let first = rank.saturating_sub(width / 2).min(clean.len() - width);
    clean[first..first + width].to_vec()
}
