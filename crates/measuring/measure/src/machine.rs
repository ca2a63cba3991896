//! What the machine itself does to the figures: how late it wakes a sleeper, how long it takes a core
//! away, and who else used its cores while something was measured.

mod cores;
mod steal;

use std::time::{Duration, Instant};

use hop::clock;
use hop::pace::Pacer;
use journey::Histogram;
use serde::{Deserialize, Serialize};

use cores::{Cores, NANOSECONDS_PER_TICK};

use crate::target::Target;
use crate::usage;

pub(crate) use steal::StealTime;

/// The calibration's sleeps, and how many.
const SLEEP: Duration = Duration::from_micros(200);
const SLEEPS: u32 = 50;
/// How long the calibration spins.
const SPIN: Duration = Duration::from_millis(20);
/// Between two looks at the clock, a thread that keeps its core needs far less.
const GAP: Duration = Duration::from_micros(10);
/// The kernel's counters have steps of 10 ms: over a shorter time they say nothing about a share.
const SHORTEST: Duration = Duration::from_millis(300);

/// What the machine did before and while something was measured. Shares are from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// How many cores it has.
    pub cores: usize,
    /// How much too late a sleeping thread ran again, before measuring: the median, in nanoseconds.
    pub wake_late_p50_ns: Option<u64>,
    /// Likewise, in one of ten cases: fifty sleeps can tell no more.
    pub wake_late_p90_ns: Option<u64>,
    /// How long a thread that wanted to run could not, at most, before measuring, in nanoseconds.
    pub longest_gap_ns: u64,
    /// For which share of the time it could not.
    pub gaps_share: f64,
    /// Which share of all cores other programs took while measuring; absent when it was too short to tell.
    pub others_share: Option<f64>,
    /// Which share a hypervisor took, likewise.
    pub stolen_share: Option<f64>,
    /// For how long the hops and the lab waited for a core, for each second that they ran.
    pub waited_per_second: Option<f64>,
}

/// Watches the machine while something is measured.
pub(crate) struct MachineWatch {
    machine: Machine,
    pids: Vec<u32>,
    begun: Instant,
    cores: Cores,
    ours: usage::Scheduled,
}

impl MachineWatch {
    /// Calibrates, which takes some 40 ms of the calling thread, and begins to watch.
    pub(crate) fn begin(target: &Target) -> MachineWatch {
        let machine = calibrate();
        let pids: Vec<u32> = target.pids().collect();
        let ours = usage::scheduled(&pids).with(usage::this_process());
        MachineWatch { machine, pids, begun: clock::monotonic(), cores: Cores::read(), ours }
    }

    /// What the machine did since.
    pub(crate) fn end(self) -> Machine {
        let elapsed = clock::since(self.begun);
        let mut machine = self.machine;
        if elapsed < SHORTEST {
            return machine;
        }
        let cores = Cores::read();
        let ours = usage::scheduled(&self.pids).with(usage::this_process());
        // A program that died has taken its counters with it.
        let ran = ours.ran_ns.saturating_sub(self.ours.ran_ns) as f64;
        let waited = ours.waited_ns.saturating_sub(self.ours.waited_ns) as f64;
        let whole = elapsed.as_nanos() as f64 * machine.cores as f64;
        let share = |ticks: u64| (ticks * NANOSECONDS_PER_TICK) as f64 / whole;
        machine.others_share =
            Some((share(cores.busy.saturating_sub(self.cores.busy)) - ran / whole).clamp(0.0, 1.0));
        machine.stolen_share = Some(share(cores.stolen.saturating_sub(self.cores.stolen)).min(1.0));
        machine.waited_per_second = Some(if ran > 0.0 { waited / ran } else { 0.0 });
        machine
    }
}

fn calibrate() -> Machine {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pacer = Pacer::of_this_thread();
    let mut late = Histogram::default();
    let mut moment = clock::monotonic();
    for _ in 0..SLEEPS {
        moment = moment.max(clock::monotonic()) + SLEEP;
        late.record(nanoseconds(pacer.sleep_until(moment).saturating_duration_since(moment)));
    }
    let (mut longest, mut gaps) = (Duration::ZERO, Duration::ZERO);
    let begun = clock::monotonic();
    let mut last = begun;
    while last.saturating_duration_since(begun) < SPIN {
        let now = clock::monotonic();
        let gap = now.saturating_duration_since(last);
        if gap > GAP {
            longest = longest.max(gap);
            gaps += gap;
        }
        last = now;
    }
    let spun = last.saturating_duration_since(begun);
    Machine {
        cores,
        wake_late_p50_ns: late.percentile(50.0),
        wake_late_p90_ns: late.percentile(90.0),
        longest_gap_ns: nanoseconds(longest),
        gaps_share: gaps.as_secs_f64() / spun.as_secs_f64(),
        ..Machine::default()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
