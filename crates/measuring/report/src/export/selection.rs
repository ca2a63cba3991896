//! What every form shows of a measurement: which kinds, which journey, from where.

use journey::Journey;
use measure::{Measured, Series};

/// The kinds that were measured, cold before warm, each with its name.
pub(super) fn kinds(measured: &Measured) -> impl Iterator<Item = (&'static str, &Series)> {
    let cold = measured.cold.as_ref().map(|series| ("cold", series));
    let warm = measured.warm.as_ref().map(|series| ("warm", series));
    cold.into_iter().chain(warm)
}

/// The journey in the middle: a real one, whose total lies in the middle of those that nothing was strange
/// about; the first one where all were strange.
pub(super) fn typical(series: &Series) -> Option<&Journey> {
    let mut clean: Vec<&Journey> = series.clean().collect();
    clean.sort_by_key(|journey| journey.total_ns);
    // Of an even number the lower one, as nearest rank has it.
    let middle = clean.len().checked_sub(1).map(|last| clean[last / 2]);
    middle.or(series.journeys.first())
}

/// Where the browser sent its requests.
pub(super) fn origin(measured: &Measured) -> &str {
    // Files of earlier versions do not say.
    if measured.origin.is_empty() { "https://api.myshop.com" } else { &measured.origin }
}
