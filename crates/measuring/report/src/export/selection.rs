//! What every form shows of a measurement: which kinds, which journey, from where.

use journey::{Journey, near};
use measure::{Measured, Series};

/// The kinds that were measured, cold before warm, each with its name.
pub(super) fn kinds(measured: &Measured) -> impl Iterator<Item = (&'static str, &Series)> {
    let cold = measured.cold.as_ref().map(|series| ("cold", series));
    let warm = measured.warm.as_ref().map(|series| ("warm", series));
    cold.into_iter().chain(warm)
}

/// The journey in the middle: a real one, whose total is the median of those that nothing was strange
/// about; the first one where all were strange.
pub(super) fn typical(series: &Series) -> Option<&Journey> {
    let middle = near(&series.journeys, 50.0);
    middle.get(middle.len() / 2).copied().or(series.journeys.first())
}

/// Where the browser sent its requests.
pub(super) fn origin(measured: &Measured) -> &str {
    // Files of earlier versions do not say.
    if measured.origin.is_empty() { "https://api.myshop.com" } else { &measured.origin }
}
