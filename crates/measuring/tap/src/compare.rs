//! Both observation points side by side: what the programs say, and what the packets say of the same bytes.

mod ends;
mod figures;
mod legs;
mod own;
mod result;
mod verdict;

use std::collections::{BTreeMap, HashSet};

use journey::{Flow, Roster};

use crate::reported::ReportedStamps;
use crate::streams::Streams;
use ends::by_client;
use verdict::Margins;

pub use result::{Compared, HopCompared, LegCompared};

/// Compares what was said of some journeys with what was seen.
///
/// Streams that began before the capture must be [anchored](Streams::anchor) already.
pub fn compare(reported: &[ReportedStamps], streams: &Streams, roster: &Roster) -> Compared {
    let reporting_clients: HashSet<Flow> = reported
        .iter()
        .flat_map(|reported| &reported.stamps)
        .filter(|entry| by_client(&entry.stamp))
        .map(|entry| entry.stamp.flow)
        .collect();
    let mut margins = Margins::default();
    let mut legs = BTreeMap::new();
    let mut owns = BTreeMap::new();
    for reported in reported {
        reported.stamps.iter().for_each(|entry| margins.add(entry, streams));
        legs::gather(&mut legs, reported, streams, roster);
        own::gather(&mut owns, reported, streams, roster, &reporting_clients);
    }
    let verdicts = margins.verdicts();
    for hop in verdicts.keys() {
        owns.entry(hop.clone()).or_default();
    }
    let hops = owns.into_iter().map(|(hop, own)| own.line(roster, verdicts.get(&hop), hop));
    Compared {
        journeys: reported.len(),
        legs: legs.into_iter().map(legs::line).collect(),
        hops: hops.collect(),
    }
}

#[cfg(test)]
mod tests;
