//! What a program had of a journey itself: by its own stamps, and by packets.

use std::collections::{BTreeMap, HashSet};

use journey::{Direction, Event, Flow, Roster};

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
/// asked and answered meanwhile on connections for which nobody else speaks.
fn opaque(
    testimony: &Testimony,
    streams: &Streams,
    roster: &Roster,
    asked_by: &HashSet<Flow>,
) -> BTreeMap<String, u64> {
    let mut exchanges: Vec<(&Flow, Exchange)> = Vec::new();
    let silent: Vec<&Flow> = streams.flows().filter(|flow| !asked_by.contains(flow)).collect();
    let opaque = |flow: &Flow| roster.at(flow.server).filter(|known| !known.reports);
    for flow in streams.flows().filter(|flow| opaque(flow).is_some()) {
        let of_flow = if asked_by.contains(flow) {
            // Who asked says which bytes were questions and answers.
            said_exchanges(testimony, flow, streams)
        } else {
            // Between two that report nothing, only the packets tell.
            streams.exchanges(flow, testimony.span)
        };
        exchanges.extend(of_flow.into_iter().map(|exchange| (flow, exchange)));
    }
    let mut found = BTreeMap::new();
    for (flow, exchange) in exchanges {
        let Some(hop) = opaque(flow).map(|known| known.name.clone()) else { continue };
        let Some((from, to)) = exchange.asked.arrived.zip(exchange.answered.out) else { continue };
        let mut others = Vec::new();
        for other in silent.iter().filter(|other| other.server != flow.server) {
            for exchange in streams.exchanges(other, (from, to)) {
                others
                    .extend(exchange.asked.out.zip(exchange.answered.arrived).filter(|(_, end)| *end <= to));
            }
        }
        *found.entry(hop).or_insert(0) += less((from, to), &mut others);
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
