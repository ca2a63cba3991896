//! Connections, handshakes and questions: exact, and the same on every machine.

use anyhow::{Context as _, ensure};
use journey::{Counts, Journey, Roster, Stage};
use lab::browser::{Browser, Request};
use std::time::Duration;
use tests::fixture::Fixture;

use crate::check::{legs, shown, sound};
use crate::measuring::{Kind, cold, measure, warm};

/// One from the browser, one from the resolver for each of root, com and myshop.
const QUESTIONS: u32 = 1 + 3;
/// Of lb and ingress: to the next hop. Of the pod: to inventory-service, redis and kafka.
const HOPS: u32 = 2 + 3;
/// Of both Services: to one of their pods, for each connection that is made to them.
const SERVICES: u32 = 2;

fn counted(journey: &Journey, opened: u32, handshakes: u32, questions: u32) -> anyhow::Result<()> {
    let Counts { connections_opened, tls_handshakes, dns_queries, .. } = journey.counts;
    ensure!(
        (connections_opened, tls_handshakes, dns_queries) == (opened, handshakes, questions),
        "{connections_opened} connections opened (expected {opened}), {tls_handshakes} handshakes ({handshakes}), {dns_queries} questions ({questions})\n{}",
        shown(journey)
    );
    Ok(())
}

#[tokio::test]
async fn cold_warm_and_cold_again() -> anyhow::Result<()> {
    let lab = Fixture::start("counts").await?;
    // The very first journey: nobody knows anybody yet.
    let first = measure(&lab, 1, Kind::Both).await?;
    counted(&cold(&first)[0], 1 + HOPS + SERVICES, 1, QUESTIONS)?;
    counted(&warm(&first)[0], 0, 0, 0)?;
    ensure!(
        warm(&first)[0].counts.connections_reused == 1 + HOPS + 1,
        "redis is asked twice on one connection"
    );
    for stage in [Stage::Dns, Stage::Tcp, Stage::Tls] {
        ensure!(!cold(&first)[0].stage(stage).is_empty(), "cold has {}", stage.title());
        ensure!(warm(&first)[0].stage(stage).is_empty(), "warm has no {}", stage.title());
    }
    // A new browser and an empty resolver, but the hops have their connections among each other.
    let again = measure(&lab, 4, Kind::Both).await?;
    for journey in cold(&again) {
        counted(journey, 1, 1, QUESTIONS)?;
    }
    for journey in warm(&again) {
        counted(journey, 0, 0, 0)?;
    }
    // The same request has the same size on a warm connection, but for the digits of its traceparent:
    // HTTP/2 sends them as Huffman codes of 5 to 7 bits (RFC 7541 Appendix B).
    let sizes = || warm(&again).iter().map(|journey| journey.counts.request_bytes.unwrap_or(0));
    let (least, most) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
    ensure!(least > 100 && most - least <= 16, "requests have {least} to {most} bytes");
    ensure!(warm(&again).windows(2).all(|pair| legs(&pair[0]) == legs(&pair[1])), "warm journeys are alike");
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn what_is_forgotten_is_what_is_done_again() -> anyhow::Result<()> {
    let lab = Fixture::start("counts-partly").await?;
    let target = lab.target()?;
    let roster = target.roster();
    let request = Request::add_item("PROD-123", 1);
    let mut browser = Browser::new(target.browser)?;
    let first = made(&lab, &mut browser, &request, &roster).await?;
    counted(&first, 1 + HOPS + SERVICES, 1, QUESTIONS)?;

    // The resolver knows, the browser does not: one question.
    browser.forget()?;
    counted(&made(&lab, &mut browser, &request, &roster).await?, 1, 1, 1)?;

    // The load balancer is a new process: the connection is gone, the name is not. Its first request
    // needs a connection to the ingress, too.
    let pid = lab.pid("lb");
    lab.kill("lb")?;
    lab.ready_again("lb", pid).await?;
    counted(&made(&lab, &mut browser, &request, &roster).await?, 1 + 1, 1, 0)?;
    counted(&made(&lab, &mut browser, &request, &roster).await?, 0, 0, 0)?;
    lab.finish().await;
    Ok(())
}

/// One journey of a browser that the test holds in its hands.
async fn made(
    lab: &Fixture,
    browser: &mut Browser,
    request: &Request,
    roster: &Roster,
) -> anyhow::Result<Journey> {
    let answer = browser.send(request).await?;
    lab.collector().claim(answer.trace_id);
    lab.collector().insert(answer.spans);
    let journey = lab.collector().journey(answer.trace_id, roster, Duration::from_secs(10)).await;
    let journey = journey.ok_or_else(|| anyhow::anyhow!("nothing is known of {}", answer.trace_id))?;
    sound(&journey)?;
    Ok(journey)
}

/// There are five of them: one warms the connections, four are measured, and whoever comes later is refused.
#[tokio::test]
async fn failed_requests_are_counted_and_the_others_measured() -> anyhow::Result<()> {
    let lab = Fixture::start("failures").await?;
    let options = lab::measure::Options {
        product: "PROD-125".to_owned(),
        count: 8,
        cold: false,
        ..lab::measure::Options::default()
    };
    let series = lab.measure(&options).await?.warm.context("warm journeys are measured")?;
    ensure!(series.journeys.len() == 4 && series.failures.count == 4, "{:?}", series.failures);
    ensure!(
        series.failures.first.as_ref().is_some_and(|first| first.contains("409")),
        "{:?}",
        series.failures
    );
    // Nothing but failures is no measurement.
    let options = lab::measure::Options { cold: true, warm: false, ..options };
    let error = lab.measure(&options).await.err().context("nothing can be measured")?;
    ensure!(format!("{error:#}").contains("8 of 8 requests failed"), "{error:#}");
    lab.finish().await;
    Ok(())
}
