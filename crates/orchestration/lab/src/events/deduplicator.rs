//! Tells repeated events: a memory that forgets.

use std::collections::HashSet;

/// How many ids are remembered at least; at most twice as many, some 30 MiB.
const REMEMBERED: usize = 100_000;
/// The longest id in bytes. A UUID has 36.
pub(super) const LONGEST: usize = 128;

/// Tells the first time from every other, among the last 100,000 ids.
///
/// The outbox repeats an event soon after the first time: when the pod that published it is dead (the relay comes
/// two seconds later), or again and again as long as it can't be taken out of the outbox. So an id that is
/// seen again is as good as new, and one that was not seen among so many others will not come any more.
#[derive(Debug, Default)]
pub(super) struct Deduplicator {
    young: HashSet<Box<str>>,
    old: HashSet<Box<str>>,
}

impl Deduplicator {
    /// Is this the first time?
    pub(super) fn first(&mut self, id: &str) -> bool {
        if self.young.contains(id) {
            return false;
        }
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        let first = !self.old.contains(id);
        self.young.insert(id.into());
        first
    }
}

#[cfg(test)]
mod tests;
