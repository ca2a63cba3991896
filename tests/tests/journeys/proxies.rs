//! Proxies of others in the place of the ingress, with the spans that they send as they come: their own time is measured, the
//! legs from and to them are inferred, and everybody behind them is exact.

use anyhow::ensure;
use journey::{Journey, PartKind, Quality};
use lab::Options;
use tests::fixture::{Fixture, TestSlot};
use tests::readers::Foreign;

use crate::check::shown;
use crate::measuring::{Kind, measure};
use crate::slots::exact;
use crate::swap::rules_hold;

/// Journeys of each kind.
const EACH: usize = 5;

/// Measures with this proxy.
async fn measured(
    name: &str,
    foreign: &Foreign,
    swap: impl Fn(Options) -> Options,
) -> anyhow::Result<Fixture> {
    let slot = TestSlot::take(name).await?;
    let options = slot.options().set("hop.ingress.env.PATH", serde_json::Value::from(foreign.path()?));
    let lab = slot.start(swap(options)).await?;
    for journey in measure(&lab, EACH, Kind::Both).await?.journeys() {
        exact(journey, "ingress", true)?;
        for role in ["cart", "store", "events"] {
            ensure!(journey.own(role) > 0, "{role} took no time\n{}", shown(journey));
        }
        own_time_twice(journey)?;
    }
    Ok(lab)
}

/// It works on the request and on the response, and says so itself.
fn own_time_twice(journey: &Journey) -> anyhow::Result<()> {
    let own = |part: &&journey::Part| part.hop == "ingress" && part.kind == PartKind::Own;
    let own: Vec<_> = journey.parts.iter().filter(own).collect();
    ensure!(own.len() > 1 && own.iter().all(|part| part.duration_ns > 0), "{own:?}\n{}", shown(journey));
    // When it sent the one and had the other it does not say.
    for name in ["ingress → cart-service", "cart-service → ingress"] {
        for leg in journey.parts.iter().filter(|part| part.kind == PartKind::Leg && part.name == name) {
            ensure!(leg.quality == Quality::Inferred, "{name} is {:?}\n{}", leg.quality, shown(journey));
        }
    }
    Ok(())
}

#[tokio::test]
async fn envoy_is_the_ingress_and_says_so_itself() -> anyhow::Result<()> {
    let Some(foreign) = Foreign::find("envoy_is_the_ingress_and_says_so_itself")? else { return Ok(()) };
    let lab = measured("proxy-envoy", &foreign, |options| options.swap("ingress", "envoy")).await?;
    rules_hold(&lab).await?;
    lab.finish().await;
    Ok(())
}

/// It packs what it sends.
#[tokio::test]
async fn traefik_is_the_ingress_and_says_so_itself() -> anyhow::Result<()> {
    let Some(foreign) = Foreign::find("traefik_is_the_ingress_and_says_so_itself")? else { return Ok(()) };
    let lab = measured("proxy-traefik", &foreign, |options| options.swap("ingress", "traefik")).await?;
    rules_hold(&lab).await?;
    lab.finish().await;
    Ok(())
}

/// It sends a SERVER span alone, and passes that one's context on. Its file is the one that docs/swapping.md shows.
#[tokio::test]
async fn caddy_is_the_ingress_by_a_command_of_ones_own() -> anyhow::Result<()> {
    let Some(foreign) = Foreign::find("caddy_is_the_ingress_by_a_command_of_ones_own")? else {
        return Ok(());
    };
    let swap = |options: Options| {
        options
            .swap("ingress", "caddy run --config {CONFIG} --adapter caddyfile")
            .set("hop.ingress.config", "tests/foreign/Caddyfile")
            .set("hop.ingress.reports", true)
    };
    let lab = measured("proxy-caddy", &foreign, swap).await?;
    rules_hold(&lab).await?;
    lab.finish().await;
    Ok(())
}
