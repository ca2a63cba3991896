//! Where did the time go that one series of journeys has and another has not?
//!
//! Two series are compared place by place: the same kind of part, of the same name, at the same hop.
//! The medians' confidence intervals say by how much each place moved at least and at most.
//!
//! ```
//! use std::time::Duration;
//! use journey::Attribution;
//!
//! # let before: Vec<_> = (0..20).map(|at| journey::example(100 + at)).collect();
//! # let after: Vec<_> = (0..20).map(|at| journey::example(5_100 + at)).collect();
//! // `after` was measured with 5 ms more work in the pods
//! let attribution = Attribution::between(&before, &after);
//! let (delay, noise) = (Duration::from_millis(5), Duration::from_millis(1));
//! attribution.only("cart", delay, noise).expect("it is in the pods, and nowhere else");
//! assert!(attribution.only("ingress", delay, noise).is_err());
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::part::{Journey, Part, PartKind};
use crate::verdict::Quantile;

/// Where time can be spent; the same in many journeys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The instance, or the role where journeys met different instances.
    pub hop: String,
    /// The role.
    pub role: String,
    /// What the time was spent on.
    pub kind: PartKind,
    /// What was done; empty for a leg, which is told by the hop that it leads to.
    pub name: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.name.as_str()) {
            (PartKind::Leg, _) => write!(f, "legs to {}", self.hop),
            (kind, "") => write!(f, "{} ({})", self.hop, kind.as_str()),
            (kind, name) => write!(f, "{}: {name} ({})", self.hop, kind.as_str()),
        }
    }
}

/// By how much a median moved, in nanoseconds; below zero when it became less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The difference of the two medians.
    pub by_ns: i64,
    /// With 95 % confidence not less than this; `None` when there are too few journeys to tell.
    pub least_ns: Option<i64>,
    /// Nor more than this.
    pub most_ns: Option<i64>,
}

impl Shift {
    fn between(before: &[u64], after: &[u64]) -> Shift {
        let (before, after) = (median(before), median(after));
        let less = |a: Duration, b: Duration| a.as_nanos() as i64 - b.as_nanos() as i64;
        let less_both = |a: Option<Duration>, b: Option<Duration>| a.zip(b).map(|(a, b)| less(a, b));
        Shift {
            by_ns: less(after.estimate, before.estimate),
            least_ns: less_both(after.least, before.most),
            most_ns: less_both(after.most, before.least),
        }
    }

    /// Did it move by more than `noise`, whatever the true medians in their intervals are?
    pub fn is_beyond(&self, noise: Duration) -> bool {
        let noise = noise.as_nanos() as i64;
        self.least_ns.is_some_and(|least| least > noise) || self.most_ns.is_some_and(|most| most < -noise)
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |ns: i64| format!("{:+.3}", ns as f64 / 1e6);
        let bound = |ns: Option<i64>| ns.map_or_else(|| "?".to_owned(), milliseconds);
        write!(f, "{} ms ({} to {})", milliseconds(self.by_ns), bound(self.least_ns), bound(self.most_ns))
    }
}

/// Each end of its interval misses with 2.5 % at most, so each end of a difference of two with 5 %.
fn median(times: &[u64]) -> Quantile {
    Quantile::of(times.iter().copied().map(Duration::from_nanos), 50.0)
}

/// The delay is not where it should be, or not only there.
#[derive(Clone, Debug)]
pub struct Misattributed(String);

impl fmt::Display for Misattributed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misattributed {}

/// The time of each journey at one place.
type Times = BTreeMap<Place, Vec<u64>>;

/// Two series, place by place.
#[derive(Clone, Debug)]
pub struct Attribution {
    before: Times,
    after: Times,
}

impl Attribution {
    /// Compares two series.
    pub fn between(before: &[Journey], after: &[Journey]) -> Attribution {
        let spread = spread_roles(before.iter().chain(after));
        Attribution { before: times(before, &spread), after: times(after, &spread) }
    }

    /// Every place that either series has.
    pub fn places(&self) -> BTreeSet<&Place> {
        self.before.keys().chain(self.after.keys()).collect()
    }

    /// By how much these places moved together.
    pub fn shift(&self, of: impl Fn(&Place) -> bool) -> Shift {
        let sum = |times: &Times| {
            let mut sums = vec![0; times.values().map(Vec::len).max().unwrap_or(0)];
            for (_, times) in times.iter().filter(|(place, _)| of(place)) {
                sums.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
            }
            sums
        };
        Shift::between(&sum(&self.before), &sum(&self.after))
    }

    /// The places that certainly moved by more than `noise`, the furthest first.
    pub fn moved(&self, noise: Duration) -> Vec<(&Place, Shift)> {
        let shifts = self.places().into_iter().map(|place| (place, self.shift(|other| other == place)));
        let mut moved: Vec<_> = shifts.filter(|(_, shift)| shift.is_beyond(noise)).collect();
        moved.sort_by_key(|(_, shift)| std::cmp::Reverse(shift.by_ns.unsigned_abs()));
        moved
    }

    /// Did this hop (by name or role) certainly become slower by at least `by`, less the `noise`, and no
    /// other place certainly move by more than the `noise`?
    ///
    /// # Errors
    /// Says what moved, and by how much.
    pub fn only(&self, hop: &str, by: Duration, noise: Duration) -> Result<(), Misattributed> {
        let is_it = |place: &Place| place.hop == hop || place.role == hop;
        let there = self.shift(is_it);
        let floor = by.saturating_sub(noise).as_nanos() as i64;
        if there.least_ns.is_none_or(|least| least < floor) {
            let what = format!("{hop} moved by {there}, which is not for certain {by:?} (± {noise:?})");
            return Err(Misattributed(what));
        }
        let mut elsewhere = self.moved(noise);
        elsewhere.retain(|(place, _)| !is_it(place));
        if elsewhere.is_empty() {
            return Ok(());
        }
        let moved: Vec<String> = elsewhere.iter().map(|(place, shift)| format!("{place} {shift}")).collect();
        Err(Misattributed(format!("{hop} moved by {there}, but so did others: {}", moved.join("; "))))
    }
}

/// The roles whose instances differ from journey to journey: replicas, of which any may be met.
fn spread_roles<'a>(journeys: impl Iterator<Item = &'a Journey>) -> BTreeSet<String> {
    let mut met: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut spread = BTreeSet::new();
    for journey in journeys {
        let mut here: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for part in &journey.parts {
            here.entry(&part.role).or_default().insert(&part.hop);
        }
        for (role, hops) in here {
            if *met.entry(role).or_insert_with(|| hops.clone()) != hops {
                spread.insert(role.to_owned());
            }
        }
    }
    spread
}

fn times(journeys: &[Journey], spread: &BTreeSet<String>) -> Times {
    let place = |part: &Part| Place {
        hop: if spread.contains(&part.role) { part.role.clone() } else { part.hop.clone() },
        role: part.role.clone(),
        kind: part.kind,
        name: if part.kind == PartKind::Leg { String::new() } else { part.name.clone() },
    };
    let mut times = Times::new();
    for (at, journey) in journeys.iter().enumerate() {
        for part in &journey.parts {
            let place = times.entry(place(part)).or_insert_with(|| vec![0; journeys.len()]);
            place[at] += part.duration_ns;
        }
    }
    times
}

#[cfg(test)]
mod tests;
