//! Requests from outside: what the lab itself uses of the processor for each, beside all hops together; and memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::ensure;
use tests::figures::quartiles;
use tests::standalone::Standalone;
use tests::usage::{cpu_micros, mebibytes};

/// Each round starts a lab of each kind, in turns: A B, B A, A B …
const ROUNDS: usize = 4;
const TURN: Duration = Duration::from_secs(5);
/// Connections, and streams of each.
const CLIENTS: (u32, u32) = (16, 4);
/// What the lab does with requests from outside (`--set`).
const KINDS: [(&str, &[&str]); 2] =
    [("recorded, 20 a second", &[]), ("not recorded", &["telemetry.sampler=parentbased_always_off"])];
/// Requests a second; `None`: as fast as the answers come.
const RATES: [(&str, Option<f64>); 3] =
    [("200/s", Some(200.0)), ("2,000/s wanted", Some(2_000.0)), ("16 × 4 at once", None)];
/// Whose memory has a bound of its own, and the lab's.
const ROLES: [&str; 6] = ["lb", "ingress", "clusterip", "dns", "resolver", "store"];

/// One turn's figures.
struct Turn {
    rate: f64,
    lab: f64,
    hops: f64,
}

/// By who and when.
type Memory = BTreeMap<(usize, String), [Vec<f64>; 3]>;

pub(crate) async fn run() -> anyhow::Result<(String, String)> {
    let mut turns: BTreeMap<(usize, usize), Vec<Turn>> = BTreeMap::new();
    let mut memory = Memory::new();
    for round in 0..ROUNDS {
        for turn in 0..KINDS.len() {
            let kind = (turn + round) % KINDS.len();
            eprintln!("round {} of {ROUNDS}: {}", round + 1, KINDS[kind].0);
            let lab = Standalone::start("observer", KINDS[kind].1).await?;
            for (who, pid) in programs(&lab) {
                let resident = mebibytes(pid, "VmRSS").unwrap_or(f64::NAN);
                memory.entry((kind, who)).or_default()[0].push(resident);
            }
            for (at, (_, rate)) in RATES.iter().enumerate() {
                turns.entry((at, kind)).or_default().push(self::turn(&lab, *rate).await?);
            }
            for (who, pid) in programs(&lab) {
                let [_, after, most] = memory.entry((kind, who)).or_default();
                after.push(mebibytes(pid, "VmRSS").unwrap_or(f64::NAN));
                most.push(mebibytes(pid, "VmHWM").unwrap_or(f64::NAN));
            }
            lab.stop().await?;
        }
    }
    Ok((costs(&turns), memories(&memory)))
}

async fn turn(lab: &Standalone, rate: Option<f64>) -> anyhow::Result<Turn> {
    let used = || (cpu_micros(lab.run.pid), lab.hops().map(cpu_micros).sum::<f64>());
    let load = lab.load()?;
    let before = used();
    let answers = load.run(CLIENTS, rate, TURN).await?;
    let after = used();
    ensure!(answers.failed * 100 <= answers.created, "too many requests failed: {answers:?}");
    let count = answers.created as f64;
    let (lab, hops) = ((after.0 - before.0) / count, (after.1 - before.1) / count);
    Ok(Turn { rate: count / answers.seconds, lab, hops })
}

fn programs(lab: &Standalone) -> Vec<(String, u32)> {
    let of_role = |role: &&str| lab.role(role).map(|pid| ((*role).to_owned(), pid)).collect::<Vec<_>>();
    let hops = ROLES.iter().flat_map(of_role);
    std::iter::once(("the lab itself".to_owned(), lab.run.pid)).chain(hops).collect()
}

fn costs(turns: &BTreeMap<(usize, usize), Vec<Turn>>) -> String {
    let mut table = "\
| requests from outside | they are | answered a second, median (quartiles) | CPU per request, lab | all hops | lab to hops |
|---|---|---|---|---|---|
"
    .to_owned();
    for ((rate, kind), turns) in turns {
        let of = |figure: fn(&Turn) -> f64| quartiles(turns.iter().map(figure).collect());
        let ([low, middle, high], lab, hops) =
            (of(|turn| turn.rate), of(|turn| turn.lab), of(|turn| turn.hops));
        let share = of(|turn| turn.lab / turn.hops * 100.0);
        let _ = writeln!(
            table,
            "| {} | {} | {middle:.0} ({low:.0}–{high:.0}) | {:.1} µs ({:.1}–{:.1}) | {:.0} µs ({:.0}–{:.0}) | \
             {:.1} % ({:.1}–{:.1}) |",
            RATES[*rate].0,
            KINDS[*kind].0,
            lab[1],
            lab[0],
            lab[2],
            hops[1],
            hops[0],
            hops[2],
            share[1],
            share[0],
            share[2]
        );
    }
    table
}

fn memories(memory: &Memory) -> String {
    let mut table = "\
| resident memory, the largest of a role's processes and of all rounds | requests are | at rest | after all these requests | at most |
|---|---|---|---|---|
"
    .to_owned();
    for ((kind, who), figures) in memory {
        let [rest, after, most] =
            figures.each_ref().map(|figures| figures.iter().copied().fold(f64::NAN, f64::max));
        let _ = writeln!(
            table,
            "| {who} | {} | {rest:.1} MiB | {after:.1} MiB | {most:.1} MiB |",
            KINDS[*kind].0
        );
    }
    table
}
