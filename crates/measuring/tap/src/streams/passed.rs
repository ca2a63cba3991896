//! When bytes passed.

/// When a byte passed, by the kernel's stamps in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// It left the sender.
    pub out: Option<u64>,
    /// It arrived at the receiver, and so had all bytes before it.
    pub arrived: Option<u64>,
}

impl Passed {
    /// The earlier of its times: where it stands among others.
    pub(crate) fn first(&self) -> u64 {
        self.out.or(self.arrived).unwrap_or(u64::MAX)
    }

    /// Remembers the first time.
    pub(super) fn note(&mut self, out: bool, at: u64) {
        let half = if out { &mut self.out } else { &mut self.arrived };
        *half = Some(half.map_or(at, |first| first.min(at)));
    }
}
