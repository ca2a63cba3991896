//! Measuring: many journeys, sealed, cold or warm.

use std::time::Duration;

use anyhow::Context as _;
use journey::{Journey, Summary};
use serde::{Deserialize, Serialize};

use crate::collect::Collector;
use crate::probe::{Ask, Browser};
use crate::target::{Target, TargetHop};
use crate::witness::{self, Tap, Watch};

/// The form in which measurements are written, with its version.
pub const SCHEMA: &str = "journey/1";
/// How long the hops may take to report a finished journey.
const SEAL_LIMIT: Duration = Duration::from_secs(3);
/// Journeys are put together after this many, so that spans need not be kept for all of them.
const CHUNK: usize = 250;
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
    /// Capture the packets meanwhile, and compare them with what the programs say.
    pub tap: Option<witness::Options>,
}

impl Default for Options {
    fn default() -> Self {
        Options { count: 1, cold: true, warm: true, product: "PROD-123".to_owned(), quantity: 1, tap: None }
    }
}

/// Journeys of one kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    /// Over all of them; absent when none could be used.
    pub summary: Option<Summary>,
    /// Each of them, in the order in which they were made.
    pub journeys: Vec<Journey>,
}

/// A measurement, in the form of `journey/1`.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
/// The first request that gets no answer, or an answer other than 201.
pub async fn run(
    target: &Target,
    collector: &Collector,
    options: &Options,
    mut progress: impl FnMut(usize, usize) + Send + 'static,
) -> anyhow::Result<Measured> {
    let (target, collector, options) = (target.clone(), collector.clone(), options.clone());
    let (done, measured) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("browser".into()).spawn(move || {
        let measured = runtime.block_on(run_here(&target, &collector, &options, &mut progress));
        let _ = done.send(measured);
    })?;
    measured.await.context("the measuring thread ended early")?
}

async fn run_here(
    target: &Target,
    collector: &Collector,
    options: &Options,
    progress: &mut (impl FnMut(usize, usize) + Send),
) -> anyhow::Result<Measured> {
    let kinds = usize::from(options.cold) + usize::from(options.warm);
    let total = options.count * kinds;
    let watch = options.tap.as_ref().map(|tap| Watch::begin(target, collector, tap)).transpose()?;
    let mut browser = Browser::new(target.clone())?;
    if let Some(keys) = options.tap.as_ref().and_then(|tap| tap.keys.as_deref()) {
        browser.write_keys(keys)?;
    }
    let ask = Ask::add_item(&options.product, options.quantity);
    let mut measured = Measured {
        schema: SCHEMA.to_owned(),
        build: crate::binaries::PROFILE.to_owned(),
        network: target.network.clone(),
        origin: format!("https://{}:{}", target.host, target.port),
        hops: target.hops.clone(),
        memory_bytes: memory(target),
        cold: None,
        warm: None,
        tap: None,
    };
    if options.cold {
        let series =
            series(&mut browser, target, collector, &ask, options.count, true, |n| progress(n, total));
        measured.cold = Some(series.await?);
    }
    if options.warm {
        if !options.cold {
            one(&mut browser, collector, &ask).await?; // makes it warm, and is not counted
        }
        let before = if options.cold { options.count } else { 0 };
        let series = series(&mut browser, target, collector, &ask, options.count, false, |n| {
            progress(before + n, total);
        });
        measured.warm = Some(series.await?);
    }
    if let Some(watch) = watch {
        watch.end(&mut measured)?;
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
    ask: &Ask,
    count: usize,
    cold: bool,
    mut progress: impl FnMut(usize),
) -> anyhow::Result<Series> {
    let roster = target.roster();
    let mut journeys = Vec::with_capacity(count);
    while journeys.len() < count {
        let mut traces = Vec::new();
        while traces.len() < CHUNK.min(count - journeys.len()) {
            if cold {
                browser.forget()?;
                flush_resolver(target).await?;
            }
            traces.push(one(browser, collector, ask).await?);
            progress(journeys.len() + traces.len());
        }
        for trace_id in traces {
            journeys.extend(collector.journey(trace_id, &roster, SEAL_LIMIT).await);
            collector.release(trace_id);
        }
    }
    Ok(Series { summary: journey::summarize(&journeys), journeys })
}

async fn one(browser: &mut Browser, collector: &Collector, ask: &Ask) -> anyhow::Result<journey::TraceId> {
    let answer = browser.ask(ask).await?;
    anyhow::ensure!(
        answer.status == hyper::StatusCode::CREATED,
        "{} {} was answered {}: {}",
        ask.method,
        ask.path,
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    collector.claim(answer.trace_id);
    let trace_id = answer.trace_id;
    collector.insert(answer.spans);
    Ok(trace_id)
}

/// Empties the resolver's cache, so that the next question is walked from the root again. A foreign
/// resolver without a command for it keeps its cache.
///
/// # Errors
/// The resolver's admin endpoint does not answer as it should, or the command fails.
pub async fn flush_resolver(target: &Target) -> anyhow::Result<()> {
    if let Some(admin) = target.resolver_admin {
        let status =
            crate::ask::post(admin, "/flush", "").await.context("empty the resolver's cache")?.status;
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
