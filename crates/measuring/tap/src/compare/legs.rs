//! Legs: from one program's write to the next one's socket.

use std::collections::BTreeMap;

use journey::{Direction, Event, Roster, Stamp};

use super::ends::{client_of, receiver};
use super::figures::{distance, median};
use super::result::LegCompared;
use crate::reported::{ReportedStamp, ReportedStamps};
use crate::streams::{Passed, Streams};

/// Every message between two roles.
pub(super) type Legs = BTreeMap<(String, String), Messages>;

/// What both observers say of all messages on one leg, in nanoseconds.
#[derive(Default)]
pub(super) struct Messages {
    count: usize,
    inside: Vec<u64>,
    tap: Vec<u64>,
    disagreements: Vec<i64>,
    sent: Vec<i64>,
    wakes: Vec<u64>,
    woken: bool,
}

pub(super) fn gather(legs: &mut Legs, reported: &ReportedStamps, streams: &Streams, roster: &Roster) {
    let stamps = &reported.stamps;
    for entry in stamps {
        let stamp = &entry.stamp;
        match stamp.event {
            Event::Tx => {
                let queued = receiver(stamps, stamp, Event::Rx);
                let read = receiver(stamps, stamp, Event::Wake);
                let to = queued.or(read).map_or_else(|| other_end(roster, stamp), |entry| entry.hop.clone());
                let key = (roster.role(&entry.hop).to_owned(), roster.role(&to).to_owned());
                let messages = legs.entry(key).or_default();
                messages.note(Some(stamp), queued.map(at), read.map(at), streams.passed(stamp));
            }
            // Who sent this says nothing.
            Event::Wake if unsent(stamps, stamp) => {
                let from = other_end(roster, stamp);
                let key = (roster.role(&from).to_owned(), roster.role(&entry.hop).to_owned());
                legs.entry(key).or_default().note(None, None, Some(stamp.at), streams.passed(stamp));
            }
            Event::Rx | Event::Accept | Event::Wake => {}
        }
    }
}

fn at(entry: &ReportedStamp) -> u64 {
    entry.stamp.at
}

fn unsent(stamps: &[ReportedStamp], read: &Stamp) -> bool {
    let sends = |stamp: &Stamp| {
        stamp.event == Event::Tx && (stamp.flow, stamp.direction) == (read.flow, read.direction)
    };
    !stamps.iter().any(|entry| sends(&entry.stamp))
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
        self.sent.extend(sent.zip(passed.out).map(|(sent, out)| distance(out, sent.at)));
        self.wakes.extend(read.zip(passed.arrived).map(|(read, arrived)| read.saturating_sub(arrived)));
    }
}

pub(super) fn line(((from, to), mut messages): ((String, String), Messages)) -> LegCompared {
    LegCompared {
        from,
        to,
        messages: messages.count,
        inside_ns: median(&mut messages.inside),
        woken: messages.woken,
        tap_ns: median(&mut messages.tap),
        disagreement_ns: median(&mut messages.disagreements),
        sent_ns: median(&mut messages.sent),
        wake_ns: median(&mut messages.wakes),
    }
}
