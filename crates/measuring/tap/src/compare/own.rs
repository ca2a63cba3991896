//! What a program had of a journey itself: by its own stamps, and by packets.

use std::collections::{BTreeMap, HashSet};

use journey::{Direction, Event, Flow, Hop, Roster};

use super::figures::{distance, less, median};
use super::result::HopCompared;
use super::verdict::Verdict;
use crate::reported::{Handling, ReportedStamps};
use crate::streams::{Exchange, Streams, pair};

/// One program over all journeys, in nanoseconds.
#[derive(Default)]
pub(super) struct OwnTimes {
    opaque: bool,
    journeys: usize,
    inside: Vec<u64>,
    tap: Vec<u64>,
    disagreements: Vec<i64>,
}

pub(super) fn gather(
    all: &mut BTreeMap<String, OwnTimes>,
    reported: &ReportedStamps,
    streams: &Streams,
    roster: &Roster,
    reporting_clients: &HashSet<Flow>,
) {
    let mut times: BTreeMap<&str, (u64, Option<u64>)> = BTreeMap::new();
    for handling in &reported.handlings {
        let (inside, tap) = times.entry(&handling.hop).or_insert((0, Some(0)));
        *inside += by_stamps(handling);
        *tap = tap.zip(by_packets(handling, streams)).map(|(sum, tap)| sum + tap);
    }
    for (hop, (inside, tap)) in times {
        let own = all.entry(hop.to_owned()).or_default();
        own.journeys += 1;
        own.inside.push(inside);
        own.tap.extend(tap);
        own.disagreements.extend(tap.map(|tap| distance(inside, tap)));
    }
    for (hop, tap) in opaque(reported, streams, roster, reporting_clients) {
        let own = all.entry(hop).or_default();
        own.opaque = true;
        own.journeys += 1;
        own.tap.push(tap);
    }
}

/// By the program's own stamps.
fn by_stamps(handling: &Handling) -> u64 {
    let mut calls: Vec<_> = handling.calls.iter().map(|(sent, received)| (sent.at, received.at)).collect();
    less((handling.received.at, handling.sent.at), &mut calls)
}

/// By packets, which those stamps only name; `None` when one of them was not seen.
fn by_packets(handling: &Handling, streams: &Streams) -> Option<u64> {
    let whole = (streams.passed(&handling.received).arrived?, streams.passed(&handling.sent).out?);
    let calls = handling
        .calls
        .iter()
        .map(|(sent, received)| Some((streams.passed(sent).out?, streams.passed(received).arrived?)));
    Some(less(whole, &mut calls.collect::<Option<Vec<_>>>()?))
}

/// The programs that report nothing: from a request's arrival to the response's leaving, less the exchanges meanwhile
/// on connections whose client end nobody reports.
fn opaque(
    reported: &ReportedStamps,
    streams: &Streams,
    roster: &Roster,
    reporting_clients: &HashSet<Flow>,
) -> BTreeMap<String, u64> {
    let silent: Vec<(&Flow, &Hop)> = streams
        .flows()
        .filter(|flow| !reporting_clients.contains(flow))
        .filter_map(|flow| Some((flow, roster.at(flow.server)?)))
        .collect();
    let answered: HashSet<Flow> = reported.stamps.iter().map(|entry| entry.stamp.flow).collect();
    let may_call = |hop: &Hop, other: &Hop, flow: &Flow| {
        let unknown = hop.onward.is_empty();
        let passed_on = hop.onward.contains(&other.name) && (!other.reports || answered.contains(flow));
        hop.name != other.name && (unknown || passed_on)
    };
    // Where the client reports, its stamps say which bytes were request and response.
    let mut waiting: Vec<(&Hop, Exchange)> = Vec::new();
    for flow in answered.iter().filter(|flow| reporting_clients.contains(flow)) {
        if let Some(known) = roster.at(flow.server).filter(|known| !known.reports) {
            waiting.extend(reported_exchanges(reported, flow, streams).into_iter().map(|one| (known, one)));
        }
    }
    let mut found = BTreeMap::new();
    let mut seen: HashSet<(String, u64)> = HashSet::new();
    while let Some((hop, exchange)) = waiting.pop() {
        let Some((from, to)) = exchange.request.arrived.zip(exchange.response.out) else { continue };
        if !seen.insert((hop.name.clone(), from)) {
            continue;
        }
        let mut inner: Vec<(&Hop, (u64, u64), Exchange)> = Vec::new();
        for (flow, other) in silent.iter().filter(|(flow, other)| may_call(hop, other, flow)) {
            for exchange in streams.exchanges(flow, (from, to)) {
                let times = exchange.request.out.zip(exchange.response.arrived);
                inner.extend(times.filter(|(_, end)| *end <= to).map(|times| (*other, times, exchange)));
            }
        }
        inner.sort_by_key(|(_, (start, end), _)| std::cmp::Reverse(end.saturating_sub(*start)));
        let mut others: Vec<(u64, u64)> = Vec::new();
        let mut passed_on: Vec<(&str, (u64, u64))> = Vec::new();
        for (other, times, exchange) in inner {
            // A proxy passes a request on to one upstream at a time; what goes on beside it is a health check.
            let beside = |(name, (start, end)): &(&str, (u64, u64))| {
                *name == other.name && times.0 < *end && *start < times.1
            };
            if !hop.onward.is_empty() && passed_on.iter().any(beside) {
                continue;
            }
            passed_on.push((&other.name, times));
            others.push(times);
            // Between two that report nothing, only the packets tell.
            waiting.extend((!other.reports).then_some((other, exchange)));
        }
        *found.entry(hop.name.clone()).or_insert(0) += less((from, to), &mut others);
    }
    found
}

fn reported_exchanges(reported: &ReportedStamps, flow: &Flow, streams: &Streams) -> Vec<Exchange> {
    let by_client = reported.stamps.iter().map(|entry| &entry.stamp).filter(|stamp| {
        let event = match stamp.direction {
            Direction::Request => Event::Tx,
            Direction::Response => Event::Wake,
        };
        stamp.flow == *flow && stamp.event == event
    });
    let mut moves: Vec<_> = by_client.map(|stamp| (stamp.direction, streams.passed(stamp))).collect();
    moves.sort_by_key(|(_, passed)| passed.first());
    pair(&moves)
}

impl OwnTimes {
    pub(super) fn line(mut self, roster: &Roster, verdict: Option<&Verdict>, hop: String) -> HopCompared {
        HopCompared {
            role: roster.role(&hop).to_owned(),
            opaque: self.opaque,
            journeys: self.journeys,
            inside_ns: median(&mut self.inside),
            tap_ns: median(&mut self.tap),
            disagreement_ns: median(&mut self.disagreements),
            stamps: verdict.map_or(0, |verdict| verdict.stamps),
            unseen: verdict.map_or(0, |verdict| verdict.unseen),
            impossible: verdict.map_or(0, |verdict| verdict.impossible),
            misreports: verdict.and_then(|verdict| verdict.why.clone()),
            hop,
        }
    }
}
