//! Both witnesses side by side: what the programs say, and what the packets say of the same bytes.

mod legs;
mod own;
mod verdict;

use std::collections::{BTreeMap, HashSet};

use journey::{Direction, Event, Flow, Roster, Stamp};
use serde::{Deserialize, Serialize};

use crate::streams::Streams;
use crate::testimony::{Claim, Testimony};
use verdict::Docket;

/// Many journeys of one kind, by both witnesses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// How many.
    pub journeys: usize,
    /// Bytes between two programs, by their roles.
    pub legs: Vec<Leg>,
    /// Each program.
    pub hops: Vec<Hop>,
}

/// Bytes on their way between two programs; medians over all messages, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// The sender's role.
    pub from: String,
    /// The receiver's role.
    pub to: String,
    /// How many messages.
    pub messages: usize,
    /// By the programs: from before the write to the receiving socket's queue or, where `woken`, to the
    /// end of the read. Absent when one of the two reports nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside_ns: Option<u64>,
    /// Does `inside_ns` end with the read, and so contain the receiver's wake-up?
    pub woken: bool,
    /// By the packets: from out to in. Absent when none was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tap_ns: Option<u64>,
    /// Inside minus tap, of each message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement_ns: Option<i64>,
    /// From the sender's stamp before the write to the packet's leaving: what lies between the two
    /// witnesses where the sender is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_ns: Option<i64>,
    /// From the packet's arrival to the end of the read: the wake-up, as the tap sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_ns: Option<u64>,
}

/// What one program had of each journey in which it took part; medians, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// The instance.
    pub hop: String,
    /// Its role.
    pub role: String,
    /// Does it report nothing?
    pub opaque: bool,
    /// In how many journeys it was seen.
    pub journeys: usize,
    /// Its own time by its own stamps: what came until what went, less what it waited for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside_ns: Option<u64>,
    /// The same by packets; its wake-ups and its system calls are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tap_ns: Option<u64>,
    /// Inside minus tap, of each journey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement_ns: Option<i64>,
    /// How many stamps it took.
    pub stamps: usize,
    /// How many of them speak of bytes that the tap did not see.
    pub unseen: usize,
    /// How many of them cannot be true.
    pub impossible: usize,
    /// Why its stamps are not to be trusted; absent when nothing speaks against them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misreports: Option<String>,
}

impl Compared {
    /// The programs whose stamps are not to be trusted.
    pub fn misreporting(&self) -> impl Iterator<Item = &Hop> {
        self.hops.iter().filter(|hop| hop.misreports.is_some())
    }
}

/// Compares what was said of some journeys with what was seen.
///
/// Streams that began before the capture must be [anchored](Streams::anchor) already.
pub fn compare(testimonies: &[Testimony], streams: &Streams, roster: &Roster) -> Compared {
    let asked_by: HashSet<Flow> = testimonies
        .iter()
        .flat_map(|testimony| &testimony.claims)
        .filter(|claim| by_client(&claim.stamp))
        .map(|claim| claim.stamp.flow)
        .collect();
    let mut docket = Docket::default();
    let mut legs = BTreeMap::new();
    let mut owns = BTreeMap::new();
    for testimony in testimonies {
        testimony.claims.iter().for_each(|claim| docket.hear(claim, streams));
        legs::gather(&mut legs, testimony, streams, roster);
        own::gather(&mut owns, testimony, streams, roster, &asked_by);
    }
    let verdicts = docket.judge();
    for hop in verdicts.keys() {
        owns.entry(hop.clone()).or_default();
    }
    let hops = owns.into_iter().map(|(hop, own)| own.line(roster, verdicts.get(&hop), hop));
    Compared {
        journeys: testimonies.len(),
        legs: legs.into_iter().map(legs::line).collect(),
        hops: hops.collect(),
    }
}

/// Did the flow's client take this stamp? Each end stamps what it sends and what it reads.
fn by_client(stamp: &Stamp) -> bool {
    (stamp.event == Event::Tx) == (stamp.direction == Direction::Request)
}

/// Who is at a flow's client end, when it says nothing itself: the program that passes requests on to there.
fn client_of(roster: &Roster, flow: &Flow) -> String {
    let server = roster.at(flow.server).map_or("", |known| &known.name);
    roster.opaque_before(server).map_or_else(|| "?".to_owned(), |known| known.name.clone())
}

/// The middle one; of an even number the lower of the two.
fn median<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// What is left of an interval when others are taken out of it, however they overlap.
fn less((start, end): (u64, u64), others: &mut [(u64, u64)]) -> u64 {
    others.sort_unstable();
    let mut left = 0;
    let mut cursor = start;
    for &mut (from, to) in others {
        left += from.min(end).saturating_sub(cursor);
        cursor = cursor.max(to);
    }
    left + end.saturating_sub(cursor)
}

fn distance(later: u64, earlier: u64) -> i64 {
    let by = i64::try_from(later.abs_diff(earlier)).unwrap_or(i64::MAX);
    if later >= earlier { by } else { -by }
}

/// The claim of whoever received a byte: the kernel's stamp first, of equals the earliest byte.
fn receiver<'a>(claims: &'a [Claim], sent: &Stamp, event: Event) -> Option<&'a Claim> {
    let same = |claim: &&Claim| {
        let stamp = &claim.stamp;
        let covers = match sent.flow.transport {
            journey::Transport::Tcp => stamp.offset >= sent.offset,
            journey::Transport::Udp => stamp.offset == sent.offset,
        };
        stamp.event == event && stamp.flow == sent.flow && stamp.direction == sent.direction && covers
    };
    claims.iter().filter(same).min_by_key(|claim| claim.stamp.offset)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
