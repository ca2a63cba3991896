//! From packets to bytes: when did byte N of a flow pass?
//!
//! TCP numbers its bytes modulo 2³², from a number that the connection's SYN gives (RFC 9293 §3.4). A
//! program counts the bytes it reads and writes from 1. So a stream whose SYN was seen joins directly;
//! for one that began before the capture, the first number is found by [`Streams::anchor`].

mod exchange;
mod passed;
mod stream;

use std::collections::HashMap;

use journey::{Direction, Flow, Stamp};

use crate::filter::LabAddresses;
use crate::packet::{Carries, Packet};

pub(crate) use exchange::{Exchange, pair};
pub use passed::Passed;
use stream::Stream;

/// All flows of a capture.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// A pair of sockets may be used again: one stream per SYN, in the order of time.
    tcp: HashMap<(Flow, Direction), Vec<Stream>>,
    udp: HashMap<(Flow, Direction), Vec<Datagram>>,
    anchored: usize,
}

#[derive(Clone, Copy, Debug)]
struct Datagram {
    id: u16,
    passed: Passed,
}

impl Streams {
    /// Sorts a capture's packets into flows; the side that listens is the server.
    pub fn new(packets: &[Packet], own: &LabAddresses) -> Self {
        let mut streams = Streams::default();
        for packet in packets {
            streams.add(packet, own);
        }
        for stream in streams.tcp.values_mut().flatten() {
            stream.settle();
        }
        streams
    }

    fn add(&mut self, packet: &Packet, own: &LabAddresses) {
        let to_server = match packet.carries {
            // The client's SYN is the one that acknowledges nothing.
            Carries::Segment { syn: true, ack, .. } => !ack,
            _ => own.listens(&packet.to),
        };
        let (direction, client, server) = match to_server {
            true => (Direction::Request, packet.from, packet.to),
            false => (Direction::Response, packet.to, packet.from),
        };
        let key = (Flow { transport: packet.carries.transport(), client, server }, direction);
        match packet.carries {
            Carries::Segment { sequence, length, syn, .. } => {
                let all = self.tcp.entry(key).or_default();
                let begins = syn && all.last().is_none_or(|stream| stream.syn != Some(sequence));
                if begins || all.is_empty() {
                    all.push(Stream::begin(sequence, syn, packet.at));
                }
                if let Some(stream) = all.last_mut().filter(|_| length > 0) {
                    stream.add(sequence.wrapping_add(u32::from(syn)), length, packet.out, packet.at);
                }
            }
            Carries::Datagram { id } => {
                let all = self.udp.entry(key).or_default();
                let known = all.iter_mut().rev().find(|seen| {
                    let half = if packet.out { seen.passed.out } else { seen.passed.arrived };
                    seen.id == id && half.is_none()
                });
                match known {
                    Some(seen) => seen.passed.note(packet.out, packet.at),
                    None => {
                        let mut passed = Passed::default();
                        passed.note(packet.out, packet.at);
                        all.push(Datagram { id, passed });
                    }
                }
            }
        }
    }

    /// How many flows there are, and how many of them were anchored.
    pub fn counts(&self) -> (usize, usize) {
        let all = self.tcp.keys().chain(self.udp.keys()).map(|(flow, _)| flow);
        (all.collect::<std::collections::HashSet<_>>().len(), self.anchored)
    }

    /// Finds the first number of streams that began before the capture, by what the programs say.
    ///
    /// Their counts of bytes end where pieces end: the shift on which most of them agree is the right
    /// one. Where messages are all of one length two shifts may do equally; then the one wins for which
    /// the stamps lie nearest to the packets, over all stamps of both ends. Only this shift is taken
    /// from the programs, never a time.
    pub fn anchor<'a>(&mut self, stamps: impl IntoIterator<Item = &'a Stamp>) {
        let mut said: HashMap<(Flow, Direction), Vec<&Stamp>> = HashMap::new();
        for stamp in stamps {
            said.entry((stamp.flow, stamp.direction)).or_default().push(stamp);
        }
        for (key, stamps) in said {
            // A later connection of the same sockets has a SYN of its own.
            let Some(first) = self.tcp.get_mut(&key).and_then(|all| all.first_mut()) else { continue };
            if first.shift.is_none() {
                first.shift = first.best_shift(&stamps);
                self.anchored += usize::from(first.shift.is_some() && key.1 == Direction::Request);
            }
        }
    }

    /// Was any packet of this flow seen?
    pub fn knows(&self, flow: &Flow) -> bool {
        [Direction::Request, Direction::Response].iter().any(|direction| {
            self.tcp.contains_key(&(*flow, *direction)) || self.udp.contains_key(&(*flow, *direction))
        })
    }

    /// When the byte (or the datagram) of a stamp passed.
    pub fn passed(&self, stamp: &Stamp) -> Passed {
        let key = (stamp.flow, stamp.direction);
        if let Some(all) = self.tcp.get(&key) {
            // Of several connections of the same sockets, the last one that had begun, or the first.
            let begun = all.iter().rposition(|stream| stream.since <= stamp.at).unwrap_or(0);
            return all[begun].passed(stamp.offset);
        }
        let same = self.udp.get(&key).into_iter().flatten().filter(|seen| u64::from(seen.id) == stamp.offset);
        let distance = |seen: &&Datagram| {
            seen.passed.out.or(seen.passed.arrived).map_or(u64::MAX, |at| at.abs_diff(stamp.at))
        };
        same.min_by_key(distance).map_or_else(Passed::default, |seen| seen.passed)
    }

    /// A flow's exchanges that lie in an interval, by packets alone, in the order of time.
    pub(crate) fn exchanges(&self, flow: &Flow, (from, to): (u64, u64)) -> Vec<Exchange> {
        let half = |direction| {
            let streams = self.tcp.get(&(*flow, direction)).into_iter().flatten();
            let pieces = streams.flat_map(|stream| stream.pieces.iter().map(|piece| piece.passed));
            let datagrams = self.udp.get(&(*flow, direction)).into_iter().flatten();
            pieces.chain(datagrams.map(|seen| seen.passed)).map(move |passed| (direction, passed))
        };
        let mut moves: Vec<_> = half(Direction::Request).chain(half(Direction::Response)).collect();
        moves.retain(|(_, passed)| (from..=to).contains(&passed.first()));
        moves.sort_by_key(|(_, passed)| passed.first());
        pair(&moves)
    }

    /// All flows.
    pub(crate) fn flows(&self) -> impl Iterator<Item = &Flow> {
        let requests = self.tcp.keys().chain(self.udp.keys());
        requests.filter(|(_, direction)| *direction == Direction::Request).map(|(flow, _)| flow)
    }
}

#[cfg(test)]
mod tests;
