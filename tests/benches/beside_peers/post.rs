//! The whole `POST /cart/items`, durable, by h2load on 16 connections with 4 requests each: what it costs each program.
//! Nobody is beside it: it is the sum of all slots.
//!
//! Once all requests are one customer's, whose events stand in one outbox, and once as many customers' as there are
//! connections.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use hop::clock;
use lab::certs::Certs;
use lab::plan::Role;
use tests::fixture::{Fixture, TestSlot};
use tests::{programs, usage};
use tokio::process::Command;

use tests::figures::quartiles;

const CONNECTIONS: usize = 16;
const STREAMS: usize = 4;
/// Requests of a round.
const REQUESTS: usize = 8_000;
const ROUNDS: usize = 5;

/// What the rounds of one kind gave.
#[derive(Default)]
struct Figures {
    rates: Vec<f64>,
    /// Milliseconds.
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// Microseconds per request of all processes of a role; the lab's own under "the lab itself".
    cpu: BTreeMap<String, Vec<f64>>,
}

pub(crate) async fn run() -> anyhow::Result<String> {
    let slot = TestSlot::take("beside-post").await?;
    let options = slot.options().set("telemetry.delay_ms", 200);
    let lab = slot.start(options).await?;
    let mut kinds = [(1, Figures::default()), (CONNECTIONS, Figures::default())];
    // The first round warms up and does not count.
    for round in 0..=ROUNDS {
        for (customers, figures) in &mut kinds {
            eprintln!("POST of {customers} customers: round {round} of {ROUNDS}");
            let before = cpu(&lab)?;
            let begun = clock::monotonic();
            let mut times = load(&lab, *customers).await?;
            let seconds = clock::since(begun).as_secs_f64();
            if round == 0 {
                continue;
            }
            let count = times.len() as f64;
            times.sort_unstable();
            figures.rates.push(count / seconds);
            figures.p50.push(times[times.len() / 2] as f64 / 1e3);
            figures.p99.push(times[times.len() * 99 / 100] as f64 / 1e3);
            for (who, after) in cpu(&lab)? {
                figures.cpu.entry(who.clone()).or_default().push((after - before[&who]) / count);
            }
        }
    }
    lab.finish().await;
    Ok(table(&kinds))
}

fn table(kinds: &[(usize, Figures); 2]) -> String {
    let mut table = String::from("| | one customer | 16 customers |\n|---|---|---|\n");
    let mut row = |what: &str, digits: usize, unit: &str, of: &dyn Fn(&Figures) -> Vec<f64>| {
        let _ = write!(table, "| {what} |");
        for (_, figures) in kinds {
            let [low, middle, high] = quartiles(of(figures));
            let _ = write!(table, " {middle:.digits$}{unit} ({low:.digits$}–{high:.digits$}) |");
        }
        table.push('\n');
    };
    row("requests a second", 0, "", &|figures| figures.rates.clone());
    row("p50", 1, " ms", &|figures| figures.p50.clone());
    row("p99", 1, " ms", &|figures| figures.p99.clone());
    let roles = Role::ALL.into_iter().filter(|role| !role.speaks_dns()).map(|role| role.to_string());
    let roles: Vec<String> = roles.collect();
    for role in &roles {
        row(&format!("CPU per request: {role}"), 0, " µs", &|figures| figures.cpu[role].clone());
    }
    row("all hops together", 0, " µs", &|figures| {
        (0..ROUNDS).map(|round| roles.iter().map(|role| figures.cpu[role][round]).sum()).collect()
    });
    row("the lab itself", 0, " µs", &|figures| figures.cpu[THE_LAB].clone());
    eprint!("{table}");
    table
}

const THE_LAB: &str = "the lab itself";

/// Microseconds of processor time so far.
fn cpu(lab: &Fixture) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut cpu = BTreeMap::from([(THE_LAB.to_owned(), usage::cpu_micros(std::process::id()))]);
    for (_, hop) in lab.plan().hops() {
        let pid = lab.pid(&hop.name).with_context(|| format!("{} does not run", hop.name))?;
        *cpu.entry(hop.role().to_string()).or_default() += usage::cpu_micros(pid);
    }
    Ok(cpu)
}

/// Has that many customers ask on [`CONNECTIONS`] connections, and returns how long each request took, in microseconds.
async fn load(lab: &Fixture, customers: usize) -> anyhow::Result<Vec<u64>> {
    let (target, folder) = (lab.target()?, tempfile::tempdir()?);
    let keys = target.browser.ca.parent().context("the authority lies in a folder")?;
    let (certs, _) = Certs::ensure(keys, lab.plan(), clock::now(), false)?;
    let body = folder.path().join("body.json");
    std::fs::write(&body, r#"{"productId":"PROD-123","quantity":1}"#)?;
    let mut running = Vec::new();
    for customer in 0..customers {
        let token = certs.token(&lab.plan().host, &format!("bench-{customer}"), clock::now())?;
        let log = folder.path().join(format!("{customer}.log"));
        let host = format!("{}:{}", target.browser.host, target.browser.port);
        let mut command = Command::new(programs::find("h2load")?);
        command
            .args(["-c", &(CONNECTIONS / customers).to_string(), "-m", &STREAMS.to_string()])
            .args(["-n", &(REQUESTS / customers).to_string()])
            .args(["-H", "content-type: application/json", "-H", &format!("authorization: Bearer {token}")])
            .args(["--connect-to", &lab.listen("lb").to_string(), "-d"])
            .arg(&body)
            .arg("--log-file")
            .arg(&log)
            .arg(format!("https://{host}/cart/items"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        running.push((command.spawn()?, log));
    }
    let mut times = Vec::new();
    for (client, log) in running {
        let said = client.wait_with_output().await?;
        times.extend(read(&log).with_context(|| String::from_utf8_lossy(&said.stdout).into_owned())?);
    }
    ensure!(times.len() == REQUESTS, "only {} of {REQUESTS} requests were answered", times.len());
    Ok(times)
}

/// A line of h2load's log has a request's begin, its status, and how many microseconds it took.
fn read(log: &Path) -> anyhow::Result<Vec<u64>> {
    let text = std::fs::read_to_string(log)?;
    let times = text.lines().map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        ensure!(fields.get(1) == Some(&"201"), "not created: {line:?}");
        Ok(fields.get(2).context("how long?")?.parse()?)
    });
    times.collect()
}
