//! What was seen before: a memory that forgets.

use std::collections::HashSet;

/// How many ids are remembered at least; at most twice as many, some 30 MiB.
const REMEMBERED: usize = 100_000;
/// The longest id in bytes. A UUID has 36.
pub(super) const LONGEST: usize = 128;

/// Tells the first time from every other, among the last 100,000 ids.
///
/// The outbox repeats an event soon after the first time: when the pod that told it is dead (the relay comes
/// two seconds later), or again and again as long as it can't be taken out of the outbox. So an id that is
/// seen again is as good as new, and one that was not seen among so many others will not come any more.
#[derive(Debug, Default)]
pub(super) struct Once {
    young: HashSet<Box<str>>,
    old: HashSet<Box<str>>,
}

impl Once {
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
mod tests {
    use super::*;

    #[test]
    fn the_first_time_counts() {
        let mut once = Once::default();
        let seen = ["a", "b", "a", "a", "c", "b"].map(|id| once.first(id));
        assert_eq!(seen, [true, true, false, false, true, false]);
    }

    #[test]
    fn memory_is_bounded_and_what_is_seen_again_stays() {
        let mut once = Once::default();
        assert!(once.first("kept") && once.first("dropped"));
        for number in 0..5 * REMEMBERED {
            assert!(once.first(&number.to_string()));
            if number % (REMEMBERED / 2) == 0 {
                assert!(!once.first("kept"), "{number}");
            }
            assert!(once.young.len() + once.old.len() <= 2 * REMEMBERED);
        }
        assert!(once.first("dropped"), "so much later, nobody remembers");
        assert!(!once.first(&(4 * REMEMBERED + 1).to_string()), "the last 100,000 are remembered");
    }
}
