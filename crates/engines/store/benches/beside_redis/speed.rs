//! How fast: rounds in turns, at 1 and at 64 clients.

use std::fs::File;
use std::io::Write as _;

use hop::clock;

use super::both;
use super::load::{Clients, Figures, Kind};

const ROUNDS: usize = 25;
/// So many requests of all clients together make a round, so that its p99 is more than one bad moment.
const ONE: usize = 600;
const MANY: usize = 100;

pub(crate) async fn run() {
    let servers = both().await;
    println!("appendfsync always, {ROUNDS} rounds in turns; one flush of this disk: {}", flush());
    println!("{:<24} {:>7}  {:<12} {:>9} {:>9} {:>9}", "what", "clients", "who", "p50 µs", "p99 µs", "per s");
    for (clients, requests) in [(1, ONE), (64, MANY)] {
        let mut pairs = Vec::new();
        for (_, server) in &servers {
            pairs.push(Clients::connect(server.address, clients).await);
        }
        for kind in [Kind::Set, Kind::Cart] {
            let mut totals = [Figures::default(), Figures::default()];
            let mut ratios: [Vec<f64>; 3] = Default::default();
            let mut theirs = Vec::new();
            for pair in &mut pairs {
                pair.run(kind, requests / 4).await;
            }
            for round in 0..ROUNDS {
                let mut rows = [[0.0; 3]; 2];
                // Neither is always the second, which finds a disk that is busy with the first one's writes.
                for at in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                    let mut figures = pairs[at].run(kind, requests).await;
                    rows[at] = [figures.quantile(0.5), figures.quantile(0.99), figures.rate()];
                    totals[at].add(figures);
                }
                let [ours, redis] = rows;
                (0..3).for_each(|at| ratios[at].push(ours[at] / redis[at]));
                theirs.push(redis[0]);
            }
            for ((who, _), figures) in servers.iter().zip(&mut totals) {
                println!(
                    "{:<24} {clients:>7}  {who:<12} {:>9.0} {:>9.0} {:>9.0}",
                    kind.name(),
                    figures.quantile(0.5),
                    figures.quantile(0.99),
                    figures.rate()
                );
            }
            let [p50, p99, rate] = ratios.map(|mut ratios| quartiles(&mut ratios)[1]);
            println!(
                "{:<24} {clients:>7}  {:<12} {:>9} {:>9} {:>9}   noise: {}",
                "",
                "ratio",
                format!("× {p50:.2}"),
                format!("× {p99:.2}"),
                format!("× {rate:.2}"),
                noise(&mut theirs)
            );
        }
    }
    println!("aims: p50 and p99 × 1.00 or less");
}

/// The middle one, with the first and the third quarter around it.
fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}

/// How far the machine itself wavered: the other program's own rounds beside each other.
fn noise(p50s: &mut [f64]) -> String {
    let [low, middle, high] = quartiles(p50s);
    format!(
        "half of redis-server's own rounds had a p50 within -{:.0} % and +{:.0} %",
        (1.0 - low / middle) * 100.0,
        (high / middle - 1.0) * 100.0
    )
}

/// What the disk alone takes for 300 bytes: nobody who flushes can be faster.
fn flush() -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let mut file = File::create(folder.path().join("flushed")).expect("a file");
    let mut times: Vec<f64> = (0..300)
        .map(|_| {
            let begun = clock::monotonic();
            file.write_all(&[b'x'; 300]).and_then(|()| file.sync_data()).expect("a disk");
            clock::since(begun).as_secs_f64() * 1e6
        })
        .collect();
    let [_, middle, _] = quartiles(&mut times);
    format!("p50 {middle:.0} µs, p99 {:.0} µs", times[times.len() * 99 / 100])
}
