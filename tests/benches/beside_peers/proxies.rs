//! lb, ingress and clusterip beside HAProxy, nginx and HAProxy, before the same nginx: what a request costs each program,
//! and how that grows.

use std::fmt::Write as _;

use anyhow::ensure;
use tests::figures::quartiles;

use super::chain::{self, Chain};
use super::requests::{Load, Outcome, load};
use super::rounds::ratio;

const ROUNDS: usize = 8;
/// Rounds at each size of the growth.
const GROWTH_ROUNDS: usize = 2;

const MANY: Load = Load { connections: 16, streams: 4 };
const ONE: Load = Load { connections: 1, streams: 1 };

pub(crate) async fn run() -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    chain::certificate(folder).await?;
    let server = chain::server(folder)?;
    let chains = [chain::ours(server.address, folder).await?, chain::theirs(server.address, folder).await?];
    let mut table = HEAD.to_owned();
    for (what, size) in [("16 connections × 4 streams", MANY), ("one at a time", ONE)] {
        let outcomes = in_turns(what, &chains, size, ROUNDS, folder).await?;
        table += &compared(what, &chains, &outcomes);
    }
    table += GROWTH_HEAD;
    let connections = [1, 10, 100, 1_000].map(|connections| Load { connections, streams: 1 });
    let streams = [4, 16, 64].map(|streams| Load { connections: 1, streams });
    for size in connections.into_iter().chain(streams) {
        let what = format!("{} × {}", size.connections, size.streams);
        let outcomes = in_turns(&what, &chains, size, GROWTH_ROUNDS, folder).await?;
        for (chain, outcomes) in chains.iter().zip(&outcomes) {
            table += &grown(&what, chain, outcomes);
        }
    }
    Ok(table)
}

/// Both take turns, and who is first changes from round to round: A B, B A, and so on.
async fn in_turns(
    what: &str,
    chains: &[Chain; 2],
    size: Load,
    rounds: usize,
    folder: &std::path::Path,
) -> anyhow::Result<[Vec<Outcome>; 2]> {
    let mut outcomes = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for turn in 0..chains.len() {
            let at = (turn + round) % chains.len();
            let outcome = load(&chains[at], size, folder).await?;
            eprintln!(
                "{what}: round {} of {rounds}, {}: {:.0}/s, {:.1} µs of CPU, {:.0} µs",
                round + 1,
                chains[at].name,
                outcome.per_second,
                outcome.sum(),
                outcome.median
            );
            outcomes[at].push(outcome);
        }
    }
    let tls = |at: usize| outcomes[at].first().map(|outcome| &outcome.tls);
    ensure!(tls(0) == tls(1), "the two speak different TLS: {:?} and {:?}", tls(0), tls(1));
    Ok(outcomes)
}

const HEAD: &str = "\
| load | what | ours | theirs | ours to theirs (quartiles) |
|---|---|---|---|---|
";

fn compared(load: &str, chains: &[Chain; 2], outcomes: &[Vec<Outcome>; 2]) -> String {
    let mut rows = String::new();
    let mut row = |what: &str, unit: &str, digits: usize, value: &dyn Fn(&Outcome) -> f64| {
        let [ours, theirs] =
            outcomes.each_ref().map(|outcomes| outcomes.iter().map(value).collect::<Vec<f64>>());
        let median = |values: &[f64]| quartiles(values.to_vec())[1];
        let _ = writeln!(
            rows,
            "| {load} | {what} | {:.digits$}{unit} | {:.digits$}{unit} | {} |",
            median(&ours),
            median(&theirs),
            ratio(&ours, &theirs)
        );
    };
    let [ours, theirs] = chains.each_ref().map(Chain::names);
    for at in 0..ours.len() {
        let what = format!("CPU per request, {} beside {}", ours[at], theirs[at]);
        row(&what, " µs", 1, &|outcome| outcome.cpu[at]);
    }
    row("CPU per request, all three", " µs", 1, &Outcome::sum);
    row("requests a second", "", 0, &|outcome| outcome.per_second);
    row("latency, median", " µs", 0, &|outcome| outcome.median);
    eprint!("{rows}");
    rows
}

const GROWTH_HEAD: &str = "
How that grows: connections × streams of each, one after the other without a new start, so that memory is what was needed so far.

| connections × streams | who | requests a second | CPU per request | memory |
|---|---|---|---|---|
";

fn grown(load: &str, chain: &Chain, outcomes: &[Outcome]) -> String {
    let mean =
        |value: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(value).sum::<f64>() / outcomes.len() as f64;
    let three = |value: &dyn Fn(&Outcome, usize) -> f64| {
        let each = [0, 1, 2].map(|at| format!("{:.0}", mean(&|outcome| value(outcome, at))));
        each.join(" + ")
    };
    let row = format!(
        "| {load} | {} | {:.1}k | {} = {:.0} µs | {} MiB |\n",
        chain.names().join(", "),
        mean(&|outcome| outcome.per_second) / 1e3,
        three(&|outcome, at| outcome.cpu[at]),
        mean(&Outcome::sum),
        three(&|outcome, at| outcome.memory[at]),
    );
    eprint!("{row}");
    row
}
