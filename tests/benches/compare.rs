//! Does a verdict of `lab compare` keep its promise, on the real stack? `cargo bench -p tests --bench compare`
//!
//! 1. The same against the same: sixty pairs of starts, of which no comparison may see more than it claims to.
//! 2. A wire that is 100 µs, and 300 µs, slower: found, and attributed to the wire.
//!
//! `COMPARE_PAIRS` (of starts), `COMPARE_STRETCHES` (pairs of them) and `COMPARE_JOURNEYS` (of each, warm) make it shorter.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use journey::{Change, Design, PartKind};
use lab::diff::{Diff, PartDiff, Run, Wanted, diff};
use lab::measure::Measured;
use lab::{Lab, SlowLink};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tests::fixture::{Fixture, TestSlot};

/// How many pairs a comparison has that is drawn from all.
const DRAWN: usize = 10;
/// How many are drawn.
const DRAWS: usize = 400;
/// What is claimed.
const CLAIMED: f64 = 0.05;
/// What is held against it: three standard deviations of a count of that many draws.
const MOST: f64 = 0.083;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let of = |name: &str, usual: usize| {
            std::env::var(name).map_or(Ok(usual), |text| text.parse::<usize>()).context(name.to_owned())
        };
        let journeys = of("COMPARE_JOURNEYS", 50)?;
        same(of("COMPARE_PAIRS", 60)?, journeys).await?;
        wire(of("COMPARE_STRETCHES", 100)?, journeys).await
    })
}

/// Warm journeys of a running lab.
async fn measured(lab: &Lab, journeys: usize) -> anyhow::Result<Measured> {
    let options = lab::measure::Options { count: journeys, cold: false, ..Default::default() };
    lab::measure::run(&lab.target()?, lab.collector(), &options, |_, _| {}).await
}

/// Pairs of starts of the same stack, as `lab compare` makes them: which side is first is drawn for each pair.
async fn starts(count: usize, journeys: usize) -> anyhow::Result<[Vec<Run>; 2]> {
    let mut sides = [Vec::new(), Vec::new()];
    for pair in 0..count {
        for side in if rand::random::<bool>() { [0, 1] } else { [1, 0] } {
            let lab = Fixture::start("compare").await?;
            sides[side].push(Run::of(&measured(&lab, journeys).await?)?);
            lab.finish().await;
        }
        eprintln!("pair {} of {count}", pair + 1);
    }
    Ok(sides)
}

/// Pairs of stretches of one start, without the delay and with it in an order that is drawn: how long a wire is, no start
/// decides.
async fn stretches(count: usize, journeys: usize, delay: Duration) -> anyhow::Result<[Vec<Run>; 2]> {
    let slot = TestSlot::take("compare").await?;
    let to = format!("127.0.1.100:{}", slot.port(8080)).parse()?;
    let wire = SlowLink::tcp("127.0.0.1:0".parse()?, to)?;
    let options = slot
        .options()
        .set("hop.wire.role", "ingress")
        .set("hop.wire.external", format!("\"http://{}\"", wire.address()))
        .set("hop.wire.rules", "[{ path = \"/\", service = \"cart-service\" }]")
        .set("hop.lb.upstreams", "[\"wire\"]");
    let lab = slot.start(options).await?;
    measured(&lab, journeys).await?; // opens all connections, and is not counted
    let mut sides = [Vec::new(), Vec::new()];
    for pair in 0..count {
        for side in if rand::random::<bool>() { [0, 1] } else { [1, 0] } {
            wire.delay(delay * side as u32);
            let mut measured = measured(&lab, journeys).await?;
            // Else they would count as one run.
            measured.hops.iter_mut().for_each(|hop| hop.pid = None);
            sides[side].push(Run::of(&measured)?);
        }
        eprintln!("pair {} of {count}", pair + 1);
    }
    lab.finish().await;
    Ok(sides)
}

fn compared(before: &[Run], after: &[Run], design: Design) -> anyhow::Result<Diff> {
    diff(before, after, Wanted { design, least: 0.0, ..Wanted::default() })
}

/// Is there a verdict about the total, about any of the chapter's rows, about any part?
fn seen(diff: &Diff) -> [bool; 3] {
    let differs = |change: Change| matches!(change, Change::Faster | Change::Slower);
    let mut seen = [false; 3];
    for (_, kind) in diff.kinds() {
        seen[0] |= differs(kind.total.verdict);
        seen[1] |= kind.stages.iter().any(|row| differs(row.comparison.verdict));
        seen[2] |= kind.parts.iter().any(|row| differs(row.comparison.verdict));
    }
    seen
}

async fn same(count: usize, journeys: usize) -> anyhow::Result<()> {
    if count < DRAWN {
        println!("the same against the same: left out, because it takes {DRAWN} pairs");
        return Ok(());
    }
    let [before, after] = starts(count, journeys).await?;
    println!("the same against the same: {count} pairs of starts, {journeys} warm journeys each");
    println!(
        "  {:<52} {:>7} {:>9} {:>9}",
        "false verdicts (claimed: at most 5 %) about", "total", "any row", "any part"
    );
    let show = |what: &str, seen: [usize; 3], of: usize| {
        let [total, rows, parts] = seen.map(|seen| format!("{seen}/{of}"));
        println!("  {what:<52} {total:>7} {rows:>9} {parts:>9}");
    };
    for (name, design) in [("paired", Design::Paired), ("unpaired", Design::Unpaired)] {
        let mut sums = [0; 3];
        let mut tries = 0;
        for (before, after) in before.chunks_exact(DRAWN).zip(after.chunks_exact(DRAWN)) {
            let seen = seen(&compared(before, after, design)?);
            (0..3).for_each(|at| sums[at] += usize::from(seen[at]));
            tries += 1;
        }
        show(&format!("{name}, {DRAWN} pairs each, one after the other"), sums, tries);
    }
    // Which side a run was on means nothing here: any ten pairs, turned round at random, are another comparison.
    let mut random = StdRng::seed_from_u64(7);
    for (name, design) in [("paired", Design::Paired), ("unpaired", Design::Unpaired)] {
        let mut sums = [0; 3];
        for _ in 0..DRAWS {
            let mut at: Vec<usize> = (0..count).collect();
            at.shuffle(&mut random);
            let drawn = at.into_iter().take(DRAWN).map(|at| match random.random::<bool>() {
                true => (before[at].clone(), after[at].clone()),
                false => (after[at].clone(), before[at].clone()),
            });
            let (before, after): (Vec<Run>, Vec<Run>) = drawn.unzip();
            let seen = seen(&compared(&before, &after, design)?);
            (0..3).for_each(|at| sums[at] += usize::from(seen[at]));
        }
        show(&format!("{name}, {DRAWN} pairs drawn at random"), sums, DRAWS);
        let worst = sums.into_iter().max().unwrap_or_default() as f64 / DRAWS as f64;
        ensure!(
            worst <= MOST,
            "{:.1} % of false verdicts, where {} % are claimed",
            worst * 100.0,
            CLAIMED * 100.0
        );
    }
    // The twin: journeys taken for samples, as if a start had no say.
    let taken = before.iter().zip(&after).filter(|(before, after)| {
        let totals = [before, after].map(|run| run.totals_of("warm").unwrap_or_default().to_vec());
        let compared = journey::compare(&totals[0], &totals[1], 0.95, 0);
        compared.is_some_and(|compared| compared.verdict != Change::Inconclusive)
    });
    println!(
        "  {:<52} {:>7}",
        "one run beside one, journeys taken for samples",
        format!("{}/{count}", taken.count())
    );
    Ok(())
}

async fn wire(count: usize, journeys: usize) -> anyhow::Result<()> {
    for micros in [100, 300] {
        let delay = Duration::from_micros(micros);
        let [before, after] = stretches(count, journeys, delay).await?;
        let diff = compared(&before, &after, Design::Paired)?;
        println!(
            "\n{micros} µs on the wire between lb and ingress: {count} pairs of stretches of {journeys} warm journeys"
        );
        print!("{}", lab::report::diff::table(&diff, lab::report::Style::default()));
        let kind = diff.warm.as_ref().context("warm")?;
        let moved = |part: &PartDiff| matches!(part.comparison.verdict, Change::Faster | Change::Slower);
        // The wire is the one hop that reports nothing.
        let (wire, others): (Vec<_>, Vec<_>) =
            kind.parts.iter().partition(|part| part.row.kind == PartKind::Opaque);
        let others: Vec<_> = others.into_iter().filter(|part| moved(part)).collect();
        for part in wire.iter().chain(&others) {
            let of = part.comparison;
            let [low, high] = [of.low_ns, of.high_ns].map(|end| end.unwrap_or_default() as f64 / 1e3);
            println!(
                "  {} {} {:?}: {} by {:+.1} µs ({low:+.1} … {high:+.1})",
                part.row.role,
                part.row.kind.as_str(),
                part.row.name,
                of.verdict.as_str(),
                of.difference_ns as f64 / 1e3
            );
        }
        let found = wire.iter().any(|part| part.comparison.verdict == Change::Slower);
        println!(
            "  the wire: {}",
            if found { "found" } else { "not found: more runs, or a quieter machine" }
        );
        let blamed = others.iter().filter(|part| part.row.kind.is_own()).count();
        println!("  {blamed} other programs blamed");
        ensure!(blamed == 0, "another program is blamed for the wire");
        ensure!(found || micros < 300, "300 µs were not found");
    }
    Ok(())
}
