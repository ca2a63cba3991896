//! Legs: from one program's write to the next one's socket.

use std::collections::BTreeMap;

use journey::{Direction, Event, Roster, Stamp};

use super::{Leg, client_of, distance, median, receiver};
use crate::streams::{Passed, Streams};
use crate::testimony::{Claim, Testimony};

/// Every message between two roles.
pub(super) type Legs = BTreeMap<(String, String), Messages>;

/// What both witnesses say of all messages on one leg, in nanoseconds.
#[derive(Default)]
pub(super) struct Messages {
    count: usize,
    inside: Vec<u64>,
    tap: Vec<u64>,
    disagreements: Vec<i64>,
    wakes: Vec<u64>,
    woken: bool,
}

pub(super) fn gather(legs: &mut Legs, testimony: &Testimony, streams: &Streams, roster: &Roster) {
    let claims = &testimony.claims;
    for claim in claims {
        let stamp = &claim.stamp;
        match stamp.event {
            Event::Tx => {
                let queued = receiver(claims, stamp, Event::Rx);
                let read = receiver(claims, stamp, Event::Wake);
                let to = queued.or(read).map_or_else(|| other_end(roster, stamp), |claim| claim.hop.clone());
                let key = (roster.role(&claim.hop).to_owned(), roster.role(&to).to_owned());
                let messages = legs.entry(key).or_default();
                messages.note(Some(stamp), queued.map(at), read.map(at), streams.passed(stamp));
            }
            // Who sent this says nothing.
            Event::Wake if unsent(claims, stamp) => {
                let from = other_end(roster, stamp);
                let key = (roster.role(&from).to_owned(), roster.role(&claim.hop).to_owned());
                legs.entry(key).or_default().note(None, None, Some(stamp.at), streams.passed(stamp));
            }
            Event::Rx | Event::Accept | Event::Wake => {}
        }
    }
}

fn at(claim: &Claim) -> u64 {
    claim.stamp.at
}

fn unsent(claims: &[Claim], read: &Stamp) -> bool {
    let sends = |stamp: &Stamp| {
        stamp.event == Event::Tx && (stamp.flow, stamp.direction) == (read.flow, read.direction)
    };
    !claims.iter().any(|claim| sends(&claim.stamp))
}

/// The program at the end of a flow that did not take this stamp.
fn other_end(roster: &Roster, stamp: &Stamp) -> String {
    let at_server = (stamp.event == Event::Tx) == (stamp.direction == Direction::Request);
    match roster.at(stamp.flow.server).filter(|_| at_server) {
        Some(known) => known.name.clone(),
        None => client_of(roster, &stamp.flow),
    }
}

impl Messages {
    fn note(&mut self, sent: Option<&Stamp>, queued: Option<u64>, read: Option<u64>, passed: Passed) {
        self.count += 1;
        let inside = sent.and_then(|sent| Some(queued.or(read)?.saturating_sub(sent.at)));
        let tap = passed.out.zip(passed.arrived).map(|(out, arrived)| arrived.saturating_sub(out));
        self.woken |= inside.is_some() && queued.is_none();
        self.inside.extend(inside);
        self.tap.extend(tap);
        self.disagreements.extend(inside.zip(tap).map(|(inside, tap)| distance(inside, tap)));
        self.wakes.extend(read.zip(passed.arrived).map(|(read, arrived)| read.saturating_sub(arrived)));
    }
}

pub(super) fn line(((from, to), mut messages): ((String, String), Messages)) -> Leg {
    Leg {
        from,
        to,
        messages: messages.count,
        inside_ns: median(&mut messages.inside),
        woken: messages.woken,
        tap_ns: median(&mut messages.tap),
        disagreement_ns: median(&mut messages.disagreements),
        wake_ns: median(&mut messages.wakes),
    }
}
