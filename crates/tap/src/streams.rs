//! From packets to bytes: when did byte N of a flow pass?
//!
//! TCP numbers its bytes modulo 2³², from a number that the connection's SYN gives (RFC 9293 §3.4). A
//! program counts the bytes it reads and writes from 1. So a stream whose SYN was seen joins directly;
//! for one that began before the capture, the first number is found by [`Streams::anchor`].

use std::collections::HashMap;

use journey::{Direction, Event, Flow, Stamp};

use crate::filter::Own;
use crate::packet::{Carries, Packet};

/// When a byte passed, by the kernel's stamps in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// It left the sender.
    pub out: Option<u64>,
    /// It arrived at the receiver, and so had all bytes before it.
    pub arrived: Option<u64>,
}

/// All flows of a capture.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// A pair of sockets may be used again: one stream per SYN, in the order of time.
    tcp: HashMap<(Flow, Direction), Vec<Stream>>,
    udp: HashMap<(Flow, Direction), Vec<Datagram>>,
    anchored: usize,
}

/// One direction of one connection.
#[derive(Clone, Debug)]
struct Stream {
    /// What must be added to a piece's place to get the program's count of bytes; `None` while unknown.
    shift: Option<i64>,
    syn: Option<u32>,
    /// The sequence number and the place of the newest piece: what unwraps the next number.
    newest: (u32, i64),
    pieces: Vec<Piece>,
    /// When the connection began, or its first packet was seen.
    since: u64,
}

/// Some bytes, with their first passing in either half.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// How many bytes were before it, counted from the first byte of the stream or of the capture.
    start: i64,
    end: i64,
    passed: Passed,
}

#[derive(Clone, Copy, Debug)]
struct Datagram {
    id: u16,
    passed: Passed,
}

/// A question and its answer on one flow, by packets alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// The last byte of the question left, and arrived.
    pub(crate) asked: Passed,
    /// The last byte of the answer left, and arrived.
    pub(crate) answered: Passed,
}

impl Streams {
    /// Sorts a capture's packets into flows; the side that listens is the server.
    pub fn new(packets: &[Packet], own: &Own) -> Self {
        let mut streams = Streams::default();
        for packet in packets {
            streams.add(packet, own);
        }
        for stream in streams.tcp.values_mut().flatten() {
            stream.settle();
        }
        streams
    }

    fn add(&mut self, packet: &Packet, own: &Own) {
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
        alternate(&moves)
    }

    /// All flows.
    pub(crate) fn flows(&self) -> impl Iterator<Item = &Flow> {
        let requests = self.tcp.keys().chain(self.udp.keys());
        requests.filter(|(_, direction)| *direction == Direction::Request).map(|(flow, _)| flow)
    }
}

/// A question is what goes to the server until something comes back; its answer, all that comes back
/// until something goes to the server again. `moves` are in the order of time.
pub(crate) fn alternate(moves: &[(Direction, Passed)]) -> Vec<Exchange> {
    let mut found: Vec<Exchange> = Vec::new();
    // An answer whose question lies before the first of them belongs to another exchange.
    let mut question = None;
    for (direction, passed) in moves {
        match (direction, question.take()) {
            (Direction::Request, _) => question = Some(*passed),
            (Direction::Response, Some(asked)) => found.push(Exchange { asked, answered: *passed }),
            (Direction::Response, None) => {
                if let Some(last) = found.last_mut() {
                    last.answered = *passed;
                }
            }
        }
    }
    found
}

impl Passed {
    /// The earlier of its times: where it stands among others.
    pub(crate) fn first(&self) -> u64 {
        self.out.or(self.arrived).unwrap_or(u64::MAX)
    }

    /// Remembers the first time.
    fn note(&mut self, out: bool, at: u64) {
        let half = if out { &mut self.out } else { &mut self.arrived };
        *half = Some(half.map_or(at, |first| first.min(at)));
    }
}

impl Stream {
    fn begin(sequence: u32, syn: bool, at: u64) -> Self {
        Stream {
            shift: syn.then_some(0),
            syn: syn.then_some(sequence),
            newest: (sequence.wrapping_add(u32::from(syn)), 0),
            pieces: Vec::new(),
            since: at,
        }
    }

    fn add(&mut self, sequence: u32, length: u32, out: bool, at: u64) {
        let (last, place) = self.newest;
        // Whichever way round is shorter: RFC 9293 §3.4, windows are smaller than half of the circle.
        let start = place + i64::from(sequence.wrapping_sub(last).cast_signed());
        if start > place {
            self.newest = (sequence, start);
        }
        let end = start + i64::from(length);
        // The two halves of one passing follow closely upon one another.
        let twin =
            self.pieces.iter_mut().rev().take(64).find(|piece| (piece.start, piece.end) == (start, end));
        match twin {
            Some(piece) => piece.passed.note(out, at),
            None => {
                let mut passed = Passed::default();
                passed.note(out, at);
                self.pieces.push(Piece { start, end, passed });
            }
        }
    }

    /// Puts the pieces in order; one that overtook another counts as arrived when the other has, too.
    fn settle(&mut self) {
        self.pieces.sort_by_key(|piece| (piece.end, piece.start));
        let mut latest = 0;
        let mut complete = 0;
        for piece in &mut self.pieces {
            if let Some(arrived) = &mut piece.passed.arrived {
                // What was sent again tells nothing new of when the earlier bytes had arrived.
                if piece.end > complete {
                    latest = latest.max(*arrived);
                    *arrived = latest;
                    complete = piece.end;
                }
            }
        }
    }

    /// When the byte passed that is the `offset`th by the program's count.
    fn passed(&self, offset: u64) -> Passed {
        let mut passed = Passed::default();
        let (Some(shift), Ok(offset)) = (self.shift, i64::try_from(offset)) else { return passed };
        let place = offset - shift;
        let from = self.pieces.partition_point(|piece| piece.end < place);
        // Some bytes may have passed more than once, in pieces cut otherwise; the first passing counts.
        for piece in self.pieces[from..].iter().take(16).filter(|piece| piece.start < place) {
            if let Some(at) = piece.passed.out {
                passed.note(true, at);
            }
            if let Some(at) = piece.passed.arrived {
                passed.note(false, at);
            }
        }
        passed
    }

    fn best_shift(&self, stamps: &[&Stamp]) -> Option<i64> {
        let mut votes: HashMap<i64, (usize, Vec<u64>)> = HashMap::new();
        for stamp in stamps.iter().take(MOST_VOTERS) {
            let Ok(offset) = i64::try_from(stamp.offset) else { continue };
            let at = |piece: &Piece| match stamp.event {
                Event::Tx => piece.passed.out.or(piece.passed.arrived),
                Event::Rx | Event::Accept | Event::Wake => piece.passed.arrived.or(piece.passed.out),
            };
            for piece in &self.pieces {
                let Some(at) = at(piece) else { continue };
                let (count, distances) = votes.entry(offset - piece.end).or_default();
                *count += 1;
                distances.push(at.abs_diff(stamp.at));
            }
        }
        let rank = |(shift, (count, mut distances)): (i64, (usize, Vec<u64>))| {
            distances.sort_unstable();
            // The lower quartile: one of the two ends may be wrong about time.
            let nearness = distances[distances.len() / 4];
            // Bytes before the capture are counted, bytes before the first are not.
            (shift + self.pieces.first().map_or(0, |piece| piece.start) >= 0).then_some((
                count,
                std::cmp::Reverse(nearness),
                shift,
            ))
        };
        votes.into_iter().filter_map(rank).max().map(|(_, _, shift)| shift)
    }
}

/// So many stamps decide where a stream begins: more agree with them.
const MOST_VOTERS: usize = 64;

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
