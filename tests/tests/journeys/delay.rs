//! A wire that is slower by D makes its own time longer by D, and nobody else's.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use journey::{Attribution, Journey};
use lab::target::{Target, TargetHop};
use tests::fixture::{Fixture, TestSlot};
use tests::slow_link::SlowLink;

use crate::check::{shown, sound};
use crate::measuring::{Kind, measure_at};
use crate::wire::{WIRE, behind_a_wire};

/// How slow it is. What a busy machine adds to a median must certainly be more than half of it to be noticed.
const DELAY: Duration = Duration::from_millis(5);
/// So many journeys without it and so many with it, so often.
const EACH: usize = 4;
const ROUNDS: usize = 12;
/// How often at most, on a machine that is too busy for a verdict after [`ROUNDS`].
const MOST_ROUNDS: usize = 3 * ROUNDS;

#[tokio::test]
async fn http_between_load_balancer_and_ingress() -> anyhow::Result<()> {
    let (lab, link) = behind_a_wire("delay-http").await?;
    let target = lab.target()?;
    attributed(&lab, &target, &link, Kind::Warm, 1).await?;
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn redis_is_queried_twice() -> anyhow::Result<()> {
    let slot = TestSlot::take("delay-redis").await?;
    let link = SlowLink::tcp("127.0.0.1:0".parse()?, format!("127.96.50.110:{}", slot.port(6379)).parse()?)?;
    let mut options = slot
        .options()
        .set("hop.wire.role", "store")
        .set("hop.wire.external", format!("\"redis://{}\"", link.address()));
    for pod in ["cart-pod-abc12", "cart-pod-def34", "cart-pod-ghi56"] {
        options = options.set(&format!("hop.{pod}.store"), WIRE);
    }
    let lab = slot.start(options).await?;
    let target = lab.target()?;
    attributed(&lab, &target, &link, Kind::Warm, 2).await?;
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn dns_between_browser_and_resolver() -> anyhow::Result<()> {
    let lab = Fixture::start("delay-dns").await?;
    let link = SlowLink::udp("127.0.0.1:0".parse()?, lab.listen("resolver"))?;
    let mut target = lab.target()?;
    target.browser.resolver = link.address();
    let (name, role) = (WIRE.to_owned(), WIRE.to_owned());
    let listen = vec![link.address()];
    target.hops.push(TargetHop {
        name,
        role,
        pid: None,
        opaque: true,
        recorder: None,
        begins: None,
        listen,
        onward: Vec::new(),
    });
    attributed(&lab, &target, &link, Kind::Cold, 1).await?;
    lab.finish().await;
    Ok(())
}

/// Measures without and with the delay, which each journey meets `times` times.
async fn attributed(
    lab: &Fixture,
    target: &Target,
    link: &SlowLink,
    kind: Kind,
    times: u32,
) -> anyhow::Result<()> {
    // Connections are opened in the first one, whatever it measures.
    measure_at(lab, target, 1, kind).await?;
    // In turns: a machine that gets slower, or faster, does so for both.
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let (delay, noise) = (DELAY * times, DELAY / 2);
    let mut attribution = None;
    for round in 1..=MOST_ROUNDS {
        for (slower, journeys) in [(Duration::ZERO, &mut without), (DELAY, &mut with)] {
            link.delay(slower);
            journeys.extend(measure_at(lab, target, EACH, kind).await?.journeys().cloned());
        }
        // On a busy machine so many journeys say nothing for certain yet: more of them say it, or never will.
        if round >= ROUNDS {
            let between = Attribution::between(&without, &with);
            let certain = between.only(WIRE, delay, noise).is_ok();
            attribution = Some(between);
            if certain {
                break;
            }
        }
    }
    for journey in with.iter().chain(&without) {
        sound(journey)?;
    }
    let least = delay.as_nanos() as u64;
    at_least(&with, least)?;
    // The twin: a journey that met no slow wire must fail the same check. (On a busy machine a wire without
    // delay may well take as long.)
    let mut twin = without[0].clone();
    twin.parts.retain(|part| part.hop != WIRE);
    ensure!(at_least(&[twin], least).is_err(), "the check does not notice a wire without delay");

    let attribution = attribution.context("there were rounds")?;
    attribution.only(WIRE, delay, noise)?;
    // Its twins: another hop is not to blame, and more than the delay cannot be claimed.
    ensure!(attribution.only("lb", delay, noise).is_err(), "the delay is not in the load balancer");
    ensure!(attribution.only(WIRE, delay * 2, noise).is_err(), "the delay is not twice as long");
    Ok(())
}

/// The wire's time is never below the delay, in no journey.
fn at_least(journeys: &[Journey], delay: u64) -> anyhow::Result<()> {
    for journey in journeys {
        let wire = journey.own(WIRE);
        ensure!(
            wire >= delay,
            "the wire took {wire} ns, less than its delay of {delay} ns\n{}",
            shown(journey)
        );
    }
    Ok(())
}
