//! Turns, ratios within a round, and how far they spread.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::ensure;
use tests::figures::quartiles;

use super::peer::Peer;
use super::queries::{self, Names};

const ROUNDS: usize = 9;
const TURN: Duration = Duration::from_millis(1_000);

/// The first of `peers` is ours; each other one is compared with it. They take turns, and a ratio is one of the same
/// round: whatever else the machine does hits both. Returns rows of a table in Markdown, under [`HEAD`].
pub(crate) async fn compare(what: &str, peers: &[Peer], names: Names) -> anyhow::Result<String> {
    let mut rates = vec![Vec::new(); peers.len()];
    let mut costs = vec![Vec::new(); peers.len()];
    for peer in peers {
        queries::load(peer.address, names, TURN / 4).await?;
    }
    for round in 0..ROUNDS {
        eprintln!("{what}: round {} of {ROUNDS}", round + 1);
        // Nobody is always the first after somebody else's turn.
        for turn in 0..peers.len() {
            let at = (turn + round) % peers.len();
            let before = peers[at].cpu_micros();
            let count = queries::load(peers[at].address, names, TURN).await?;
            let cpu = peers[at].cpu_micros() - before;
            let who = peers[at].name;
            ensure!(count.wrong == 0, "{who} gave {} wrong answers about {what}", count.wrong);
            ensure!(count.lost * 100 <= count.answers, "{who} lost queries about {what}: {count:?}");
            rates[at].push(count.answers as f64 / count.seconds);
            costs[at].push(cpu / count.answers.max(1) as f64);
        }
    }
    let mut rows = String::new();
    for (at, peer) in peers.iter().enumerate() {
        let [low, rate, high] = quartiles(rates[at].clone());
        let [.., cost, _] = quartiles(costs[at].clone());
        let _ = write!(
            rows,
            "| {what} | {} | {:.0}k ({:.0}–{:.0}) | {cost:.2} µs | {:.0} MiB |",
            peer.name,
            rate / 1e3,
            low / 1e3,
            high / 1e3,
            peer.resident_mebibytes()
        );
        let _ = match at {
            0 => writeln!(rows, " | |"),
            _ => writeln!(rows, " {} | {} |", ratio(&rates[0], &rates[at]), ratio(&costs[0], &costs[at])),
        };
    }
    eprint!("{rows}");
    Ok(rows)
}

/// The columns of [`compare`]'s rows.
pub(crate) const HEAD: &str = "\
| what | who | answers a second, median (quartiles) | CPU per answer | memory | our rate to theirs | our CPU to theirs |
|---|---|---|---|---|---|---|
";

/// The median of the rounds' ratios, and the quartiles around it.
pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> String {
    let [low, middle, high] =
        quartiles(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect());
    format!("× {middle:.2} ({low:.2}–{high:.2})")
}
