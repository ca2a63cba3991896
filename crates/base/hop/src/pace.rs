//! Doing something at given moments, on a thread of one's own.
//!
//! An asynchronous timer has steps of a millisecond, and a relative sleep adds up its delays. Here a
//! thread sleeps until an *absolute* moment (`clock_nanosleep` with `TIMER_ABSTIME`, clock_nanosleep(2)),
//! so that being late once makes nothing after it late, and spins through the last bit, because waking up
//! takes the kernel some tens of microseconds. Only a load generator and a calibration need this: whoever
//! waits for a *condition* uses [`crate::wait`].

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::thread::{ClockId, clock_nanosleep_absolute};
use rustix::time::Timespec;

use crate::clock;

/// How long before its moment the thread stops sleeping. Spinning takes a core from the programs that are
/// measured, so it is no longer than a usual wake-up.
const SPIN: Duration = Duration::from_micros(60);

/// A thread's ability to wait for a moment.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    /// The same moment as Rust's opaque clock has it, and as the kernel's calls want it.
    anchor: (Instant, Timespec),
}

impl Pacer {
    /// Prepares the calling thread: the kernel may no longer delay its timers to save power (by 50 µs
    /// otherwise; PR_SET_TIMERSLACK(2const)).
    pub fn of_this_thread() -> Self {
        // Without it waits end later, and what uses them reports by how much.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let look = || {
            let before = clock::monotonic();
            let kernel = rustix::time::clock_gettime(ClockId::Monotonic);
            (clock::since(before), (before, kernel))
        };
        let tightest = (0..5).map(|_| look()).min_by_key(|(width, _)| *width).unwrap_or_else(look);
        Pacer { anchor: tightest.1 }
    }

    /// Sleeps until a moment; returns when the thread runs again. A moment that has passed is now.
    pub fn sleep_until(&self, moment: Instant) -> Instant {
        let (anchor, kernel) = self.anchor;
        let ahead = moment.saturating_duration_since(anchor);
        let nanoseconds = kernel.tv_nsec + i64::from(ahead.subsec_nanos());
        let whole = ahead.as_secs().cast_signed() + nanoseconds / 1_000_000_000;
        let request =
            Timespec { tv_sec: kernel.tv_sec.saturating_add(whole), tv_nsec: nanoseconds % 1_000_000_000 };
        // A signal may end the sleep; the moment stays the same.
        while clock_nanosleep_absolute(ClockId::Monotonic, &request) == Err(rustix::io::Errno::INTR) {}
        clock::monotonic()
    }

    /// As [`Pacer::sleep_until`], but exact to a microsecond while the thread has a core: spins at most 60 µs.
    pub fn until(&self, moment: Instant) -> Instant {
        let mut now = clock::monotonic();
        if moment.saturating_duration_since(now) > SPIN {
            now = self.sleep_until(moment - SPIN);
        }
        while now < moment {
            std::hint::spin_loop();
            now = clock::monotonic();
        }
        now
    }
}

#[cfg(test)]
mod tests;
