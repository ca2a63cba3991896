//! Programs without trace context send nothing and are asked: it gives what sending gives, and says what it lacks.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use journey::{Journey, PartKind};
use lab::browser::{Browser, Request};
use tests::fixture::TestSlot;

use crate::check::{shown, sound};
use crate::measuring::{Kind, cold, measure, warm};

/// Who had the request, in order. Which pod was chosen is chance, and so is what somebody did with it: Redis answers a read
/// that was batched with another client's write after that write's fsync.
fn way(journey: &Journey) -> Vec<(String, PartKind)> {
    let mut way: Vec<_> = journey.parts.iter().map(|part| (part.role.clone(), part.kind)).collect();
    way.retain(|(_, kind)| [PartKind::Leg, PartKind::Own].contains(kind));
    way.dedup();
    way
}

#[tokio::test]
async fn what_is_asked_for_gives_the_journey_that_sending_gives() -> anyhow::Result<()> {
    let mut found = Vec::new();
    for (name, recorder) in [("recorders", 8_192), ("recorders-sent", 0)] {
        let slot = TestSlot::take(name).await?;
        let options = slot.options().set("telemetry.flight_recorder", recorder);
        let lab = slot.start(options).await?;
        let recorders = lab.target()?.hops.iter().filter(|hop| hop.recorder.is_some()).count();
        // Four name servers, two Services, a store and a broker, or nobody.
        ensure!((recorder > 0) == (recorders >= 8), "{recorders} programs keep what they did");
        let measured = measure(&lab, 4, Kind::Both).await?;
        measured.journeys().try_for_each(sound)?;
        // The last ones: connections among the hops are there.
        let last = [cold(&measured).last(), warm(&measured).last()];
        let [Some(cold), Some(warm)] = last else { anyhow::bail!("no journeys") };
        let hops = |journey: &Journey| journey.parts.iter().any(|part| part.role == "store");
        ensure!(hops(cold) && hops(warm), "{}", shown(cold));
        found.push((way(cold), way(warm)));
        lab.finish().await;
    }
    ensure!(found[0].0 == found[1].0, "cold:\n{:?}\n{:?}", found[0].0, found[1].0);
    ensure!(found[0].1 == found[1].1, "warm:\n{:?}\n{:?}", found[0].1, found[1].1);
    Ok(())
}

/// The twin: recorders that keep one exchange have overwritten most of a journey when they are asked.
#[tokio::test]
async fn what_was_overwritten_is_missing_and_the_journey_says_so() -> anyhow::Result<()> {
    let slot = TestSlot::take("recorders-small").await?;
    let options = slot.options().set("telemetry.flight_recorder", 1);
    let lab = slot.start(options).await?;
    let (target, collector) = (lab.target()?, lab.collector());
    let mut browser = Browser::new(target.browser.clone())?;
    let response = browser.send(&Request::add_item("PROD-123", 1)).await?;
    collector.claim(response.trace_id);
    collector.insert(response.spans);
    let roster = target.roster();
    let journey = collector.journey(response.trace_id, &roster, Duration::from_secs(3)).await;
    let journey = journey.context("the journey is put together all the same")?;
    ensure!(!journey.sealed(), "{}", shown(&journey));
    let said = |hop: &str| {
        let mut of_hop = journey.anomalies.iter().filter(|anomaly| anomaly.hop == hop);
        of_hop.any(|anomaly| anomaly.what.contains("overwritten"))
    };
    ensure!(journey.silent.iter().any(|hop| said(hop)), "{:?}\n{}", journey.anomalies, shown(&journey));
    lab.finish().await;
    Ok(())
}
