//! The client of the control server: what the `lab` command does with a lab that runs already.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use hop::admin::client;
use hyper::Method;
use measure::round_trips::Counted;
use serde_json::Value;
use stack::state::Run;

use super::messages::{Progress, Report};

/// A measurement may take this long.
const MEASURE_LIMIT: Duration = Duration::from_secs(7200);

/// Between two polls of a measurement's progress.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// A running lab's status.
///
/// # Errors
/// It cannot be reached.
pub async fn status(run: &Run) -> anyhow::Result<Report> {
    let reply = client::get(run.control, "/status").await.context("reach the running lab")?;
    serde_json::from_slice(&reply.body).context("understand the running lab's response")
}

/// A running lab's plan.
///
/// # Errors
/// It cannot be reached.
pub async fn plan(run: &Run) -> anyhow::Result<Value> {
    let reply = client::get(run.control, "/plan").await.context("reach the running lab")?;
    serde_json::from_slice(&reply.body).context("understand the running lab's response")
}

/// As [`measure()`]; `progress` is called a few times per second with how far it is.
///
/// # Errors
/// As there.
pub async fn measure_showing(
    run: &Run,
    options: &measure::Options,
    progress: impl FnMut(usize, usize),
) -> anyhow::Result<measure::Measured> {
    tokio::select! {
        measured = measure(run, options) => measured,
        never = follow(run, progress) => match never {},
    }
}

/// Polls the measurement's progress: that disturbs it less than a stream would.
async fn follow(run: &Run, mut progress: impl FnMut(usize, usize)) -> std::convert::Infallible {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    loop {
        ticks.tick().await;
        let reply = client::get(run.control, "/measure").await;
        if let Some(going) = reply.ok().and_then(|reply| serde_json::from_slice::<Progress>(&reply.body).ok())
        {
            progress(going.done, going.of);
        }
    }
}

/// Lets a running lab measure.
///
/// # Errors
/// The lab cannot be reached, or says why it could not measure.
pub async fn measure(run: &Run, options: &measure::Options) -> anyhow::Result<measure::Measured> {
    let body = serde_json::to_vec(options)?;
    let reply =
        client::request(run.control, Method::POST, "/measure", body.into(), Some(&run.secret), MEASURE_LIMIT);
    let reply = reply.await.context("reach the running lab")?;
    anyhow::ensure!(reply.status.is_success(), "{}", String::from_utf8_lossy(&reply.body).trim_end());
    serde_json::from_slice(&reply.body).context("understand the running lab's response")
}

/// Lets a running lab count round trips.
///
/// # Errors
/// The lab cannot be reached, or says why it could not count.
pub async fn budget(run: &Run) -> anyhow::Result<Counted> {
    let reply =
        client::request(run.control, Method::POST, "/budget", Bytes::new(), Some(&run.secret), MEASURE_LIMIT);
    let reply = reply.await.context("reach the running lab")?;
    anyhow::ensure!(reply.status.is_success(), "{}", String::from_utf8_lossy(&reply.body).trim_end());
    serde_json::from_slice(&reply.body).context("understand the running lab's response")
}
