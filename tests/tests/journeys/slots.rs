//! A pod that is not ours: it keeps the contract, and reports nothing, or what OpenTelemetry's stock SDK does.

use anyhow::{Context as _, ensure};
use journey::{Journey, PartKind, Quality};
use lab::Options;
use tests::fixture::{Fixture, TestSlot};
use tests::readers::{Foreign, Readers};

use crate::check::{shown, sound};
use crate::measuring::{Kind, measure};

/// The pod of another make.
const FOREIGN: &str = "cart-pod-def34";
/// Journeys of each kind.
const EACH: usize = 5;

/// The command of a cart pod in Python.
fn foreign(python: &str) -> anyhow::Result<String> {
    let script = lab::workspace::root().context("the workspace")?.join("tests/foreign/cart.py");
    Ok(format!("{python} {}", script.display()))
}

/// All requests go to the foreign pod.
async fn alone(slot: TestSlot, python: &str, reports: Option<&str>) -> anyhow::Result<Fixture> {
    let mut options: Options = slot
        .options()
        .swap(FOREIGN, &foreign(python)?)
        .set("hop.cart-service.endpoints", format!("[\"{FOREIGN}\"]"));
    if let Some(mode) = reports {
        options = options
            .set(&format!("hop.{FOREIGN}.reports"), true)
            .set(&format!("hop.{FOREIGN}.env"), format!("{{ OPENTELEMETRY = \"{mode}\" }}"));
    }
    slot.start(options).await
}

/// Everybody but the foreign program, in front of it and behind it, is measured and not inferred; a leg from or to a
/// program without stamps has an end that is.
pub(crate) fn exact(journey: &Journey, foreign: &str, without_stamps: bool) -> anyhow::Result<()> {
    sound(journey)?;
    exact_parts(journey, foreign, without_stamps)
}

fn exact_parts(journey: &Journey, foreign: &str, without_stamps: bool) -> anyhow::Result<()> {
    for role in ["lb", "ingress", "cart-service", "inventory-service", "inventory"] {
        ensure!(journey.own(role) > 0, "{role} took no time\n{}", shown(journey));
    }
    for part in journey.parts.iter().filter(|part| part.hop != foreign) {
        let leg = without_stamps && part.kind == PartKind::Leg && part.name.contains(foreign);
        let measured = part.kind != PartKind::Opaque && (leg || part.quality != Quality::Inferred);
        ensure!(measured, "{} {:?} is {:?}\n{}", part.hop, part.kind, part.quality, shown(journey));
    }
    Ok(())
}

fn kinds(journey: &Journey) -> Vec<PartKind> {
    let mut kinds: Vec<PartKind> =
        journey.parts.iter().filter(|part| part.hop == FOREIGN).map(|part| part.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn a_pod_that_reports_nothing_is_one_opaque_hop() -> anyhow::Result<()> {
    let slot = TestSlot::take("slot-silent").await?;
    let lab = alone(slot, "python3", None).await?;
    for journey in measure(&lab, EACH, Kind::Both).await?.journeys() {
        exact(journey, FOREIGN, false)?;
        ensure!(kinds(journey) == [PartKind::Opaque], "{}", shown(journey));
        // Its store and its broker are within its own time: RESP carries no trace context.
        ensure!(journey.own("store") == 0 && journey.own(FOREIGN) > 0, "{}", shown(journey));
    }
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn one_foreign_pod_among_ours_costs_no_journey() -> anyhow::Result<()> {
    let slot = TestSlot::take("slot-mixed").await?;
    let options =
        slot.options().swap(FOREIGN, &foreign("python3")?).set("hop.cart-service.mode", "\"round-robin\"");
    let lab = slot.start(options).await?;
    let (mut ours, mut theirs) = (0, 0);
    // The ingress keeps its connection, and with it the pod: another life of it gets another pod.
    for life in 0..3 {
        if life > 0 {
            let pid = lab.pid("ingress");
            lab.kill("ingress")?;
            lab.ready_again("ingress", pid).await?;
        }
        for journey in measure(&lab, EACH, Kind::Warm).await?.journeys() {
            sound(journey)?;
            let foreign =
                journey.parts.iter().any(|part| part.hop == FOREIGN && part.kind == PartKind::Opaque);
            if foreign {
                theirs += 1;
                exact(journey, FOREIGN, false)?;
            } else {
                ours += 1;
                ensure!(journey.own("store") > 0 && journey.own("events") > 0, "{}", shown(journey));
                let inferred = journey.parts.iter().any(|part| part.quality == Quality::Inferred);
                ensure!(!inferred, "{}", shown(journey));
            }
        }
    }
    ensure!(ours + theirs == 3 * EACH && ours >= EACH && theirs >= EACH, "{ours} ours and {theirs} theirs");
    lab.finish().await;
    Ok(())
}

/// SERVER and CLIENT spans without stamps: descended by their parents, not swallowed.
#[tokio::test]
async fn a_pod_with_the_stock_sdk_hides_nobody_behind_it() -> anyhow::Result<()> {
    let Some(readers) = Readers::find("a_pod_with_the_stock_sdk_hides_nobody_behind_it")? else {
        return Ok(());
    };
    for (mode, name) in [("spans", "slot-sdk"), ("server", "slot-sdk-server")] {
        let slot = TestSlot::take(name).await?;
        let lab = alone(slot, &readers.program("bin/python3")?, Some(mode)).await?;
        for journey in measure(&lab, EACH, Kind::Both).await?.journeys() {
            exact(journey, FOREIGN, true)?;
            let own = journey.parts.iter().any(|part| part.hop == FOREIGN && part.kind == PartKind::Own);
            ensure!(own, "{mode}: it reports its own time\n{}", shown(journey));
        }
        lab.finish().await;
    }
    Ok(())
}

/// OpenTelemetry's stock instrumentation for Node, in front of a program that knows nothing of it. Its clock knows
/// milliseconds; Redis' part is what it says of its commands.
#[tokio::test]
async fn a_pod_in_node_needs_no_line_about_tracing() -> anyhow::Result<()> {
    let Some(foreign) = Foreign::find("a_pod_in_node_needs_no_line_about_tracing")? else { return Ok(()) };
    let slot = TestSlot::take("slot-node").await?;
    let script = lab::workspace::root().context("the workspace")?.join("tests/foreign/node/cart.js");
    let register = "@opentelemetry/auto-instrumentations-node/register";
    let env = serde_json::json!(foreign.node_modules()?);
    let options = slot
        .options()
        .swap(FOREIGN, &format!("node --require {register} '{}'", script.display()))
        .set(&format!("hop.{FOREIGN}.reports"), true)
        .set(
            &format!("hop.{FOREIGN}.env"),
            format!("{{ NODE_PATH = {env}, OTEL_NODE_RESOURCE_DETECTORS = \"env\" }}"),
        )
        .set("hop.cart-service.endpoints", format!("[\"{FOREIGN}\"]"));
    let lab = slot.start(options).await?;
    let measured = measure(&lab, 2 * EACH, Kind::Both).await?;
    for journey in measured.journeys() {
        let redis = |part: &&journey::Part| part.hop == "redis";
        for part in journey.parts.iter().filter(redis) {
            ensure!(part.kind == PartKind::Opaque && part.quality == Quality::Inferred, "{}", shown(journey));
        }
        let others = Journey {
            parts: journey.parts.iter().filter(|part| !redis(part)).cloned().collect(),
            ..journey.clone()
        };
        sound(journey)?;
        exact_parts(&others, FOREIGN, true)?;
        let own = journey.parts.iter().any(|part| part.hop == FOREIGN && part.kind == PartKind::Own);
        ensure!(own, "it reports its own time\n{}", shown(journey));
    }
    lab.finish().await;
    Ok(())
}
