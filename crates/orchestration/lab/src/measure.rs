//! Measuring: many journeys, sealed, cold or warm.
//!
//! Here they are made one after the other; [`open`] makes them at a given rate, [`overhead`] compares
//! recorded ones with unrecorded ones.

pub mod open;
pub mod overhead;

use std::time::Duration;

use anyhow::Context as _;
use hop::clock;
use journey::{Anomaly, Flagged, Journey, Summary, Tally, TraceId};
use serde::{Deserialize, Serialize};

use crate::collect::Collector;
use crate::machine::{self, Machine, StealTime};
use crate::target::{Target, TargetHop};
use crate::witness::{self, Tap, Watch};
use browser::{Browser, Request, Response};

/// The form in which measurements are written, with its version.
pub const SCHEMA: &str = "journey/1";
/// How long the hops may take to report a finished journey.
const SEAL_LIMIT: Duration = Duration::from_secs(3);
/// Journeys are put together after this many, so that spans need not be kept for all of them.
const CHUNK: usize = 250;
/// So many journeys of each kind `lab measure` keeps in full, unless asked otherwise: 25 MB in a file.
pub const KEEP: usize = 1000;
/// How long a foreign resolver's cache may take to be emptied.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);

/// What to measure.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How many journeys of each kind.
    pub count: usize,
    /// With empty caches and new connections.
    pub cold: bool,
    /// With everything warm.
    pub warm: bool,
    /// Which product is put into the cart.
    pub product: String,
    /// How many of it.
    pub quantity: u32,
    /// How many journeys of each kind are kept in full; the figures are those of all.
    pub keep: usize,
    /// Requests per second, sent at their times whatever the answers do. Without it each journey begins
    /// when the one before has ended.
    pub rate: Option<f64>,
    /// With a rate: over how many connections at most.
    pub connections: usize,
    /// Measure what measuring costs, too.
    pub overhead: bool,
    /// Capture the packets meanwhile, and compare them with what the programs say.
    pub tap: Option<witness::Options>,
}

impl Options {
    /// How many journeys of each kind are kept. What packets say can only be held against journeys that are
    /// still there: with the tap, all.
    fn kept(&self) -> usize {
        if self.tap.is_some() { self.count } else { self.keep }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            count: 1,
            cold: true,
            warm: true,
            product: "PROD-123".to_owned(),
            quantity: 1,
            keep: usize::MAX,
            rate: None,
            connections: 16,
            overhead: false,
            tap: None,
        }
    }
}

/// Journeys of one kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Series {
    /// Over all of them; absent when none could be used.
    pub summary: Option<Summary>,
    /// Journeys that are in no figure, the first hundred of them, and why.
    pub flagged: Vec<Flagged>,
    /// With a rate: how it was kept, and what all requests took, recorded or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_loop: Option<open::OpenLoop>,
    /// In the order in which they were made: each of them, or as many as were to be kept, evenly spread.
    pub journeys: Vec<Journey>,
}

impl Series {
    /// Sums journeys up, all of which are kept.
    pub fn of(journeys: Vec<Journey>) -> Series {
        let mut tally = Tally::default();
        journeys.iter().for_each(|journey| tally.add(journey));
        let (summary, flagged) = (tally.summary(&journeys), tally.flagged().to_vec());
        Series { summary, flagged, open_loop: None, journeys }
    }
}

/// A measurement, in the form of `journey/1`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// `journey/1`.
    pub schema: String,
    /// `debug` or `release`: the lab's own build, and the hops' when the lab built them.
    pub build: String,
    /// `loopback`.
    pub network: String,
    /// Where the requests went, such as `https://api.myshop.com:8443`.
    #[serde(default)]
    pub origin: String,
    /// What ran.
    pub hops: Vec<TargetHop>,
    /// Resident memory of all programs together before anything was measured, in bytes, pages that
    /// they share counted for each; 0 where the system does not say.
    pub memory_bytes: u64,
    /// What the machine did meanwhile.
    pub machine: Machine,
    /// What measuring costs, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overhead: Option<overhead::Overhead>,
    /// Cold journeys, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<Series>,
    /// Warm journeys, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<Series>,
    /// What the second witness saw, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tap: Option<Tap>,
}

impl Measured {
    /// All journeys, cold ones first.
    pub fn journeys(&self) -> impl Iterator<Item = &Journey> {
        self.cold.iter().chain(&self.warm).flat_map(|series| &series.journeys)
    }
}

/// Measures on a running stack, one journey after the other; `progress` hears how many are done, and
/// of how many.
///
/// The browser runs on a thread of its own: nothing else the lab does delays it.
///
/// # Errors
/// The first request that gets no response, or a response other than 201.
pub async fn run(
    target: &Target,
    collector: &Collector,
    options: &Options,
    mut progress: impl FnMut(usize, usize) + Send + 'static,
) -> anyhow::Result<Measured> {
    let (target, collector, options) = (target.clone(), collector.clone(), options.clone());
    let (mut done, measured) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("browser".into()).spawn(move || {
        let measured = runtime.block_on(async {
            tokio::select! {
                measured = run_here(&target, &collector, &options, &mut progress) => Some(measured),
                // Nobody waits for it any more: Ctrl-C, or a client of the control server that went away.
                () = done.closed() => None,
            }
        });
        if let Some(measured) = measured {
            let _ = done.send(measured);
        }
    })?;
    measured.await.context("the measuring thread ended early")?
}

async fn run_here(
    target: &Target,
    collector: &Collector,
    options: &Options,
    progress: &mut (impl FnMut(usize, usize) + Send),
) -> anyhow::Result<Measured> {
    let watch = machine::Watch::begin(target);
    let tap = options.tap.as_ref().map(|tap| Watch::begin(target, collector, tap)).transpose()?;
    let mut measured = Measured {
        schema: SCHEMA.to_owned(),
        build: crate::binaries::PROFILE.to_owned(),
        network: target.network.clone(),
        origin: format!("https://{}:{}", target.browser.host, target.browser.port),
        hops: target.hops.clone(),
        memory_bytes: memory(target),
        machine: Machine::default(),
        overhead: None,
        cold: None,
        warm: None,
        tap: None,
    };
    let request = Request::add_item(&options.product, options.quantity);
    let extra = if options.overhead { overhead::requests(options.count) } else { 0 };
    let of = options.count * (usize::from(options.cold) + usize::from(options.warm)) + extra;
    let mut made = 0;
    let mut progress = |more: usize| {
        made += more;
        progress(made, of);
    };
    let mut browser = Browser::new(target.browser.clone())?;
    if let Some(keys) = options.tap.as_ref().and_then(|tap| tap.keys.as_deref()) {
        let file = tap::private(keys).with_context(|| format!("write {}", keys.display()))?;
        browser.write_keys(file)?;
    }
    if options.cold {
        measured.cold =
            Some(series(&mut browser, target, collector, &request, options, true, &mut progress).await?);
    }
    if options.warm {
        if !options.cold {
            one(&mut browser, collector, &request).await?; // makes it warm, and is not counted
        }
        measured.warm = Some(match options.rate {
            None => series(&mut browser, target, collector, &request, options, false, &mut progress).await?,
            Some(rate) => open::series(target, collector, &request, options, rate, &mut progress).await?,
        });
    }
    if options.overhead {
        measured.overhead = Some(
            overhead::measure(&mut browser, target, collector, &request, options.count, &mut progress)
                .await?,
        );
    }
    measured.machine = watch.end();
    if let Some(tap) = tap {
        tap.end(&mut measured)?;
    }
    Ok(measured)
}

fn memory(target: &Target) -> u64 {
    let groups = crate::supervise::usage::groups();
    let pids = target.hops.iter().filter_map(|hop| hop.pid);
    pids.filter_map(|pid| groups.get(&pid)).map(|usage| usage.resident).sum()
}

async fn series(
    browser: &mut Browser,
    target: &Target,
    collector: &Collector,
    request: &Request,
    options: &Options,
    cold: bool,
    progress: &mut impl FnMut(usize),
) -> anyhow::Result<Series> {
    let mut gathered = Gathered::new(options.count, options.kept());
    let mut steal_time = StealTime::watch();
    while gathered.made < options.count {
        let mut made = Vec::new();
        while made.len() < CHUNK.min(options.count - gathered.made) {
            if cold {
                browser.forget()?;
                flush_resolver(target).await?;
            }
            made.push(one(browser, collector, request).await?);
            steal_time.look();
            progress(1);
        }
        gathered.add(target, collector, &made, &steal_time).await;
    }
    Ok(gathered.series(None))
}

/// Journeys, being put together.
struct Gathered {
    tally: Tally,
    kept: Vec<Journey>,
    made: usize,
    of: usize,
    keep: usize,
}

impl Gathered {
    fn new(of: usize, keep: usize) -> Self {
        Gathered { tally: Tally::default(), kept: Vec::new(), made: 0, of, keep }
    }

    /// Puts journeys together.
    async fn add(
        &mut self,
        target: &Target,
        collector: &Collector,
        made: &[TraceId],
        steal_time: &StealTime,
    ) {
        let roster = target.roster();
        // All of them are over: they have the same time to be sealed, not one after the other.
        let begun = clock::monotonic();
        for &trace_id in made {
            let at = self.made;
            self.made += 1;
            let left = SEAL_LIMIT.saturating_sub(clock::since(begun));
            let journey = collector.journey(trace_id, &roster, left).await;
            collector.release(trace_id);
            let Some(mut journey) = journey else { continue };
            let stolen = steal_time.during(journey.start_unix_ns, journey.start_unix_ns + journey.total_ns);
            if stolen > 0 {
                let what = "a hypervisor took a core away during this journey".to_owned();
                journey.anomalies.push(Anomaly { hop: "machine".to_owned(), what, by_ns: stolen });
            }
            self.tally.add(&journey);
            if spread(at, self.of, self.keep) {
                self.kept.push(journey);
            }
        }
    }

    fn series(self, open_loop: Option<open::OpenLoop>) -> Series {
        Series {
            summary: self.tally.summary(&self.kept),
            flagged: self.tally.flagged().to_vec(),
            open_loop,
            journeys: self.kept,
        }
    }
}

/// Is the one at `at` (from 0) among `keep` that are spread evenly over `of`?
fn spread(at: usize, of: usize, keep: usize) -> bool {
    keep >= of || at * keep / of != (at + 1) * keep / of
}

async fn one(browser: &mut Browser, collector: &Collector, request: &Request) -> anyhow::Result<TraceId> {
    let response = created(browser.send(request).await?, request)?;
    collector.claim(response.trace_id);
    let trace_id = response.trace_id;
    collector.insert(response.spans);
    Ok(trace_id)
}

/// The response, if it is the one that was hoped for.
fn created(response: Response, request: &Request) -> anyhow::Result<Response> {
    anyhow::ensure!(
        response.status == hyper::StatusCode::CREATED,
        "{} {} was answered {}: {}",
        request.method,
        request.path,
        response.status,
        String::from_utf8_lossy(&response.body)
    );
    Ok(response)
}

/// Empties the resolver's cache, so that the next question is walked from the root again. A foreign
/// resolver without a command for it keeps its cache.
///
/// # Errors
/// The resolver's admin endpoint does not respond as it should, or the command fails.
pub async fn flush_resolver(target: &Target) -> anyhow::Result<()> {
    if let Some(admin) = target.resolver_admin {
        let status = hop::admin::client::post(admin, "/flush", "", &target.admin_secret)
            .await
            .context("empty the resolver's cache")?
            .status;
        anyhow::ensure!(status.is_success(), "empty the resolver's cache: {admin} answered {status}");
    }
    let Some((program, arguments)) = target.resolver_flush.split_first() else { return Ok(()) };
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).env("PATH", crate::programs::search_path());
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    let said = tokio::time::timeout(FLUSH_LIMIT, command.output()).await;
    let said = said
        .with_context(|| format!("empty the resolver's cache: {program} did not end within {FLUSH_LIMIT:?}"))?
        .with_context(|| format!("empty the resolver's cache: run {program}"))?;
    let words = [said.stderr, said.stdout].concat();
    let words = String::from_utf8_lossy(&words);
    anyhow::ensure!(
        said.status.success(),
        "empty the resolver's cache: {program}: {}: {}",
        said.status,
        words.trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_spread_evenly() {
        for (of, keep) in [(1, 1), (10, 3), (1000, 7), (5, 5), (5, 9), (10_000, 1000), (10, 0)] {
            let kept: Vec<usize> = (0..of).filter(|at| spread(*at, of, keep)).collect();
            assert_eq!(kept.len(), keep.min(of), "{keep} of {of}");
            let widest = kept.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            assert!(keep == 0 || widest <= of.div_ceil(keep), "{keep} of {of}: {kept:?}");
        }
    }
}
