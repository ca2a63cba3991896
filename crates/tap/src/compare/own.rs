//! What a program had of a journey itself: by its own stamps, and by packets.

use std::collections::{BTreeMap, HashSet};

use journey::{Direction, Event, Flow, Known, Roster};

use super::verdict::Verdict;
use super::{Hop, distance, less, median};
use crate::streams::{Exchange, Streams, alternate};
use crate::testimony::{Hold, Testimony};

/// One program over all journeys, in nanoseconds.
#[derive(Default)]
pub(super) struct Own {
    opaque: bool,
    journeys: usize,
    inside: Vec<u64>,
    tap: Vec<u64>,
    disagreements: Vec<i64>,
}

pub(super) fn gather(
    all: &mut BTreeMap<String, Own>,
    testimony: &Testimony,
    streams: &Streams,
    roster: &Roster,
    asked_by: &HashSet<Flow>,
) {
    let mut times: BTreeMap<&str, (u64, Option<u64>)> = BTreeMap::new();
    for hold in &testimony.holds {
        let (inside, tap) = times.entry(&hold.hop).or_insert((0, Some(0)));
        *inside += said(hold);
        *tap = tap.zip(seen(hold, streams)).map(|(sum, tap)| sum + tap);
    }
    for (hop, (inside, tap)) in times {
        let own = all.entry(hop.to_owned()).or_default();
        own.journeys += 1;
        own.inside.push(inside);
        own.tap.extend(tap);
        own.disagreements.extend(tap.map(|tap| distance(inside, tap)));
    }
    for (hop, tap) in opaque(testimony, streams, roster, asked_by) {
        let own = all.entry(hop).or_default();
        own.opaque = true;
        own.journeys += 1;
        own.tap.push(tap);
    }
}

/// By the program's own stamps.
fn said(hold: &Hold) -> u64 {
    let mut asked: Vec<_> = hold.asked.iter().map(|(question, answer)| (question.at, answer.at)).collect();
    less((hold.came.at, hold.went.at), &mut asked)
}

/// By packets, which those stamps only name; `None` when one of them was not seen.
fn seen(hold: &Hold, streams: &Streams) -> Option<u64> {
    let whole = (streams.passed(&hold.came).arrived?, streams.passed(&hold.went).out?);
    let asked = hold
        .asked
        .iter()
        .map(|(question, answer)| Some((streams.passed(question).out?, streams.passed(answer).arrived?)));
    Some(less(whole, &mut asked.collect::<Option<Vec<_>>>()?))
}

/// The programs that report nothing: from a question's arrival to the answer's leaving, less what was
/// asked and answered meanwhile on connections for whose client end nobody speaks.
fn opaque(
    testimony: &Testimony,
    streams: &Streams,
    roster: &Roster,
    asked_by: &HashSet<Flow>,
) -> BTreeMap<String, u64> {
    let silent: Vec<(&Flow, &Known)> = streams
        .flows()
        .filter(|flow| !asked_by.contains(flow))
        .filter_map(|flow| Some((flow, roster.at(flow.server)?)))
        .collect();
    let answered: HashSet<Flow> = testimony.claims.iter().map(|claim| claim.stamp.flow).collect();
    let may_ask = |hop: &Known, other: &Known, flow: &Flow| {
        let unknown = hop.onward.is_empty();
        let passed_on = hop.onward.contains(&other.name) && (!other.reports || answered.contains(flow));
        hop.name != other.name && (unknown || passed_on)
    };
    // Where the one who asked speaks, it says which bytes were question and answer.
    let mut waiting: Vec<(&Known, Exchange)> = Vec::new();
    for flow in answered.iter().filter(|flow| asked_by.contains(flow)) {
        if let Some(known) = roster.at(flow.server).filter(|known| !known.reports) {
            waiting.extend(said_exchanges(testimony, flow, streams).into_iter().map(|one| (known, one)));
        }
    }
    let mut found = BTreeMap::new();
    let mut seen: HashSet<(String, u64)> = HashSet::new();
    while let Some((hop, exchange)) = waiting.pop() {
        let Some((from, to)) = exchange.asked.arrived.zip(exchange.answered.out) else { continue };
        if !seen.insert((hop.name.clone(), from)) {
            continue;
        }
        let mut inner: Vec<(&Known, (u64, u64), Exchange)> = Vec::new();
        for (flow, other) in silent.iter().filter(|(flow, other)| may_ask(hop, other, flow)) {
            for exchange in streams.exchanges(flow, (from, to)) {
                let times = exchange.asked.out.zip(exchange.answered.arrived);
                inner.extend(times.filter(|(_, end)| *end <= to).map(|times| (*other, times, exchange)));
            }
        }
        inner.sort_by_key(|(_, (start, end), _)| std::cmp::Reverse(end.saturating_sub(*start)));
        let mut others: Vec<(u64, u64)> = Vec::new();
        let mut asked: Vec<(&str, (u64, u64))> = Vec::new();
        for (other, times, exchange) in inner {
            // Who passes a request on asks one at a time; what goes on beside it is a health check.
            let beside = |(name, (start, end)): &(&str, (u64, u64))| {
                *name == other.name && times.0 < *end && *start < times.1
            };
            if !hop.onward.is_empty() && asked.iter().any(beside) {
                continue;
            }
            asked.push((&other.name, times));
            others.push(times);
            // Between two that report nothing, only the packets tell.
            waiting.extend((!other.reports).then_some((other, exchange)));
        }
        *found.entry(hop.name.clone()).or_insert(0) += less((from, to), &mut others);
    }
    found
}

fn said_exchanges(testimony: &Testimony, flow: &Flow, streams: &Streams) -> Vec<Exchange> {
    let by_client = testimony.claims.iter().map(|claim| &claim.stamp).filter(|stamp| {
        let event = match stamp.direction {
            Direction::Request => Event::Tx,
            Direction::Response => Event::Wake,
        };
        stamp.flow == *flow && stamp.event == event
    });
    let mut moves: Vec<_> = by_client.map(|stamp| (stamp.direction, streams.passed(stamp))).collect();
    moves.sort_by_key(|(_, passed)| passed.first());
    alternate(&moves)
}

impl Own {
    pub(super) fn line(mut self, roster: &Roster, verdict: Option<&Verdict>, hop: String) -> Hop {
        Hop {
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
