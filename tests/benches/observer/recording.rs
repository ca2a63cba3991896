//! One request at a time, recorded and not recorded by turns, as `lab measure --overhead` does it.

use std::fmt::Write as _;

use anyhow::Context as _;
use lab::measure;
use tests::standalone::Standalone;

/// Starts of the programs: what one start decides, all its requests share.
const STARTS: usize = 3;
/// Requests in all stretches of one kind.
const REQUESTS: usize = 2_000;

pub(crate) async fn run() -> anyhow::Result<String> {
    let mut table = "\
| start | CPU of all hops per request, not recorded | recording adds | 95 % |
|---|---|---|---|
"
    .to_owned();
    for start in 1..=STARTS {
        eprintln!("start {start} of {STARTS}: recorded and not recorded by turns");
        let lab = Standalone::start("observer", &[]).await?;
        let options = measure::Options { count: REQUESTS, cold: false, overhead: true, ..Default::default() };
        let measured = lab::control::client::measure(&lab.run, &options).await?;
        let cost = measured.overhead.context("it was asked for")?.cpu;
        let [added, low, high] = cost.shares().map(|share| share * 100.0);
        let _ = writeln!(
            table,
            "| {start} | {:.0} µs | {added:+.1} % ({:+.0} µs) | {low:+.1} … {high:+.1} % |",
            cost.without_ns as f64 / 1e3,
            cost.added_ns as f64 / 1e3
        );
        lab.stop().await?;
    }
    Ok(table)
}
