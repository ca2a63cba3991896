//! One direction of one connection: its bytes by sequence number, and when each first passed.

use std::collections::HashMap;

use journey::{Event, Stamp};

use super::passed::Passed;

/// So many stamps decide where a stream begins: more agree with them.
const MOST_VOTERS: usize = 64;

/// One direction of one connection.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// What must be added to a piece's place to get the program's count of bytes; `None` while unknown.
    pub(super) shift: Option<i64>,
    pub(super) syn: Option<u32>,
    /// The sequence number and the place of the newest piece: what unwraps the next number.
    newest: (u32, i64),
    pub(super) pieces: Vec<Piece>,
    /// When the connection began, or its first packet was seen.
    pub(super) since: u64,
}

/// Some bytes, with their first passing in either half.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// How many bytes were before it, counted from the first byte of the stream or of the capture.
    start: i64,
    end: i64,
    pub(super) passed: Passed,
}

impl Stream {
    pub(super) fn begin(sequence: u32, syn: bool, at: u64) -> Self {
        Stream {
            shift: syn.then_some(0),
            syn: syn.then_some(sequence),
            newest: (sequence.wrapping_add(u32::from(syn)), 0),
            pieces: Vec::new(),
            since: at,
        }
    }

    pub(super) fn add(&mut self, sequence: u32, length: u32, out: bool, at: u64) {
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
    pub(super) fn settle(&mut self) {
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
    pub(super) fn passed(&self, offset: u64) -> Passed {
        let mut passed = Passed::default();
        let (Some(shift), Ok(offset)) = (self.shift, i64::try_from(offset)) else { return passed };
        let place = offset.saturating_sub(shift);
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

    pub(super) fn best_shift(&self, stamps: &[&Stamp]) -> Option<i64> {
        let mut votes: HashMap<i64, (usize, Vec<u64>)> = HashMap::new();
        for stamp in stamps.iter().take(MOST_VOTERS) {
            let Ok(offset) = i64::try_from(stamp.offset) else { continue };
            let at = |piece: &Piece| match stamp.event {
                Event::Tx => piece.passed.out.or(piece.passed.arrived),
                Event::Rx | Event::Accept | Event::Wake => piece.passed.arrived.or(piece.passed.out),
            };
            for piece in &self.pieces {
                let Some(at) = at(piece) else { continue };
                let (count, distances) = votes.entry(offset.saturating_sub(piece.end)).or_default();
                *count += 1;
                distances.push(at.abs_diff(stamp.at));
            }
        }
        let first = self.pieces.first().map_or(0, |piece| piece.start);
        let rank = |(shift, (count, mut distances)): (i64, (usize, Vec<u64>))| {
            distances.sort_unstable();
            // The lower quartile: one of the two ends may be wrong about time.
            let nearness = std::cmp::Reverse(distances[distances.len() / 4]);
            // No bytes passed before a connection's first.
            (first.saturating_add(shift) >= 0).then_some((count, nearness, shift))
        };
        votes.into_iter().filter_map(rank).max().map(|(_, _, shift)| shift)
    }
}
