//! What measuring costs: the same requests recorded and not recorded, by turns.
//!
//! Both kinds pass the same programs; only the `sampled` flag of their `traceparent` differs. They come in
//! stretches, a recorded one beside an unrecorded one, and each pair is compared with itself: what changes
//! slowly on the machine is the same for both halves. Which half comes first alternates.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use browser::{Browser, Request};
use hop::clock;
use hop::pace::Pacer;
use journey::median_interval;
use serde::{Deserialize, Serialize};

use crate::job::{Job, browser_sends};
use crate::usage;

/// How many pairs of stretches: the 95 % interval of a median of 20 goes from the 6th to the 15th.
const PAIRS: usize = 20;
/// After a stretch its spans are still being sent; that belongs to it. Every hop sends within 200 ms
/// (`telemetry.delay_ms`), and idle programs cost the same in both halves because both last as long.
const SETTLE: Duration = Duration::from_millis(300);
/// With what confidence the intervals hold the true value.
const CONFIDENCE: f64 = 0.95;

/// What recording may add to the hops' CPU time, as a share of it.
pub const AIM: f64 = 0.03;

/// Whether something is as it should be, as far as an interval can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval is.
    Within,
    /// The whole interval is not.
    Over,
    /// The interval is too wide to tell.
    Inconclusive,
}

/// A quantity without recording, and what recording adds to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The median without, in nanoseconds per request.
    pub without_ns: u64,
    /// The median of what recording adds, in nanoseconds per request.
    pub added_ns: i64,
    /// The lower end of that median's interval of 95 %.
    pub low_ns: i64,
    /// The upper end.
    pub high_ns: i64,
}

impl Cost {
    /// What recording adds, as a share: median, low and high.
    pub fn shares(&self) -> [f64; 3] {
        [self.added_ns, self.low_ns, self.high_ns].map(|added| added as f64 / self.without_ns.max(1) as f64)
    }

    /// Is what recording adds at most this share?
    pub fn verdict(&self, aim: f64) -> Verdict {
        let [_, low, high] = self.shares();
        match (low > aim, high > aim) {
            (_, false) => Verdict::Within,
            (true, true) => Verdict::Over,
            (false, true) => Verdict::Inconclusive,
        }
    }
}

/// What measuring costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overhead {
    /// How many pairs of stretches were compared.
    pub pairs: usize,
    /// How many requests each stretch had.
    pub requests: usize,
    /// Does recording add at most [`AIM`] to the CPU time of the hops?
    pub verdict: Verdict,
    /// The request's total, as the browser sees it.
    pub total: Cost,
    /// CPU time of all hops that the lab started, per request: recording and sending spans included.
    pub cpu: Cost,
    /// CPU time of the lab itself, which receives the spans (it is the browser, too), per request.
    pub lab_cpu: Cost,
}

/// How many requests a measurement of `count` journeys makes for this in addition.
pub(crate) fn requests(count: usize) -> usize {
    stretch(count) * PAIRS * 2
}

/// A stretch is long enough for its CPU time to be known, and short enough for all of them to end.
fn stretch(count: usize) -> usize {
    (count / PAIRS).clamp(25, 250)
}

/// One stretch: medians and means per request, in nanoseconds.
#[derive(Clone, Copy)]
struct Stretch {
    total: f64,
    cpu: f64,
    lab_cpu: f64,
}

/// Measures recorded and unrecorded warm requests by turns.
///
/// # Errors
/// A request that gets no response, or a response other than 201.
pub(crate) async fn measure(
    job: &Job<'_>,
    browser: &mut Browser,
    progress: &mut impl FnMut(usize),
) -> anyhow::Result<Overhead> {
    let requests = stretch(job.options.count);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        for sampled in [pair % 2 == 0, pair % 2 == 1] {
            let request = Request { sampled, ..job.request.clone() };
            let stretch = run(job, browser, &request, requests, progress).await?;
            if sampled { with.push(stretch) } else { without.push(stretch) }
        }
    }
    let cost = |of: fn(&Stretch) -> f64| cost(&without, &with, of);
    let cpu = cost(|stretch| stretch.cpu).context("twenty pairs have an interval")?;
    Ok(Overhead {
        pairs: PAIRS,
        requests,
        verdict: cpu.verdict(AIM),
        total: cost(|stretch| stretch.total).context("twenty pairs have an interval")?,
        cpu,
        lab_cpu: cost(|stretch| stretch.lab_cpu).context("twenty pairs have an interval")?,
    })
}

async fn run(
    job: &Job<'_>,
    browser: &mut Browser,
    request: &Request,
    requests: usize,
    progress: &mut impl FnMut(usize),
) -> anyhow::Result<Stretch> {
    let pids: Vec<u32> = job.target.pids().collect();
    let (hops, lab) = (usage::scheduled(&pids), usage::this_process());
    let mut totals = Vec::with_capacity(requests);
    for _ in 0..requests {
        let response = browser_sends(job.collector, browser, request, None).await?;
        totals.push(response.total_ns);
        if request.sampled {
            job.collector.insert(response.spans);
            // Nobody puts it together, and its root tells whose it was.
            job.collector.release(response.trace_id);
        }
        progress(1);
    }
    pass(clock::monotonic() + SETTLE).await?;
    let (hops_after, lab_after) = (usage::scheduled(&pids), usage::this_process());
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / requests as f64;
    totals.sort_unstable();
    Ok(Stretch {
        total: totals[requests / 2] as f64,
        cpu: each(hops.ran_ns, hops_after.ran_ns),
        lab_cpu: each(lab.ran_ns, lab_after.ran_ns),
    })
}

/// Lets time pass while connections are served.
async fn pass(until: Instant) -> anyhow::Result<()> {
    let sleep = move || Pacer::of_this_thread().sleep_until(until);
    tokio::task::spawn_blocking(sleep).await.context("let time pass")?;
    Ok(())
}

fn cost(without: &[Stretch], with: &[Stretch], of: fn(&Stretch) -> f64) -> Option<Cost> {
    // Differences may be negative, `median_interval` takes none: shifted there and back.
    const SHIFT: i64 = 1 << 50;
    let shifted: Vec<u64> = without
        .iter()
        .zip(with)
        .map(|(without, with)| ((of(with) - of(without)) as i64 + SHIFT).max(0).unsigned_abs())
        .collect();
    let back = |shifted: u64| shifted.cast_signed() - SHIFT;
    let (low, high) = median_interval(&shifted, CONFIDENCE)?;
    let middle = |values: &mut Vec<u64>| {
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    };
    let mut base: Vec<u64> = without.iter().map(|stretch| of(stretch) as u64).collect();
    Some(Cost {
        without_ns: middle(&mut base)?,
        added_ns: back(middle(&mut shifted.clone())?),
        low_ns: back(low),
        high_ns: back(high),
    })
}

#[cfg(test)]
mod tests;
