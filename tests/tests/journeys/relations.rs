//! Relations between times, at medians: the machine is busy, so single journeys prove nothing.

use anyhow::ensure;
use journey::Stage;
use tests::fixture::TestSlot;

use crate::check::{clocks, shown, sound};
use crate::measuring::{Kind, cold, measure, median, warm};

#[tokio::test]
async fn what_is_warm_is_faster_and_nothing_goes_missing() -> anyhow::Result<()> {
    let slot = TestSlot::take("relations").await?;
    let options = slot.options().set("telemetry.delay_ms", 200);
    let lab = slot.start(options).await?;
    let first = measure(&lab, 15, Kind::Both).await?;
    let total = |journeys: &[journey::Journey]| median(journeys.iter().map(|journey| journey.total_ns));
    let (cold_total, warm_total) = (total(cold(&first)), total(warm(&first)));
    ensure!(warm_total < cold_total, "warm takes {warm_total} ns, cold {cold_total} ns at the median");

    let many = measure(&lab, 200, Kind::Warm).await?;
    for journey in warm(&many) {
        sound(journey)?;
        for hop in [
            "browser",
            "lb",
            "ingress",
            "cart-service",
            "cart",
            "inventory-service",
            "inventory",
            "store",
            "events",
        ] {
            ensure!(journey.own(hop) > 0, "{hop} took no time\n{}", shown(journey));
        }
        let stages: std::time::Duration =
            Stage::ALL.into_iter().map(|stage| journey.stage(stage).total()).sum();
        let total = i64::try_from(stages.as_nanos())? + journey.unaccounted_ns;
        ensure!(total == i64::try_from(journey.total_ns)?, "{}", shown(journey));
        ensure!(journey.unaccounted_ns >= -clocks(journey.total_ns), "{}", shown(journey));
    }
    // The stated reach of the measurement: unaccounted ≤ 1 % or 20 µs, whichever is more.
    let unaccounted = median(warm(&many).iter().map(|journey| journey.unaccounted_ns));
    let total = total(warm(&many));
    let reach = (total / 100).max(20_000);
    ensure!(
        unaccounted.unsigned_abs() <= reach,
        "{unaccounted} ns of {total} ns are unaccounted at the median"
    );
    let summary = many.warm.as_ref().and_then(|series| series.summary.as_ref());
    let summary = summary.ok_or_else(|| anyhow::anyhow!("200 journeys have a summary"))?;
    // Whatever befell a journey, it counts: the figures are those of all that were made.
    let clean = warm(&many).iter().filter(|j| j.clean()).count();
    ensure!(summary.journeys == 200 && summary.flagged == 200 - clean, "{summary:?}");
    let total = median(warm(&many).iter().map(|j| j.total_ns));
    let slowest = warm(&many).iter().map(|j| j.total_ns).max();
    ensure!(summary.total.count == 200 && summary.total.p50_ns == Some(total), "{summary:?}");
    ensure!(summary.total.min_ns <= total && Some(summary.total.max_ns) == slowest, "{summary:?}");
    lab.finish().await;
    Ok(())
}
