//! QNAME minimisation (RFC 9156): no name server learns more of the name than it needs to point the way.
//!
//! For `api.myshop.com.` the root is queried for `com.` only, and the server of `com.` for `myshop.com.`
//! only. The last label needs no such probe: the question for it is the client's own. So a cold
//! `api.myshop.com. A` is three upstream queries, no more than without minimisation.
//!
//! A probe is a query for type A, whatever the client wants: RFC 9156 §2.1 prefers A to NS, which gives the
//! minimiser away and which some servers and middleboxes handle badly.

use hickory_proto::rr::{Name, RecordType};

/// The type that a probe queries for (RFC 9156 §2.1).
pub(crate) const PROBE: RecordType = RecordType::A;
/// The most queries for one name (RFC 9156 §2.3): a name of 127 labels must not cost 127 queries.
const MAX_MINIMISE_COUNT: usize = 10;
/// So many queries add a single label each (RFC 9156 §2.3); those after share the rest.
const MINIMISE_ONE_LAB: usize = 4;

/// How much of a name has been shown so far.
pub(crate) struct Minimiser<'a> {
    full: &'a Name,
    shown: usize,
    sent: usize,
    off: bool,
}

impl<'a> Minimiser<'a> {
    pub(crate) fn new(full: &'a Name) -> Self {
        Minimiser { full, shown: 0, sent: 0, off: false }
    }

    /// The name to query the servers of `zone` for next: some labels more than they, or a probe, already
    /// showed; in the end the full name.
    pub(crate) fn next(&mut self, zone: &Name) -> Name {
        let all = labels(self.full);
        self.shown = self.shown.max(labels(zone));
        let left = all.saturating_sub(self.shown);
        let step = match self.sent {
            _ if self.off => left,
            sent if sent < MINIMISE_ONE_LAB => 1,
            sent => left.div_ceil(MAX_MINIMISE_COUNT.saturating_sub(sent).max(1)),
        };
        self.shown = (self.shown + step).min(all);
        // The full name in the client's own spelling.
        if self.shown == all { self.full.clone() } else { self.full.trim_to(self.shown) }
    }

    /// The last name was really queried, and not found in the cache.
    pub(crate) fn count_sent(&mut self) {
        self.sent += 1;
    }

    /// From now on the full name: a simple-minded server denies, or refuses to speak of, what lies between a
    /// zone and its names. Its word on a probe is therefore no word on the name (RFC 9156 §2.3, "relaxed").
    pub(crate) fn give_up(&mut self) {
        self.off = true;
    }
}

/// How many labels a name has. [`Name::num_labels`] leaves out a `*`.
pub(crate) fn labels(name: &Name) -> usize {
    name.iter().count()
}

#[cfg(test)]
mod tests;
