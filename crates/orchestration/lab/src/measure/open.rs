//! Open loop: requests are sent at their times, whatever the answers do.
//!
//! In a closed loop a system that stalls holds back the requests that would have shown the stall
//! ("coordinated omission"). Here every request has a time at which it is due, and what it takes counts
//! from then. A thread of its own waits for those times ([`hop::pace`]) and hands the requests to browsers
//! of one connection each; while all of them are busy, requests wait, and that wait is a part of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hop::clock;
use hop::pace::Pacer;
use journey::{Histogram, TraceId};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Gathered, Series, created, one, spread};
use crate::collect::Collector;
use crate::machine::StealTime;
use crate::target::Target;
use browser::{Browser, Request, Response};

/// When a request is overdue for so long before a connection is free, the stack does not keep up, and no
/// more are sent.
const HOPELESS: Duration = Duration::from_secs(5);
/// Below this share of the rate that was wanted, the report says that the stack does not keep up.
const KEPT_UP: f64 = 0.95;

/// Percentiles, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of all are at most this.
    pub p50_ns: u64,
    /// Nine in ten.
    pub p90_ns: u64,
    /// Ninety-nine in a hundred.
    pub p99_ns: u64,
    /// Nine hundred and ninety-nine in a thousand.
    pub p999_ns: u64,
    /// All.
    pub max_ns: u64,
}

impl From<&Histogram> for Percentiles {
    fn from(histogram: &Histogram) -> Self {
        let at = |percent| histogram.percentile(percent);
        Percentiles {
            p50_ns: at(50.0),
            p90_ns: at(90.0),
            p99_ns: at(99.0),
            p999_ns: at(99.9),
            max_ns: histogram.max(),
        }
    }
}

/// How a rate was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenLoop {
    /// Requests per second that were asked for.
    pub wanted_per_second: f64,
    /// Requests per second that were answered as hoped, from the first one's time to the last one's answer
    /// (or to the end of the schedule, if that is later).
    pub achieved_per_second: f64,
    /// Over so many connections, one request at a time on each.
    pub connections: usize,
    /// How many requests were begun.
    pub sent: usize,
    /// How many of them were answered as hoped.
    pub answered: usize,
    /// How many were not, and what the first of those got.
    pub failed: usize,
    /// The first failure; absent when there is none.
    pub first_failure: Option<String>,
    /// The most requests that were under way at once.
    pub most_at_once: usize,
    /// The most requests that waited for a connection at once.
    pub most_waiting: usize,
    /// From the time at which each request was due to its last byte: what a user would see.
    pub response: Percentiles,
    /// From the time at which the browser began to its last byte: what a closed loop would report.
    pub service: Percentiles,
    /// How much later than due the pacing thread itself was: the generator's own error.
    pub pacing: Percentiles,
    /// Why it ended before its time; absent when it did not.
    pub stopped: Option<String>,
}

impl OpenLoop {
    /// Was the rate that was wanted achieved?
    pub fn kept_up(&self) -> bool {
        self.stopped.is_none() && self.achieved_per_second >= KEPT_UP * self.wanted_per_second
    }
}

/// A request whose time has come.
struct Due {
    at: usize,
    moment: Instant,
}

/// What is noted of every request.
struct Noted {
    steal_time: StealTime,
    response: Histogram,
    service: Histogram,
    recorded: Vec<(usize, TraceId)>,
    sent: usize,
    failed: usize,
    first_failure: Option<String>,
    most_at_once: usize,
    most_waiting: usize,
    last: Option<Instant>,
}

/// Sends requests at a rate and puts those that are recorded together: all, or as many as are to be kept.
///
/// # Errors
/// A browser cannot connect before it begins, or no request at all is answered as hoped.
pub(super) async fn series(
    target: &Target,
    collector: &Collector,
    request: &Request,
    options: &super::Options,
    rate: f64,
    progress: &mut impl FnMut(usize),
) -> anyhow::Result<Series> {
    anyhow::ensure!(rate > 0.0 && rate.is_finite(), "a rate is more than 0 per second, not {rate}");
    let mut idle = Vec::new();
    for _ in 0..options.connections.clamp(1, options.count.max(1)) {
        let mut browser = Browser::new(target.browser.clone())?;
        let warmed = one(&mut browser, collector, request).await?;
        collector.release(warmed);
        idle.push(browser);
    }
    let connections = idle.len();
    let begun = clock::monotonic() + Duration::from_millis(5);
    let mut pace = Pace::begin(begun, rate, options.count)?;
    let (noted, stopped) = offer(&mut pace, idle, collector, request, options, progress).await;
    let pacing = pace.end()?;

    let schedule = begun + Duration::from_secs_f64(noted.sent as f64 / rate);
    let end = noted.last.map_or(schedule, |last| last.max(schedule));
    let took = end.saturating_duration_since(begun).as_secs_f64();
    let answered = noted.response.len();
    if let (0, Some(failure)) = (answered, &noted.first_failure) {
        anyhow::bail!("{failure}");
    }
    let mut recorded = noted.recorded;
    recorded.sort_unstable();
    let made: Vec<TraceId> = recorded.into_iter().map(|(_, trace_id)| trace_id).collect();
    let mut gathered = Gathered::new(made.len(), options.kept());
    gathered.add(target, collector, &made, &noted.steal_time).await;
    Ok(gathered.series(Some(OpenLoop {
        wanted_per_second: rate,
        achieved_per_second: if took > 0.0 { answered as f64 / took } else { 0.0 },
        connections,
        sent: noted.sent,
        answered,
        failed: noted.failed,
        first_failure: noted.first_failure,
        most_at_once: noted.most_at_once,
        most_waiting: noted.most_waiting,
        response: (&noted.response).into(),
        service: (&noted.service).into(),
        pacing: (&pacing).into(),
        stopped,
    })))
}

/// Gives each request that is due to an idle browser, until all are answered or it is hopeless; the
/// second value says why.
async fn offer(
    pace: &mut Pace,
    mut idle: Vec<Browser>,
    collector: &Collector,
    request: &Request,
    options: &super::Options,
    progress: &mut impl FnMut(usize),
) -> (Noted, Option<String>) {
    let mut noted = Noted {
        steal_time: StealTime::watch(),
        response: Histogram::default(),
        service: Histogram::default(),
        recorded: Vec::new(),
        sent: 0,
        failed: 0,
        first_failure: None,
        most_at_once: 0,
        most_waiting: 0,
        last: None,
    };
    let mut waiting: VecDeque<Due> = VecDeque::new();
    let mut running = JoinSet::new();
    let mut open = true;
    let mut stopped = None;
    while open || !waiting.is_empty() || !running.is_empty() {
        while let Some(due) = waiting.pop_front() {
            let overdue = clock::since(due.moment);
            if overdue > HOPELESS && stopped.is_none() {
                pace.stop();
                stopped = Some(format!(
                    "{} requests were waiting for a free connection, the oldest for {:.1} s: no more were sent",
                    waiting.len() + 1,
                    overdue.as_secs_f64()
                ));
                waiting.clear();
                break;
            }
            let Some(mut browser) = idle.pop() else {
                waiting.push_front(due);
                break;
            };
            let sampled = spread(due.at, options.count, options.kept());
            let request = Request { sampled, ..request.clone() };
            noted.sent += 1;
            let claims = collector.clone();
            running.spawn(async move {
                let response = browser.send_due(&request, Some(due.moment)).await;
                let response = response.and_then(|response| created(response, &request));
                if let (true, Ok(response)) = (sampled, &response) {
                    claims.claim(response.trace_id);
                }
                (browser, due, sampled, response)
            });
            noted.most_at_once = noted.most_at_once.max(running.len());
        }
        noted.most_waiting = noted.most_waiting.max(waiting.len());
        if !open && running.is_empty() {
            continue; // The last ones were given up.
        }
        tokio::select! {
            due = pace.due.recv(), if open => match due {
                Some(due) if stopped.is_none() => waiting.push_back(due),
                Some(_) => {}
                None => open = false,
            },
            Some(done) = running.join_next(), if !running.is_empty() => {
                // A task of ours neither panics (the process would be gone) nor is it cancelled.
                let Ok((browser, due, sampled, response)) = done else { continue };
                idle.push(browser);
                noted.note(collector, due, sampled, response);
                noted.steal_time.look();
                progress(1);
            }
        }
    }
    (noted, stopped)
}

impl Noted {
    fn note(&mut self, collector: &Collector, due: Due, sampled: bool, response: anyhow::Result<Response>) {
        match response {
            Ok(response) => {
                self.response.record(response.total_ns);
                self.service.record(response.service_ns);
                self.last = Some(clock::monotonic());
                if sampled {
                    self.recorded.push((due.at, response.trace_id));
                    collector.insert(response.spans);
                }
            }
            Err(error) => {
                self.failed += 1;
                self.first_failure.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
}

/// The thread that knows when each request is due.
struct Pace {
    due: mpsc::UnboundedReceiver<Due>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Histogram>>,
}

impl Pace {
    fn begin(begun: Instant, rate: f64, count: usize) -> anyhow::Result<Pace> {
        // Unbounded, because the thread must never wait for a reader; `HOPELESS` bounds it.
        let (sender, due) = mpsc::unbounded_channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            let pacer = Pacer::of_this_thread();
            let mut late = Histogram::default();
            for at in 0..count {
                // From the beginning, not from the one before: rounding and delays do not add up.
                let moment = begun + Duration::from_secs_f64(at as f64 / rate);
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let woken = pacer.until(moment).saturating_duration_since(moment);
                late.record(u64::try_from(woken.as_nanos()).unwrap_or(u64::MAX));
                if sender.send(Due { at, moment }).is_err() {
                    break;
                }
            }
            late
        };
        let thread = std::thread::Builder::new().name("pace".into()).spawn(run);
        Ok(Pace { due, stop, thread: Some(thread.context("start the pacing thread")?) })
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How late each request was handed over.
    fn end(mut self) -> anyhow::Result<Histogram> {
        let thread = self.thread.take().context("a pace ends once")?;
        thread.join().map_err(|_| anyhow::anyhow!("the pacing thread ended early"))
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.stop();
    }
}
