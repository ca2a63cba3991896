//! Which upstream gets the next request? Pure functions: what is known goes in, an index comes out.
//!
//! * **Least connections**: who has the fewest requests in progress. A slow server collects requests,
//!   so it gets fewer new ones: the simplest rule that adapts.
//! * **Round robin**: everyone in turn. Fair in numbers, blind to how long requests take.
//! * **Peak EWMA, power of two choices**: draw two at random, take the one with the lower *cost*:
//!   its recent latency times its requests in progress. Two random draws instead of a look at all
//!   avoid the herd: many balancers with the same view do not all run to the same best server.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Policy {
    /// The fewest requests in progress; among equals, in turn
    LeastConnections,
    /// Everyone in turn
    RoundRobin,
    /// The cheaper of two drawn at random: recent latency times requests in progress
    PeakEwma,
}

/// What a choice is based on, of one upstream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    pub usable: bool,
    /// Requests in progress.
    pub active: usize,
    /// Recent latency in nanoseconds; see [`PeakEwma`].
    pub latency: f64,
}

impl Candidate {
    /// What one more request here is expected to cost.
    fn cost(&self) -> f64 {
        // An upstream without any measurement costs next to nothing when idle, so that it is tried.
        self.latency.max(1.0) * (self.active as f64 + 1.0)
    }
}

/// Chooses an upstream by its index; `None` when none is usable.
///
/// `turn` counts the choices made so far; `draw` is random. With both given, the choice is determined.
pub fn choose(policy: Policy, candidates: &[Candidate], turn: usize, draw: u64) -> Option<usize> {
    match policy {
        Policy::LeastConnections => least_connections(candidates, turn),
        Policy::RoundRobin => nth(candidates, turn, |_| true),
        Policy::PeakEwma => power_of_two(candidates, draw),
    }
}

fn least_connections(candidates: &[Candidate], turn: usize) -> Option<usize> {
    let fewest = candidates.iter().filter(|one| one.usable).map(|one| one.active).min()?;
    nth(candidates, turn, |one| one.active == fewest)
}

/// Of the usable candidates that `fit`, the one whose turn it is.
fn nth(candidates: &[Candidate], turn: usize, fit: impl Fn(&Candidate) -> bool) -> Option<usize> {
    let fitting = || candidates.iter().enumerate().filter(|(_, one)| one.usable && fit(one));
    // Counting only those that fit keeps it fair: walking on from an unusable one would give its
    // neighbour a double share.
    let position = turn.checked_rem(fitting().count())?;
    fitting().nth(position).map(|(index, _)| index)
}

fn power_of_two(candidates: &[Candidate], draw: u64) -> Option<usize> {
    let usable = candidates.iter().filter(|one| one.usable).count();
    let (first, second) = ((draw >> 32) as usize, (draw & 0xffff_ffff) as usize);
    let first = first.checked_rem(usable)?;
    // The second is another one than the first, if there is another one.
    let second = (first + 1 + second.checked_rem(usable - 1).unwrap_or(0)) % usable;
    let (first, second) = (nth(candidates, first, |_| true)?, nth(candidates, second, |_| true)?);
    Some(if candidates[second].cost() < candidates[first].cost() { second } else { first })
}

/// A latency average that believes bad news at once and good news slowly.
///
/// A sample above the average replaces it (a *peak*); one below pulls it down with the weight of the
/// time that has passed, so that the average forgets over about `TIME` whether there is much traffic
/// or little. Without samples it fades too: who was slow gets another chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeakEwma {
    nanoseconds: f64,
    at: Option<Instant>,
}

impl PeakEwma {
    /// What is older than this counts for a third.
    const TIME: Duration = Duration::from_secs(10);

    pub fn observe(&mut self, latency: Duration, now: Instant) {
        let sample = latency.as_nanos() as f64;
        let faded = self.fade(now);
        self.nanoseconds = if sample > self.nanoseconds {
            sample
        } else {
            self.nanoseconds * faded + sample * (1.0 - faded)
        };
        self.at = Some(now);
    }

    /// The average at this moment, in nanoseconds; 0 when nothing was ever measured.
    pub fn value(&self, now: Instant) -> f64 {
        self.nanoseconds * self.fade(now)
    }

    /// How much of the past still counts: 1 right after a sample, towards 0 with time.
    fn fade(&self, now: Instant) -> f64 {
        let age = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        (-age.as_secs_f64() / Self::TIME.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests;
