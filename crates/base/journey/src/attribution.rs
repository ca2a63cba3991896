//! Where did the time go that one series of journeys has and another has not?
//!
//! Two series are compared key by key: the same kind of part, of the same name, at the same hop; by
//! their medians, as [`compare`] does it.
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

use crate::compare::{Change, Comparison, compare};
use crate::journey::Journey;
use crate::order_statistics::CONFIDENCE;
use crate::part::{Part, PartKind};

/// Where time can be spent; the same in many journeys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartKey {
    /// The instance, or the role where journeys met different instances.
    pub hop: String,
    /// As in the roster.
    pub role: String,
    /// What the time was spent on.
    pub kind: PartKind,
    /// What was done; empty for a leg, which is told by the hop that it leads to.
    pub name: String,
}

impl fmt::Display for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.name.as_str()) {
            (PartKind::Leg, _) => write!(f, "legs to {}", self.hop),
            (kind, "") => write!(f, "{} ({})", self.hop, kind.as_str()),
            (kind, name) => write!(f, "{}: {name} ({})", self.hop, kind.as_str()),
        }
    }
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

/// The time of each journey at one key.
type Times = BTreeMap<PartKey, Vec<u64>>;

/// Two series, key by key.
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

    /// Every key that either series has.
    pub fn keys(&self) -> BTreeSet<&PartKey> {
        self.before.keys().chain(self.after.keys()).collect()
    }

    /// How much these keys took together, before and after; beyond `least` it has moved for certain.
    /// `None` when one of the series has no journeys.
    pub fn compare(&self, of: impl Fn(&PartKey) -> bool, least: Duration) -> Option<Comparison> {
        let sum = |times: &Times| {
            let mut sums = vec![0; times.values().map(Vec::len).max().unwrap_or(0)];
            for (_, times) in times.iter().filter(|(key, _)| of(key)) {
                sums.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
            }
            sums
        };
        compare(&sum(&self.before), &sum(&self.after), CONFIDENCE, least.as_nanos() as u64)
    }

    /// The keys that certainly moved by more than `noise`, the furthest first.
    pub fn moved(&self, noise: Duration) -> Vec<(&PartKey, Comparison)> {
        let compared = |key| Some((key, self.compare(|other| other == key, noise)?));
        let mut moved: Vec<_> = self.keys().into_iter().filter_map(compared).collect();
        moved.retain(|(_, comparison)| comparison.verdict != Change::Inconclusive);
        moved.sort_by_key(|(_, comparison)| std::cmp::Reverse(comparison.difference_ns.unsigned_abs()));
        moved
    }

    /// Did this hop (by name or role) certainly become slower by `by`, less the `noise`, and no other key
    /// certainly move by more than the `noise`?
    ///
    /// # Errors
    /// Says what moved, and by how much.
    pub fn only(&self, hop: &str, by: Duration, noise: Duration) -> Result<(), Misattributed> {
        let is_it = |key: &PartKey| key.hop == hop || key.role == hop;
        let there = self.compare(is_it, by.saturating_sub(noise));
        let Some(there) = there else { return Err(Misattributed("there are no journeys".to_owned())) };
        if there.verdict != Change::Slower {
            let there = shown(&there);
            let what = format!("{hop} moved by {there}, which is not for certain {by:?} (± {noise:?})");
            return Err(Misattributed(what));
        }
        let mut elsewhere = self.moved(noise);
        elsewhere.retain(|(key, _)| !is_it(key));
        if elsewhere.is_empty() {
            return Ok(());
        }
        let moved: Vec<String> =
            elsewhere.iter().map(|(key, moved)| format!("{key} {}", shown(moved))).collect();
        let there = shown(&there);
        Err(Misattributed(format!("{hop} moved by {there}, but so did others: {}", moved.join("; "))))
    }
}

/// `+5.000 ms (+4.900 to +5.100)`.
fn shown(comparison: &Comparison) -> String {
    let milliseconds = |ns: i64| format!("{:+.3}", ns as f64 / 1e6);
    let bound = |ns: Option<i64>| ns.map_or_else(|| "?".to_owned(), milliseconds);
    let Comparison { difference_ns, low_ns, high_ns, .. } = *comparison;
    format!("{} ms ({} to {})", milliseconds(difference_ns), bound(low_ns), bound(high_ns))
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
    let key = |part: &Part| PartKey {
        hop: if spread.contains(&part.role) { part.role.clone() } else { part.hop.clone() },
        role: part.role.clone(),
        kind: part.kind,
        name: if part.kind == PartKind::Leg { String::new() } else { part.name.clone() },
    };
    let mut times = Times::new();
    for (at, journey) in journeys.iter().enumerate() {
        for part in &journey.parts {
            let key = times.entry(key(part)).or_insert_with(|| vec![0; journeys.len()]);
            key[at] += part.duration_ns;
        }
    }
    times
}

#[cfg(test)]
mod tests;
