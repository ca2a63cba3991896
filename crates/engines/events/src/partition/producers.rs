//! Idempotent producers: a batch that is sent twice is kept once.
//!
//! A producer that gets no response sends again, and cannot know whether the first attempt arrived. So
//! it numbers its records per partition, and the server remembers its last batches: the same numbers
//! again get the first attempt's offset, a gap in the numbers is refused.
//! Source: KIP-98, "Idempotent Producer Guarantees"; KIP-360 for producers that the server forgot.

use std::collections::{HashMap, VecDeque};

use bytes::{Buf, BufMut};

use crate::batch::BatchHeader;
use crate::limits::MAX_PRODUCERS;

/// Batches remembered per producer: a producer keeps at most five requests under way (KIP-98).
const REMEMBERED: usize = 5;

#[derive(Clone, Copy, Debug)]
struct Remembered {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

#[derive(Clone, Debug)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Remembered>,
}

/// What a batch is, seen against what its producer sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Append it.
    Next,
    /// It is in the log already, at this offset.
    Duplicate(i64),
    /// Records before it are missing.
    OutOfOrder,
    /// Its producer has a newer epoch: this one must not write any more.
    Fenced,
}

/// The producers of one partition.
///
/// Changes count from [`note`](Producers::note) on, so that the second batch of a group is checked
/// with the first one known; [`rollback`](Producers::rollback) undoes them when the disk fails.
#[derive(Debug, Default)]
pub(super) struct Producers {
    known: HashMap<i64, Producer>,
    /// What the producers touched since the last commit were before; `None` when unknown then.
    before: HashMap<i64, Option<Producer>>,
}

impl Producers {
    pub(super) fn check(&self, header: &BatchHeader) -> Verdict {
        if header.producer_id < 0 {
            return Verdict::Next;
        }
        // Unknown: new, or forgotten by us. It may go on where it was (KIP-360).
        let Some(producer) = self.known.get(&header.producer_id) else { return Verdict::Next };
        if header.producer_epoch < producer.epoch {
            return Verdict::Fenced;
        }
        if header.producer_epoch > producer.epoch {
            return if header.base_sequence == 0 { Verdict::Next } else { Verdict::OutOfOrder };
        }
        let same = |batch: &&Remembered| {
            batch.first_sequence == header.base_sequence && batch.last_sequence == header.last_sequence()
        };
        if let Some(batch) = producer.batches.iter().find(same) {
            return Verdict::Duplicate(batch.base_offset);
        }
        let expected = producer.batches.back().map(|last| last.last_sequence.wrapping_add(1) & i32::MAX);
        if expected.is_none_or(|expected| expected == header.base_sequence) {
            Verdict::Next
        } else {
            Verdict::OutOfOrder
        }
    }

    /// Takes note of a batch that was found to be [`Verdict::Next`] and given its offset.
    pub(super) fn note(&mut self, header: &BatchHeader) {
        if header.producer_id < 0 {
            return;
        }
        let known = self.known.get(&header.producer_id);
        self.before.entry(header.producer_id).or_insert_with(|| known.cloned());
        let fresh =
            || Producer { epoch: header.producer_epoch, batches: VecDeque::with_capacity(REMEMBERED) };
        let producer = self.known.entry(header.producer_id).or_insert_with(fresh);
        if producer.epoch != header.producer_epoch {
            *producer = fresh();
        }
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Remembered {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
        });
    }

    /// What was noted is on disk.
    pub(super) fn commit(&mut self) {
        self.before.clear();
        if self.known.len() > MAX_PRODUCERS {
            self.forget_the_oldest();
        }
    }

    /// What was noted since the last commit never happened.
    pub(super) fn rollback(&mut self) {
        for (id, before) in self.before.drain() {
            match before {
                Some(producer) => self.known.insert(id, producer),
                None => self.known.remove(&id),
            };
        }
    }

    /// What is committed, for the next start. Called between groups only.
    pub(super) fn encode(&self, bytes: &mut impl BufMut) {
        bytes.put_u64(self.known.len() as u64);
        for (id, producer) in &self.known {
            bytes.put_i64(*id);
            bytes.put_i16(producer.epoch);
            bytes.put_u64(producer.batches.len() as u64);
            for batch in &producer.batches {
                bytes.put_i32(batch.first_sequence);
                bytes.put_i32(batch.last_sequence);
                bytes.put_i64(batch.base_offset);
            }
        }
    }

    pub(super) fn decode(bytes: &mut impl Buf) -> Option<Self> {
        let mut known = HashMap::new();
        for _ in 0..bytes.try_get_u64().ok()? {
            let (id, epoch) = (bytes.try_get_i64().ok()?, bytes.try_get_i16().ok()?);
            let mut batches = VecDeque::with_capacity(REMEMBERED);
            for _ in 0..bytes.try_get_u64().ok()? {
                batches.push_back(Remembered {
                    first_sequence: bytes.try_get_i32().ok()?,
                    last_sequence: bytes.try_get_i32().ok()?,
                    base_offset: bytes.try_get_i64().ok()?,
                });
            }
            known.insert(id, Producer { epoch, batches });
        }
        Some(Producers { known, before: HashMap::new() })
    }

    /// Forgets a tenth at once, so that the search for the oldest is rare.
    fn forget_the_oldest(&mut self) {
        let last = |producer: &Producer| producer.batches.back().map_or(0, |batch| batch.base_offset);
        let mut ages: Vec<i64> = self.known.values().map(last).collect();
        let cut = ages.len() - MAX_PRODUCERS * 9 / 10;
        let (_, oldest_kept, _) = ages.select_nth_unstable(cut);
        let oldest_kept = *oldest_kept;
        self.known.retain(|_, producer| last(producer) >= oldest_kept);
    }
}

#[cfg(test)]
mod tests;
