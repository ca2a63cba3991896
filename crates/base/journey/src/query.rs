//! Questions to one journey, in the words of a test: which hops, in what order, and where the time went.
//!
//! ```
//! use std::time::Duration;
//! # let j = journey::example(10_000);
//! // presence and order
//! assert!(j.try_hop("ingress").is_some());
//! assert_eq!(j.order(), ["browser", "lb", "ingress", "cart-pod-abc12"]);
//! // counts: exact, and the same on every machine
//! assert_eq!((j.counts.tls_handshakes, j.counts.connections_reused), (0, 2));
//! assert_eq!((j.calls("ingress", "cart"), j.calls("lb", "redis"), j.counts.retries), (1, 0, 0));
//! // lower bounds: a program that waits 3 ms cannot take less
//! assert!(j.hop("ingress").wait() >= Duration::from_millis(3));
//! // relations: of parts of one journey, or of two journeys
//! assert!(j.hop("cart").own() < j.total());
//! assert!(j.hop("lb").own() < j.hop("cart").own());
//! ```

use std::time::Duration;

use crate::journey::Journey;
use crate::part::{Part, PartKind, Stage};

/// Some parts of a journey, and how long they took together.
#[derive(Clone, Debug)]
pub struct View<'a> {
    parts: Vec<&'a Part>,
}

impl Journey {
    /// What a hop did and what led to it; by the name of an instance or by a role, whose instances then
    /// count together.
    ///
    /// # Panics
    /// The journey did not meet it; the message says whom it met. [`Journey::try_hop`] does not panic.
    #[track_caller]
    pub fn hop(&self, name: &str) -> View<'_> {
        self.try_hop(name).unwrap_or_else(|| {
            let order = self.order().join(", ");
            panic!("no hop {name:?} in {}: it met {order} (roles: {})", self.name, self.roles().join(", "))
        })
    }

    /// As [`Journey::hop`]; `None` when the journey did not meet it.
    pub fn try_hop(&self, name: &str) -> Option<View<'_>> {
        self.view(|part| part.hop == name || part.role == name)
    }

    /// One line of the chapter's budget; empty when nothing of the kind was done, as a handshake in a
    /// warm journey.
    pub fn stage(&self, stage: Stage) -> View<'_> {
        self.view(|part| part.stage == stage).unwrap_or(View { parts: Vec::new() })
    }

    /// What lies between two hops, in this direction: from the one's write until the other runs. Of
    /// several messages, all together.
    ///
    /// # Panics
    /// Nothing went from the one to the other; the message lists what went where.
    #[track_caller]
    pub fn between(&self, from: &str, to: &str) -> View<'_> {
        self.try_between(from, to).unwrap_or_else(|| {
            let legs = self.parts.iter().filter(|part| part.kind == PartKind::Leg);
            let mut legs: Vec<&str> = legs.map(|part| part.name.as_str()).collect();
            legs.sort_unstable();
            legs.dedup();
            panic!("nothing went from {from:?} to {to:?} in {}; legs: {}", self.name, legs.join(", "))
        })
    }

    /// As [`Journey::between`]; `None` when nothing went from the one to the other.
    pub fn try_between(&self, from: &str, to: &str) -> Option<View<'_>> {
        let mut found = Vec::new();
        let mut arriving = false;
        for part in &self.parts {
            arriving = match part.kind {
                PartKind::Leg => part.name.split_once(" → ").is_some_and(|(sender, _)| {
                    (sender == from || self.role_of(sender) == Some(from))
                        && (part.hop == to || part.role == to)
                }),
                PartKind::Wake => arriving && (part.hop == to || part.role == to),
                _ => false,
            };
            if arriving {
                found.push(part);
            }
        }
        (!found.is_empty()).then_some(View { parts: found })
    }

    /// How many requests went straight from the one to the other, each with its way back, such as round trips to Redis:
    /// 0 when the one never asked the other. Between two that a proxy stands between there are none.
    /// What the one asked on account of this request when it had its response is in [`Journey::after`], and not here.
    ///
    /// Where a hop retried, [`Counts::retries`](crate::Counts) says how often.
    pub fn calls(&self, from: &str, to: &str) -> usize {
        let is = |hop: &str, name: &str| hop == name || self.role_of(hop) == Some(name);
        let legs = self.parts.iter().filter(|part| part.kind == PartKind::Leg);
        legs.filter(|leg| {
            leg.name.split_once(" → ").is_some_and(|(sender, to_hop)| is(sender, from) && is(to_hop, to))
        })
        .count()
    }

    /// The hops in the order in which the journey met them first, instances by name.
    pub fn order(&self) -> Vec<&str> {
        self.distinct(|part| &part.hop)
    }

    /// As [`Journey::order`], by role.
    pub fn roles(&self) -> Vec<&str> {
        self.distinct(|part| &part.role)
    }

    /// From the journey's beginning to the response's last byte.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total_ns)
    }

    fn distinct<'a>(&'a self, of: impl Fn(&'a Part) -> &'a String) -> Vec<&'a str> {
        let mut seen: Vec<&str> = Vec::new();
        for name in self.parts.iter().map(of) {
            if !seen.contains(&name.as_str()) {
                seen.push(name);
            }
        }
        seen
    }

    fn role_of(&self, hop: &str) -> Option<&str> {
        self.parts.iter().find(|part| part.hop == hop).map(|part| part.role.as_str())
    }

    fn view(&self, wanted: impl Fn(&Part) -> bool) -> Option<View<'_>> {
        let parts: Vec<&Part> = self.parts.iter().filter(|part| wanted(part)).collect();
        (!parts.is_empty()).then_some(View { parts })
    }
}

impl<'a> View<'a> {
    /// What programs did themselves: they worked, waited for something of their own, or had the request
    /// without saying more. Not the way to them, and not their waiting for a processor ([`View::wake`]).
    pub fn own(&self) -> Duration {
        self.sum(|part| part.kind.is_own())
    }

    /// Bytes under way, on the legs that lead here.
    pub fn leg(&self) -> Duration {
        self.sum(|part| part.kind == PartKind::Leg)
    }

    /// The bytes were there, the program was not yet running.
    pub fn wake(&self) -> Duration {
        self.sum(|part| part.kind == PartKind::Wake)
    }

    /// Programs waited for something of their own: a worker, a connection, a disk.
    pub fn wait(&self) -> Duration {
        self.sum(|part| part.kind == PartKind::Wait)
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        self.sum(|_| true)
    }

    /// Only the parts of this name, such as `fsync`; empty when there are none.
    pub fn named(&self, name: &str) -> View<'a> {
        View { parts: self.parts.iter().copied().filter(|part| part.name == name).collect() }
    }

    /// The parts themselves, in the order of the journey.
    pub fn parts(&self) -> &[&'a Part] {
        &self.parts
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    fn sum(&self, wanted: impl Fn(&Part) -> bool) -> Duration {
        let parts = self.parts.iter().filter(|part| wanted(part));
        Duration::from_nanos(parts.map(|part| part.duration_ns).sum())
    }
}

#[cfg(test)]
mod tests;
