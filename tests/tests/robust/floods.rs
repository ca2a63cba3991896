//! The lab's own memory is bounded by what it keeps for people, whoever sends how much, and it comes back.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use lab::measure;
use tests::flood;
use tests::standalone::Standalone;
use tests::usage::{mebibytes, reset_peak};

/// How long each flood lasts.
const FLOOD: Duration = Duration::from_secs(4);
/// The most that the lab's own process ever has, in MiB.
const MOST: f64 = 150.0;
/// What it comes back to.
const AFTERWARDS: f64 = 60.0;
/// How long that may take: what nobody asks for is forgotten by what comes after it, and by time.
const BACK: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_labs_own_memory_is_bounded_under_floods_and_comes_back() -> anyhow::Result<()> {
    let collector = hop::listen::own_loopback();
    let lab = Standalone::start("floods", &[&format!("network.collector={collector}")]).await?;
    let (pid, load) = (lab.run.pid, lab.load()?);
    let (resolver, name_server) = (lab.listen("resolver")?, lab.listen("myshop")?);

    reset_peak(pid)?;
    let sent = while_measuring(&lab, load.run((16, 4), None, FLOOD)).await?;
    held(pid, "requests", sent.created, 100).await?;
    for server in [resolver, name_server] {
        reset_peak(pid)?;
        let answered = while_measuring(&lab, flood::dns(server, FLOOD)).await?;
        held(pid, "DNS queries", answered, 1_000).await?;
    }
    reset_peak(pid)?;
    let taken = while_measuring(&lab, flood::spans(collector, FLOOD)).await?;
    held(pid, "spans", taken, 20_000).await?;
    lab.stop().await
}

/// A flood, and beside it the journeys of somebody who uses the lab: they are what it asks all programs for.
async fn while_measuring<T>(
    lab: &Standalone,
    flood: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let journeys = measure::Options { count: 10, cold: false, ..Default::default() };
    let (flooded, measured) = tokio::join!(flood, lab::control::client::measure(&lab.run, &journeys));
    let measured = measured.context("measure beside a flood")?;
    ensure!(
        measured.warm.is_some_and(|warm| warm.journeys.len() == 10),
        "journeys beside a flood are still measured"
    );
    flooded
}

/// `least` is what a slow machine with a debug build still carries.
async fn held(pid: u32, what: &str, count: u64, least: u64) -> anyhow::Result<()> {
    ensure!(count > least, "{count} {what} are no flood");
    let most = mebibytes(pid, "VmHWM").context("the lab runs")?;
    let back = hop::wait::until(format!("the lab's memory to come back after {what}"), BACK, async || {
        mebibytes(pid, "VmRSS").filter(|resident| *resident <= AFTERWARDS)
    });
    let back = back.await.map_err(anyhow::Error::from).with_context(|| format!("it had {most:.0} MiB"))?;
    eprintln!("{count} {what}: at most {most:.0} MiB, {back:.0} MiB afterwards");
    ensure!(most <= MOST, "under {count} {what} the lab had {most:.0} MiB");
    Ok(())
}
