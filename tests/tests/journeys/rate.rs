//! An open loop: requests go out when they are due, and what they take counts from then.

use std::time::Duration;

use crate::check::sound;
use crate::wire::behind_a_wire;
use anyhow::{Context as _, ensure};
use journey::Journey;
use lab::measure::open_loop::OpenLoop;
use lab::measure::{Options, Series};

/// A request every 100 ms: a machine that is busy with other tests keeps up with that.
const RATE: f64 = 10.0;
const PERIOD: Duration = Duration::from_millis(100);
/// Four seconds of them.
const COUNT: usize = 40;
/// How long the wire holds a request back: a dozen others become due meanwhile.
const STALL: Duration = Duration::from_millis(1200);

#[tokio::test]
async fn a_stall_is_seen_by_every_request_that_was_due_in_it() -> anyhow::Result<()> {
    let (lab, link) = behind_a_wire("rate-stall").await?;
    let options =
        Options { count: COUNT, cold: false, rate: Some(RATE), connections: 1, ..Options::default() };
    let (target, collector) = (lab.target()?, lab.collector().clone());
    let before = link.passed();
    let measuring =
        tokio::spawn(async move { lab::measure::run(&target, &collector, &options, |_, _| {}).await });
    // One request warms the connection; after a few more the wire gets stuck, until something has passed it.
    let limit = Duration::from_secs(60);
    let passed = async |at_least: u64| (link.passed() >= at_least).then_some(());
    hop::wait::until("five requests on the wire", limit, async || passed(before + 5).await).await?;
    link.delay(STALL);
    let stuck = link.passed();
    // Two, because one of them may be the lb asking whether the ingress is well.
    hop::wait::until("the request that was held back", limit, async || passed(stuck + 2).await).await?;
    link.delay(Duration::ZERO);
    let measured = measuring.await??;
    let series = measured.warm.context("an open loop is warm")?;
    let run = series.open_loop.as_ref().context("it was an open loop")?;

    ensure!((run.sent, run.answered, run.failed) == (COUNT, COUNT, 0), "{run:?}");
    ensure!(run.connections == 1 && run.most_at_once == 1 && run.most_waiting > 0, "{run:?}");
    ensure!(run.achieved_per_second <= RATE * 1.001 && run.stopped.is_none(), "{run:?}");
    ensure!(series.journeys.len() == COUNT, "{} journeys", series.journeys.len());
    due_on_time(&series)?;
    for journey in &series.journeys {
        sound(journey)?;
    }
    sees_the_stall(&series, Journey::response)?;
    // The twin: what a closed loop would report does not see it.
    ensure!(sees_the_stall(&series, Journey::service).is_err(), "service times cannot see a stall");
    // In numbers: of 40, a dozen were due in the stall, and four of them early in it.
    let half = (STALL / 2).as_nanos() as u64;
    ensure!(run.response.p90_ns >= Some(half) && run.response.p90_ns > run.service.p90_ns, "{run:?}");
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn a_rate_that_is_too_high_is_said_and_comes_to_an_end() -> anyhow::Result<()> {
    let (lab, link) = behind_a_wire("rate-high").await?;
    link.delay(Duration::from_millis(50));
    // One at a time, each at least 50 ms: no more than 20 per second can be achieved. After three seconds all
    // are due, and most of them wait.
    let options =
        Options { count: 1_500, cold: false, rate: Some(500.0), connections: 1, ..Options::default() };
    let measured = lab::measure::run(&lab.target()?, lab.collector(), &options, |_, _| {}).await?;
    let run: OpenLoop = measured.warm.and_then(|warm| warm.open_loop).context("it was an open loop")?;
    ensure!(!run.kept_up() && run.achieved_per_second <= 20.0, "{run:?}");
    ensure!(run.sent < 500 && run.answered == run.sent && run.most_waiting > 100, "{run:?}");
    ensure!(run.unsent > 100 && run.sent + run.unsent <= 1_500, "what was never sent is counted: {run:?}");
    let why = run.stopped.clone().unwrap_or_default();
    ensure!(why.contains("no more were sent"), "{run:?}");
    // Who waited longest waited the five seconds after which it was given up; serving took far less.
    ensure!(run.response.max_ns > 4_000_000_000 && run.service.p50_ns >= Some(50_000_000), "{run:?}");
    ensure!(run.service.p50_ns < run.response.p50_ns, "{run:?}");
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn several_connections_carry_what_one_cannot() -> anyhow::Result<()> {
    let (lab, link) = behind_a_wire("rate-many").await?;
    link.delay(Duration::from_millis(400));
    // Each takes 400 ms and more, ten per second are due: four at once at least.
    let options = Options {
        count: COUNT,
        cold: false,
        rate: Some(RATE),
        connections: 32,
        keep: 10,
        ..Options::default()
    };
    let measured = lab::measure::run(&lab.target()?, lab.collector(), &options, |_, _| {}).await?;
    let series = measured.warm.context("an open loop is warm")?;
    let run = series.open_loop.as_ref().context("it was an open loop")?;
    ensure!((run.sent, run.answered) == (COUNT, COUNT) && run.most_at_once >= 4, "{run:?}");
    ensure!(run.achieved_per_second > 2.5, "one connection alone has at most 2.5 per second: {run:?}");
    // Every fourth request was recorded; the figures of the loop are those of all.
    ensure!(series.journeys.len() == 10, "{} journeys were to be kept", series.journeys.len());
    let summary = series.summary.as_ref().context("some are clean")?;
    ensure!((summary.total.count, summary.journeys) == (COUNT, 10), "{summary:?}");
    ensure!(
        run.response.count == COUNT && summary.total.max_ns == run.response.max_ns,
        "{summary:?} {run:?}"
    );
    lab.finish().await;
    Ok(())
}

trait Times {
    /// From when it was due.
    fn response(&self) -> u64;
    /// From when the browser began.
    fn service(&self) -> u64;
}

impl Times for Journey {
    fn response(&self) -> u64 {
        self.total_ns
    }

    fn service(&self) -> u64 {
        self.total_ns - self.sum(|part| part.name == journey::semconv::name::SEND_QUEUE)
    }
}

/// Journeys begin when they were due, however late they were sent.
fn due_on_time(series: &Series) -> anyhow::Result<()> {
    let first = series.journeys.first().context("no journeys")?.start_unix_ns;
    for (at, journey) in series.journeys.iter().enumerate() {
        let due = first + at as u64 * PERIOD.as_nanos() as u64;
        // Two clocks are read to tell; they are never further apart than a pause between the readings.
        let off = journey.start_unix_ns.abs_diff(due);
        ensure!(off < 5_000_000, "request {at} was due {off} ns from its time");
    }
    Ok(())
}

/// Every request that was due while the longest one was served took at least until that one's end: there
/// is one connection only. And there were as many as the rate says.
fn sees_the_stall(series: &Series, time: impl Fn(&Journey) -> u64) -> anyhow::Result<()> {
    let stuck = series.journeys.iter().max_by_key(|journey| journey.service()).context("no journeys")?;
    let end = stuck.start_unix_ns + stuck.response();
    let begun = end - stuck.service();
    let due: Vec<&Journey> = series
        .journeys
        .iter()
        .filter(|journey| (begun + 1..end).contains(&journey.start_unix_ns))
        .filter(|journey| journey.trace_id != stuck.trace_id)
        .collect();
    let expected = (STALL.as_nanos() / PERIOD.as_nanos()) as usize - 1;
    ensure!(due.len() >= expected, "{} requests were due in the stall, not {expected}", due.len());
    for journey in due {
        // A hair less: the ends are read from two clocks.
        let left = (end - journey.start_unix_ns).saturating_sub(1_000_000);
        let took = time(journey);
        ensure!(took >= left, "a request due {left} ns before the stall's end took {took} ns");
    }
    Ok(())
}
