//! Many journeys, sealed, cold or warm, one after the other.
//!
//! `rate` sends them at a given rate, `overhead` compares recorded requests with unrecorded ones.

use std::sync::Arc;

use anyhow::Context as _;
use browser::{Browser, Request};

use crate::assemble::Assembly;
use crate::collect::Collector;
use crate::flush::flush_resolver;
use crate::job::Job;
use crate::machine::{MachineWatch, StealTime};
use crate::measured::{Measured, SCHEMA};
use crate::options::Options;
use crate::packets::{KeyFile, PacketWatch};
use crate::series::{Failures, Series};
use crate::target::Target;
use crate::{overhead, rate, usage};

/// A stack that fails so many requests in a row is not measured any further.
const FAILURES: usize = 10;

/// Journeys are put together after this many, so that spans need not be kept for all of them.
const CHUNK: usize = 250;

/// Measures on a running stack, one journey after the other; `progress` is called with how many are done, and of
/// how many.
///
/// The browser runs on a thread of its own: nothing else the lab does delays it.
///
/// # Errors
/// Every request failed, or ten in a row: no response, or another than 201. Fewer are counted ([`Series::failures`]).
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
            if let Err(error) = target.entry.enter() {
                return Some(Err(
                    anyhow::Error::new(error).context("enter the network of the browser's host")
                ));
            }
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
    let machine = MachineWatch::begin(target);
    let packets = options.tap.as_ref().map(|tap| PacketWatch::begin(target, collector, tap)).transpose()?;
    let request = Request::add_item(&options.product, options.quantity);
    let job = Job { target, collector, options, request };
    let extra = if options.overhead { overhead::requests(options.count) } else { 0 };
    let of = options.count * (usize::from(options.cold) + usize::from(options.warm)) + extra;
    let mut done = 0;
    let mut progress = |more: usize| {
        done += more;
        progress(done, of);
    };
    let mut measured = Measured {
        schema: SCHEMA.to_owned(),
        build: target.build.clone(),
        network: target.network.clone(),
        origin: format!("https://{}:{}", target.browser.host, target.browser.port),
        hops: target.hops.clone(),
        memory_bytes: memory(target),
        ..Measured::default()
    };
    let mut browser = Browser::new(target.browser.clone())?;
    if let Some(keys) = options.tap.as_ref().and_then(|tap| tap.keys.as_deref()) {
        let file = tap::private(keys).with_context(|| format!("write {}", keys.display()))?;
        browser.log_keys(Arc::new(KeyFile::new(file)))?;
    }
    if options.cold {
        measured.cold = Some(series(&job, &mut browser, true, &mut progress).await?);
    }
    if options.warm {
        if !options.cold {
            job.send(&mut browser).await?; // makes it warm, and is not counted
        }
        measured.warm = Some(match options.rate {
            None => series(&job, &mut browser, false, &mut progress).await?,
            Some(rate) => rate::series(&job, rate, &mut progress).await?,
        });
    }
    if options.overhead {
        measured.overhead = Some(overhead::measure(&job, &mut browser, &mut progress).await?);
    }
    measured.machine = machine.end();
    if let Some(packets) = packets {
        measured.tap = Some(packets.end(&mut measured.cold, &mut measured.warm)?);
    }
    Ok(measured)
}

fn memory(target: &Target) -> u64 {
    let groups = usage::groups();
    target.pids().filter_map(|pid| groups.get(&pid)).map(|usage| usage.resident).sum()
}

/// Each journey begins when the one before has ended.
async fn series(
    job: &Job<'_>,
    browser: &mut Browser,
    cold: bool,
    progress: &mut impl FnMut(usize),
) -> anyhow::Result<Series> {
    let options = job.options;
    let mut assembly = Assembly::new(options.count, options.kept());
    let mut steal_time = StealTime::watch();
    let mut failures = Failures::default();
    let (mut sent, mut in_a_row) = (0, 0);
    while sent < options.count {
        let mut requests = Vec::new();
        for _ in 0..CHUNK.min(options.count - sent) {
            if cold {
                browser.forget()?;
                flush_resolver(job.target).await?;
            }
            sent += 1;
            match job.send(browser).await {
                Ok(answered) => {
                    requests.push(answered);
                    in_a_row = 0;
                }
                Err(error) => {
                    failures.add(&error);
                    in_a_row += 1;
                    // Nothing was measured, or nothing more will be.
                    if in_a_row == FAILURES || failures.count == options.count {
                        let of = format!(
                            "{} of {sent} requests failed, the last {in_a_row} in a row",
                            failures.count
                        );
                        return Err(if sent == 1 { error } else { error.context(of) });
                    }
                }
            }
            steal_time.look();
            progress(1);
        }
        assembly.add(job.target, job.collector, &requests, &steal_time).await;
    }
    if options.settle {
        assembly.settle(job.target, job.collector).await;
    }
    Ok(Series { failures, ..assembly.series(None) })
}
