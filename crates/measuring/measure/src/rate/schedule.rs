//! When each request is due, whatever became of those before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hop::pace::Pacer;
use journey::Histogram;
use tokio::sync::mpsc;

/// A request whose time has come.
pub(super) struct Due {
    /// Its number, from 0.
    pub(super) at: usize,
    pub(super) moment: Instant,
}

/// The thread that knows when each request is due.
pub(super) struct Schedule {
    pub(super) due: mpsc::UnboundedReceiver<Due>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Histogram>>,
}

impl Schedule {
    pub(super) fn begin(begun: Instant, rate: f64, count: usize) -> anyhow::Result<Schedule> {
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
        Ok(Schedule { due, stop, thread: Some(thread.context("start the pacing thread")?) })
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How late each request was handed over.
    pub(super) fn end(mut self) -> anyhow::Result<Histogram> {
        let thread = self.thread.take().context("a schedule ends once")?;
        thread.join().map_err(|_| anyhow::anyhow!("the pacing thread ended early"))
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.stop();
    }
}
