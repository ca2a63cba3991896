//! Open loop: requests are sent at their times, whatever the answers do.
//!
//! In a closed loop a system that stalls holds back the requests that would have shown the stall
//! ("coordinated omission"). Here every request has a time at which it is due, and what it takes counts
//! from then. A thread of its own waits for those times ([`hop::pace`]) and hands the requests to browsers
//! of one connection each; while all of them are busy, requests wait, and that wait is a part of them.

mod outcomes;
mod schedule;

use std::collections::VecDeque;
use std::time::Duration;

use browser::{Browser, Request};
use hop::clock;
use tokio::task::JoinSet;

use outcomes::Outcomes;
use schedule::{Due, Schedule};

use crate::assemble::{Assembly, spread};
use crate::job::{Answered, Job, browser_sends};
use crate::machine::StealTime;
use crate::open_loop::OpenLoop;
use crate::series::Series;

/// When a request is overdue for so long before a connection is free, the stack does not keep up, and no
/// more are sent.
const HOPELESS: Duration = Duration::from_secs(5);

/// Sends requests at a rate and puts those that are recorded together: all, or as many as are to be kept.
///
/// # Errors
/// A browser cannot connect before it begins, or no request at all is answered as hoped.
pub(crate) async fn series(
    job: &Job<'_>,
    rate: f64,
    progress: &mut impl FnMut(usize),
) -> anyhow::Result<Series> {
    anyhow::ensure!(rate > 0.0 && rate.is_finite(), "a rate is more than 0 per second, not {rate}");
    let options = job.options;
    let mut idle = Vec::new();
    for _ in 0..options.connections.clamp(1, options.count.max(1)) {
        let mut browser = Browser::new(job.target.browser.clone())?;
        let warmed = job.send(&mut browser).await?;
        job.collector.release(warmed.trace_id);
        idle.push(browser);
    }
    let connections = idle.len();
    let begun = clock::monotonic() + Duration::from_millis(5);
    let mut schedule = Schedule::begin(begun, rate, options.count)?;
    let mut steal_time = StealTime::watch();
    let (outcomes, stopped) = dispatch(job, &mut schedule, idle, &mut steal_time, progress).await;
    let pacing = schedule.end()?;

    let planned = begun + Duration::from_secs_f64(outcomes.sent as f64 / rate);
    let end = outcomes.last.map_or(planned, |last| last.max(planned));
    let took = end.saturating_duration_since(begun).as_secs_f64();
    let answered = outcomes.response.len();
    if let (0, Some(failure)) = (answered, &outcomes.first_failure) {
        anyhow::bail!("{failure}");
    }
    let mut recorded = outcomes.recorded;
    recorded.sort_unstable_by_key(|(at, _)| *at);
    let recorded: Vec<Answered> = recorded.into_iter().map(|(_, answered)| answered).collect();
    let mut assembly = Assembly::new(recorded.len(), options.kept());
    assembly.add(job.target, job.collector, &recorded, &steal_time).await;
    if options.settle {
        assembly.settle(job.target, job.collector).await;
    }
    assembly.add_unrecorded(&outcomes.unrecorded);
    Ok(assembly.series(Some(OpenLoop {
        wanted_per_second: rate,
        achieved_per_second: if took > 0.0 { answered as f64 / took } else { 0.0 },
        connections,
        sent: outcomes.sent,
        answered,
        failed: outcomes.failed,
        first_failure: outcomes.first_failure,
        most_at_once: outcomes.most_at_once,
        most_waiting: outcomes.most_waiting,
        response: outcomes.response.percentiles(),
        service: outcomes.service.percentiles(),
        pacing: pacing.percentiles(),
        unsent: outcomes.unsent,
        stopped,
    })))
}

/// Gives each request that is due to an idle browser, until all are answered or it is hopeless; the
/// second value says why.
async fn dispatch(
    job: &Job<'_>,
    schedule: &mut Schedule,
    mut idle: Vec<Browser>,
    steal_time: &mut StealTime,
    progress: &mut impl FnMut(usize),
) -> (Outcomes, Option<String>) {
    let options = job.options;
    let mut outcomes = Outcomes::default();
    let mut waiting: VecDeque<Due> = VecDeque::new();
    let mut running = JoinSet::new();
    let mut open = true;
    let mut stopped = None;
    while open || !waiting.is_empty() || !running.is_empty() {
        while let Some(due) = waiting.pop_front() {
            let overdue = clock::since(due.moment);
            if overdue > HOPELESS && stopped.is_none() {
                schedule.stop();
                stopped = Some(format!(
                    "{} requests were waiting for a free connection, the oldest for {:.1} s: no more were sent",
                    waiting.len() + 1,
                    overdue.as_secs_f64()
                ));
                outcomes.unsent += waiting.len() + 1;
                waiting.clear();
                break;
            }
            let Some(mut browser) = idle.pop() else {
                waiting.push_front(due);
                break;
            };
            let sampled = spread(due.at, options.count, options.kept());
            let request = Request { sampled, ..job.request.clone() };
            outcomes.sent += 1;
            let collector = job.collector.clone();
            running.spawn(async move {
                let response = browser_sends(&collector, &mut browser, &request, Some(due.moment)).await;
                (browser, due, sampled, response)
            });
            outcomes.most_at_once = outcomes.most_at_once.max(running.len());
        }
        outcomes.most_waiting = outcomes.most_waiting.max(waiting.len());
        if !open && running.is_empty() {
            continue; // The last ones were given up.
        }
        tokio::select! {
            due = schedule.due.recv(), if open => match due {
                Some(due) if stopped.is_none() => waiting.push_back(due),
                Some(_) => outcomes.unsent += 1,
                None => open = false,
            },
            Some(done) = running.join_next(), if !running.is_empty() => {
                // A task of ours neither panics (the process would be gone) nor is it cancelled.
                let Ok((browser, due, sampled, response)) = done else { continue };
                idle.push(browser);
                outcomes.note(job.collector, due, sampled, response);
                steal_time.look();
                progress(1);
            }
        }
    }
    (outcomes, stopped)
}
