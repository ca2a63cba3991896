//! What a user waits for, and what measuring costs. `cargo bench -p tests`; progress on stderr, figures on
//! stdout.
//!
//! 1. From `lab` to its first measured journeys; the programs are built already.
//! 2. The memory of all programs when nobody asks anything.
//! 3. 1,000 warm journeys: how long, and how much of it nobody accounts for.
//! 4. The same requests without telemetry, unsampled, and sampled: requests per second, CPU per request
//!    and hop.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use lab::browser::{Browser, Request};
use lab::measure;
use lab::plan::Role;
use lab::state::{self, Run};
use lab::target::Target;
use tests::fixture::{Fixture, TestSlot};
use tests::program;
use tokio::io::AsyncReadExt as _;
use tokio::task::LocalSet;

/// How often the lab is started.
const STARTS: usize = 7;
/// Warm journeys.
const JOURNEYS: usize = 1_000;
/// Browsers that ask at the same time, each the next when it has its answer.
const BROWSERS: usize = 8;
/// Requests in one round of the closed loop. Rounds of all kinds take turns, so that a machine that gets
/// slower does so for all.
const REQUESTS: usize = 3_000;
const ROUNDS: usize = 3;
/// The kernel counts CPU time in hundredths of a second (`USER_HZ`).
const TICK_MICROS: f64 = 10_000.0;
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        if cfg!(debug_assertions) {
            eprintln!("this is a debug build: its figures say little");
        }
        start_and_rest().await?;
        journeys().await?;
        cost().await
    })
}

/// Figures 1 and 2.
async fn start_and_rest() -> anyhow::Result<()> {
    program::path().await?;
    let slot = TestSlot::take("reach-start").await?;
    let sets = slot.options().sets.into_iter().flat_map(|set| ["--set".to_owned(), set]);
    let here: Vec<String> = sets.collect();
    println!("from `lab` to the first journeys on stdout, {STARTS} starts, in ms");
    for (name, more) in
        [("as it is (asks cargo whether all is built)", None), ("--no-build", Some("--no-build"))]
    {
        let mut times = Vec::with_capacity(STARTS);
        for start in 0..STARTS {
            eprintln!("start {} of {STARTS}, {name}", start + 1);
            let arguments = here.iter().map(String::as_str).chain(["--once"]).chain(more);
            let mut command = program::command(arguments).await?;
            let begun = hop::clock::monotonic();
            let mut lab = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
            let mut stdout = lab.stdout.take().context("it is piped")?;
            let first = stdout.read_u8().await.context("lab printed no journey");
            times.push(hop::clock::since(begun).as_secs_f64() * 1e3);
            first?;
            let mut rest = Vec::new();
            stdout.read_to_end(&mut rest).await?;
            let status = lab.wait().await?;
            ensure!(status.success(), "lab ended with {status}");
        }
        times.sort_by(f64::total_cmp);
        println!("  {name:<44} min {:>7.0}   median {:>7.0}", times[0], times[times.len() / 2]);
    }

    let mut command = program::command(here.iter().map(String::as_str).chain(["--no-build"])).await?;
    let mut lab = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let run = running(&slot.path(""), "reach-start").await?;
    println!(
        "\nmemory at rest, after two journeys, in MiB (shared: pages of several programs counted for each)"
    );
    let programs = run.hops.iter().filter_map(|hop| hop.pid.map(|pid| (hop.role.as_str(), pid)));
    let mut sums: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
    for (role, pid) in programs.chain([("the lab itself", run.pid)]) {
        let sum = sums.entry(role).or_default();
        let shared = memory(pid, "status", "VmRSS:")?;
        let fair = memory(pid, "smaps_rollup", "Pss:")?;
        *sum = [sum[0] + 1.0, sum[1] + shared, sum[2] + fair];
    }
    println!("  {:<16} {:>9} {:>15} {:>22}", "", "processes", "resident", "shared pages split");
    let mut total = [0.0; 3];
    for (role, sum) in &sums {
        println!("  {role:<16} {:>9} {:>15.1} {:>22.1}", sum[0], sum[1], sum[2]);
        (0..3).for_each(|index| total[index] += sum[index]);
    }
    println!("  {:<16} {:>9} {:>15.1} {:>22.1}", "together", total[0], total[1], total[2]);
    lab.kill().await?;
    slot.release();
    Ok(())
}

/// Waits until the lab has made its first journeys and rests: its spans have come in.
async fn running(states: &Path, name: &str) -> anyhow::Result<Run> {
    let run = hop::wait::until("the lab to run", LIMIT, async || state::running(states, name)).await?;
    let at_rest = hop::wait::until("the lab to be at rest", LIMIT, async || {
        // Both journeys are made when the next measurement gets its turn.
        let options = measure::Options { cold: false, ..Default::default() };
        lab::control::client::measure(&run, &options).await.ok().map(drop)
    });
    at_rest.await?;
    Ok(run)
}

/// A size in /proc, in MiB.
fn memory(pid: u32, file: &str, field: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}"))
        .with_context(|| format!("read {file} of {pid}"))?;
    let line =
        text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
    let kibibytes: f64 = line.split_whitespace().next().context("no size")?.parse()?;
    Ok(kibibytes / 1024.0)
}

/// The default stack, but for the sampler; spans are sent as seldom as a user's are.
async fn start(name: &str, sampler: &str) -> anyhow::Result<Fixture> {
    let slot = TestSlot::take(name).await?;
    let options = slot.options().set("telemetry.delay_ms", 200).set("telemetry.sampler", sampler);
    slot.start(options).await
}

/// Figure 3.
async fn journeys() -> anyhow::Result<()> {
    let lab = start("reach-journeys", "parentbased_always_on").await?;
    let options = measure::Options { count: JOURNEYS, cold: false, ..Default::default() };
    eprintln!("{JOURNEYS} warm journeys, one after the other");
    let measured = measure::run(&lab.target()?, lab.collector(), &options, |_, _| {}).await?;
    let journeys = measured.warm.context("warm ones were asked for")?.journeys;
    ensure!(journeys.len() == JOURNEYS, "only {} journeys could be put together", journeys.len());
    let mut totals: Vec<u64> = journeys.iter().map(|journey| journey.total_ns).collect();
    totals.sort_unstable();
    let mut open: Vec<i64> = journeys.iter().map(|journey| journey.unaccounted_ns).collect();
    open.sort_unstable();
    let least = open[0];
    open.iter_mut().for_each(|open| *open = open.abs());
    open.sort_unstable();
    let at = |part: f64| (JOURNEYS as f64 * part) as usize;
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let flagged = journeys.iter().filter(|journey| !journey.anomalies.is_empty()).count();
    let silent = journeys.iter().filter(|journey| !journey.silent.is_empty()).count();
    let middle = open[at(0.5)] as f64 / 1e3;
    let half = micros(totals[at(0.5)]);
    println!("\n{JOURNEYS} warm journeys, one after the other, in µs");
    println!(
        "  total         min {:>9.1}   p50 {half:>9.1}   p99 {:>9.1}",
        micros(totals[0]),
        micros(totals[at(0.99)])
    );
    println!(
        "  unaccounted   median |…| {middle:.3} ({:.3} % of p50)   p99 |…| {:.3}   least {:.3}",
        middle / half * 100.0,
        open[at(0.99)] as f64 / 1e3,
        least as f64 / 1e3,
    );
    println!("  flagged {flagged}, with a hop that did not report {silent}");
    lab.finish().await;
    Ok(())
}

/// One kind of telemetry and what its rounds cost.
struct Kind {
    name: &'static str,
    sampled: bool,
    seconds: Vec<f64>,
    /// Ticks of CPU by role.
    ticks: BTreeMap<Role, u64>,
}

impl Kind {
    fn new(name: &'static str, sampled: bool) -> Self {
        Kind { name, sampled, seconds: Vec::new(), ticks: BTreeMap::new() }
    }

    fn micros(&self, role: Role) -> f64 {
        self.ticks.get(&role).copied().unwrap_or(0) as f64 * TICK_MICROS / (ROUNDS * REQUESTS) as f64
    }

    fn rate(&self) -> f64 {
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        REQUESTS as f64 / seconds[seconds.len() / 2]
    }
}

/// Figure 4.
async fn cost() -> anyhow::Result<()> {
    let with = start("reach-with", "parentbased_always_on").await?;
    let without = start("reach-without", "always_off").await?;
    let mut kinds = [Kind::new("none", false), Kind::new("unsampled", false), Kind::new("sampled", true)];
    // The first round warms up and does not count.
    for round in 0..=ROUNDS {
        for (lab, kind) in [&without, &with, &with].into_iter().zip(&mut kinds) {
            eprintln!("round {round} of {ROUNDS}, telemetry: {}", kind.name);
            let before = ticks(lab)?;
            let begun = hop::clock::monotonic();
            closed_loop(&lab.target()?, kind.sampled).await?;
            let seconds = hop::clock::since(begun).as_secs_f64();
            if round == 0 {
                continue;
            }
            kind.seconds.push(seconds);
            for (role, after) in ticks(lab)? {
                *kind.ticks.entry(role).or_default() += after - before[&role];
            }
        }
    }
    println!("\nCPU per request in µs, user and kernel, all processes of a role together;");
    println!(
        "{BROWSERS} browsers ask at once, {ROUNDS} × {REQUESTS} requests each; resolution {:.1} µs",
        TICK_MICROS / (ROUNDS * REQUESTS) as f64
    );
    let [none, unsampled, sampled] = &kinds;
    let row = |name: &str, values: [f64; 3], digits: usize| {
        let [none, unsampled, sampled] = values;
        let (more, most) = (unsampled - none, sampled - none);
        println!(
            "  {name:<12} {none:>9.digits$} {unsampled:>10.digits$} {sampled:>9.digits$}  | {more:>17.digits$} {most:>15.digits$}"
        );
    };
    println!(
        "  {:<12} {:>9} {:>10} {:>9}  | {:>17} {:>15}",
        "", "none", "unsampled", "sampled", "unsampled − none", "sampled − none"
    );
    let mut sums = [0.0; 3];
    for role in Role::ALL.into_iter().filter(|role| !role.speaks_dns()) {
        let values = [none.micros(role), unsampled.micros(role), sampled.micros(role)];
        (0..3).for_each(|index| sums[index] += values[index]);
        row(role.as_str(), values, 1);
    }
    row("together", sums, 1);
    row("requests/s", [none.rate(), unsampled.rate(), sampled.rate()], 0);
    println!(
        "(unsampled: the programs that see no headers, clusterip, store and events, record all the same)"
    );
    println!("(the browsers and, when sampled, the collector share this machine's cores with the hops)");
    without.finish().await;
    with.finish().await;
    Ok(())
}

/// Every browser asks until all requests are made.
async fn closed_loop(target: &Target, sampled: bool) -> anyhow::Result<()> {
    let browsers = (0..BROWSERS).map(|_| {
        let target = target.clone();
        tokio::task::spawn_local(async move {
            let mut browser = Browser::new(target.browser)?;
            let request = Request { sampled, ..Request::add_item("PROD-123", 1) };
            for _ in 0..REQUESTS / BROWSERS {
                let status = browser.send(&request).await?.status;
                ensure!(status == hyper::StatusCode::CREATED, "a request was answered {status}");
            }
            Ok(())
        })
    });
    for browser in browsers.collect::<Vec<_>>() {
        browser.await.context("a browser panicked")??;
    }
    Ok(())
}

/// The CPU time so far of each role's processes.
fn ticks(lab: &Fixture) -> anyhow::Result<BTreeMap<Role, u64>> {
    let mut ticks: BTreeMap<Role, u64> = BTreeMap::new();
    for (_, hop) in lab.plan().hops() {
        let pid = lab.pid(&hop.name).with_context(|| format!("{} does not run", hop.name))?;
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, rest) = text.rsplit_once(')').context("no name in /proc/PID/stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // proc_pid_stat(5): utime is field 14, stime 15; these begin with the third.
        let (user, kernel): (u64, u64) = (fields[11].parse()?, fields[12].parse()?);
        *ticks.entry(hop.role()).or_default() += user + kernel;
    }
    Ok(ticks)
}
