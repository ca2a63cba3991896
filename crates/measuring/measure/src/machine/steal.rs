//! What a hypervisor took while a journey was under way.

use hop::clock;

use super::cores::{Cores, NANOSECONDS_PER_TICK};

/// When a hypervisor took cores away: a journey that was under way then says more about other machines
/// than about this one.
#[derive(Debug)]
pub(crate) struct StealTime {
    pub(super) last: u64,
    pub(super) cores: Cores,
    /// From, to (nanoseconds since the Unix epoch), and how much of that was stolen.
    pub(super) windows: Vec<(u64, u64, u64)>,
}

impl StealTime {
    pub(crate) fn watch() -> StealTime {
        StealTime { last: clock::now(), cores: Cores::read(), windows: Vec::new() }
    }

    /// As if that had been seen.
    #[cfg(test)]
    pub(crate) fn of(windows: Vec<(u64, u64, u64)>) -> StealTime {
        StealTime { windows, ..StealTime::watch() }
    }

    /// Looks at the counters, unless that was done within the last 10 ms, which is their step. To be called
    /// between journeys: it takes some microseconds.
    pub(crate) fn look(&mut self) {
        let now = clock::now();
        if now.saturating_sub(self.last) >= NANOSECONDS_PER_TICK {
            self.note(now, Cores::read());
        }
    }

    pub(super) fn note(&mut self, now: u64, cores: Cores) {
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
