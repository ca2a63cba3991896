//! What the machine itself does to the figures: how late it wakes a sleeper, how long it takes a core
//! away, and who else used its cores while something was measured.

use std::time::{Duration, Instant};

use hop::clock;
use hop::pace::Pacer;
use journey::Histogram;
use serde::{Deserialize, Serialize};

use crate::supervise::usage;
use crate::target::Target;

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
    pub wake_late_p50_ns: u64,
    /// Likewise, in one of a hundred cases.
    pub wake_late_p99_ns: u64,
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

impl Machine {
    /// The one line of a report.
    pub fn line(&self) -> String {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let micro = |nanoseconds: u64| format!("{:.3} ms", nanoseconds as f64 / 1e6);
        let mut line = format!(
            "The machine: {} cores; a sleeper runs {} late (p99 {}), a spinning thread lost its core for {} \
             of the time, {} at most",
            self.cores,
            micro(self.wake_late_p50_ns),
            micro(self.wake_late_p99_ns),
            percent(self.gaps_share),
            micro(self.longest_gap_ns),
        );
        if let (Some(others), Some(stolen), Some(waited)) =
            (self.others_share, self.stolen_share, self.waited_per_second)
        {
            line += &format!(
                ";\nwhile measuring, other programs took {} of all cores, a hypervisor {}; the lab's programs \
                 waited {waited:.2} s for a core per second that they ran",
                percent(others),
                percent(stolen),
            );
        }
        line + "."
    }
}

/// Watches the machine while something is measured.
pub(crate) struct Watch {
    machine: Machine,
    pids: Vec<u32>,
    begun: Instant,
    cores: Cores,
    ours: usage::Scheduled,
}

impl Watch {
    /// Calibrates, which takes some 40 ms of the calling thread, and begins to watch.
    pub(crate) fn begin(target: &Target) -> Watch {
        let machine = calibrate();
        let pids: Vec<u32> = target.hops.iter().filter_map(|hop| hop.pid).collect();
        let ours = usage::scheduled(&pids).with(usage::this_process());
        Watch { machine, pids, begun: clock::monotonic(), cores: Cores::read(), ours }
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
        wake_late_p99_ns: late.percentile(99.0),
        longest_gap_ns: nanoseconds(longest),
        gaps_share: gaps.as_secs_f64() / spun.as_secs_f64(),
        ..Machine::default()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `USER_HZ` is 100 on every Linux that runs Rust.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

/// The kernel's counters of all cores together, in ticks (proc_stat(5)); zeros where there is no /proc.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cores {
    /// Running programs, the kernel, or interrupts.
    pub(crate) busy: u64,
    /// Taken by a hypervisor while there was something to run.
    pub(crate) stolen: u64,
}

impl Cores {
    pub(crate) fn read() -> Cores {
        std::fs::read_to_string("/proc/stat").ok().as_deref().and_then(Cores::parse).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Cores> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().map_while(|number| number.parse().ok()).collect();
        let [user, nice, system, _idle, _iowait, irq, softirq, stolen, ..] = ticks[..] else { return None };
        Some(Cores { busy: user + nice + system + irq + softirq, stolen })
    }
}

/// When a hypervisor took cores away: a journey that was under way then says more about other machines
/// than about this one.
#[derive(Debug)]
pub(crate) struct StealTime {
    last: u64,
    cores: Cores,
    /// From, to (nanoseconds since the Unix epoch), and how much of that was stolen.
    windows: Vec<(u64, u64, u64)>,
}

impl StealTime {
    pub(crate) fn watch() -> StealTime {
        StealTime { last: clock::now(), cores: Cores::read(), windows: Vec::new() }
    }

    /// Looks at the counters, unless that was done within the last 10 ms, which is their step. To be called
    /// between journeys: it takes some microseconds.
    pub(crate) fn look(&mut self) {
        let now = clock::now();
        if now.saturating_sub(self.last) >= NANOSECONDS_PER_TICK {
            self.note(now, Cores::read());
        }
    }

    fn note(&mut self, now: u64, cores: Cores) {
        let stolen = cores.stolen.saturating_sub(self.cores.stolen) * NANOSECONDS_PER_TICK;
        if stolen > 0 {
            self.windows.push((self.last, now, stolen));
        }
        (self.last, self.cores) = (now, cores);
    }

    /// How much was stolen in the windows that a journey touches, in nanoseconds.
    pub(crate) fn during(&self, start: u64, end: u64) -> u64 {
        let touched = self.windows.iter().filter(|(from, to, _)| *from <= end && start <= *to);
        touched.map(|(_, _, stolen)| stolen).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_of_all_cores_are_read() {
        let text = "cpu  10 2 30 400 5 1 7 9 100 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(Cores::parse(text), Some(Cores { busy: 50, stolen: 9 }));
        assert_eq!(Cores::parse("cpu  10 2 30"), None);
        assert_eq!(Cores::parse("intr 5"), None);
        assert!(Cores::read().busy > 0, "Linux has /proc/stat");
    }

    #[test]
    fn a_journey_is_known_to_be_hit_when_it_touches_the_window() {
        let mut steal_time = StealTime { last: 1_000, cores: Cores::default(), windows: Vec::new() };
        steal_time.note(2_000, Cores { busy: 5, stolen: 0 });
        steal_time.note(3_000, Cores { busy: 5, stolen: 2 });
        steal_time.note(4_000, Cores { busy: 9, stolen: 2 });
        let seen = [(0, 1_900), (1_500, 2_500), (2_100, 2_200), (2_900, 5_000), (3_100, 5_000)];
        let stolen = seen.map(|(start, end)| steal_time.during(start, end) / NANOSECONDS_PER_TICK);
        assert_eq!(stolen, [0, 2, 2, 2, 0]);
    }

    #[test]
    fn a_calibration_sees_what_sleeping_costs_and_no_more_than_all_of_the_time() {
        let machine = calibrate();
        assert!(machine.cores > 0 && machine.wake_late_p50_ns > 0, "{machine:?}");
        assert!(machine.wake_late_p50_ns <= machine.wake_late_p99_ns, "{machine:?}");
        assert!((0.0..=1.0).contains(&machine.gaps_share), "{machine:?}");
        assert!(machine.line().contains("cores"), "{}", machine.line());
    }
}
