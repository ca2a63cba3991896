//! How the tests measure journeys of a lab.

use anyhow::ensure;
use journey::Journey;
use lab::measure::{Measured, Options};
use lab::target::Target;
use tests::fixture::Fixture;

/// Which kinds of journeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With empty caches.
    Cold,
    /// With everything warm.
    Warm,
    /// First cold ones, then as many warm ones.
    Both,
}

/// Measures `count` journeys of each kind, on the lab as it is.
pub(crate) async fn measure(lab: &Fixture, count: usize, kind: Kind) -> anyhow::Result<Measured> {
    measure_at(lab, &lab.target()?, count, kind).await
}

/// As [`measure`], from a browser that knows another target: another resolver, more hops.
pub(crate) async fn measure_at(
    lab: &Fixture,
    target: &Target,
    count: usize,
    kind: Kind,
) -> anyhow::Result<Measured> {
    let (cold, warm) = (kind != Kind::Warm, kind != Kind::Cold);
    let options = Options { count, cold, warm, ..Options::default() };
    let measured = lab::measure::run(target, lab.collector(), &options, |_, _| {}).await?;
    let expected = count * (usize::from(cold) + usize::from(warm));
    let got = measured.journeys().count();
    ensure!(got == expected, "{expected} journeys were made, {got} were put together");
    Ok(measured)
}

/// All cold journeys.
pub(crate) fn cold(measured: &Measured) -> &[Journey] {
    measured.cold.as_ref().map_or(&[], |series| &series.journeys)
}

/// All warm journeys.
pub(crate) fn warm(measured: &Measured) -> &[Journey] {
    measured.warm.as_ref().map_or(&[], |series| &series.journeys)
}

/// The middle one of some numbers; of an even count the lower of the two.
pub(crate) fn median<T: Ord + Copy>(numbers: impl IntoIterator<Item = T>) -> T {
    let mut sorted: Vec<T> = numbers.into_iter().collect();
    sorted.sort_unstable();
    sorted[(sorted.len() - 1) / 2]
}
