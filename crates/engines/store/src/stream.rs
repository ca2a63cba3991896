//! Streams: an append-only list of entries whose ids only grow (`XADD` and its family).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::listpack::Listpack;
use crate::text::unsigned;

/// Milliseconds since the Unix epoch and a sequence number within that millisecond: `1526919030474-55`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId {
    pub(crate) milliseconds: u64,
    pub(crate) sequence: u64,
}

impl StreamId {
    pub(crate) const MIN: Self = Self { milliseconds: 0, sequence: 0 };
    pub(crate) const MAX: Self = Self { milliseconds: u64::MAX, sequence: u64::MAX };

    /// Reads `ms-seq` or `ms`; the sequence of the short form is the caller's choice.
    pub(crate) fn parse(text: &[u8], sequence: u64) -> Option<Self> {
        match text.iter().position(|byte| *byte == b'-') {
            None => Some(Self { milliseconds: unsigned(text)?, sequence }),
            Some(at) => {
                Some(Self { milliseconds: unsigned(&text[..at])?, sequence: unsigned(&text[at + 1..])? })
            }
        }
    }

    /// The next id in order; none after the last possible one.
    pub(crate) fn next(self) -> Option<Self> {
        match self.sequence.checked_add(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => Some(Self { milliseconds: self.milliseconds.checked_add(1)?, sequence: 0 }),
        }
    }

    /// The id just before in order; none before `0-0`.
    pub(crate) fn previous(self) -> Option<Self> {
        match self.sequence.checked_sub(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => Some(Self { milliseconds: self.milliseconds.checked_sub(1)?, sequence: u64::MAX }),
        }
    }

    pub(crate) fn bytes(self) -> Bytes {
        self.to_string().into()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.milliseconds, self.sequence)
    }
}

/// What `MAXLEN` and `MINID` keep. `~` (about) is done exactly, which it allows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trim {
    /// At most so many entries, the newest.
    Length(u64),
    /// Entries with this id or a greater one.
    From(StreamId),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stream {
    entries: BTreeMap<StreamId, Listpack>,
    /// The greatest id ever given. It outlives its entry: a deleted id is never given again.
    last: StreamId,
    /// The greatest id that XDEL ever removed, 0-0 if none; and how many entries were ever added.
    deleted: StreamId,
    added: u64,
    /// See [`Stream::memory`].
    memory: usize,
}

/// What an entry costs in memory besides its words.
const ENTRY_COST: usize = 96;

fn memory(words: &Listpack) -> usize {
    ENTRY_COST + words.size()
}

impl Stream {
    /// About how much memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn last(&self) -> StreamId {
        self.last
    }

    /// The greatest id that XDEL ever removed, 0-0 if none.
    pub(crate) fn deleted(&self) -> StreamId {
        self.deleted
    }

    /// How many entries were ever added.
    pub(crate) fn added(&self) -> u64 {
        self.added
    }

    /// XSETID: what is known besides the entries.
    pub(crate) fn set(&mut self, last: StreamId, deleted: StreamId, added: u64) {
        (self.last, self.deleted, self.added) = (last, deleted, added);
    }

    /// All entries, in order of id.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&StreamId, &Listpack)> {
        self.entries.iter()
    }

    /// The id of the oldest entry.
    pub(crate) fn first(&self) -> Option<StreamId> {
        self.entries.first_key_value().map(|(id, _)| *id)
    }

    /// Appends an entry; the caller has checked that `id` is greater than [`Stream::last`].
    pub(crate) fn append(&mut self, id: StreamId, fields: Listpack) {
        self.last = id;
        self.added = self.added.saturating_add(1);
        self.memory += memory(&fields);
        self.entries.insert(id, fields);
    }

    pub(crate) fn remove(&mut self, id: StreamId) -> bool {
        let removed = self.entries.remove(&id);
        self.memory -= removed.as_ref().map_or(0, memory);
        if removed.is_some() {
            self.deleted = self.deleted.max(id);
        }
        removed.is_some()
    }

    /// Drops the oldest entries and returns how many.
    pub(crate) fn trim(&mut self, trim: Trim) -> usize {
        let before = self.len();
        match trim {
            Trim::Length(length) => {
                while self.len() as u64 > length
                    && let Some((_, words)) = self.entries.pop_first()
                {
                    self.memory -= memory(&words);
                }
            }
            Trim::From(from) => {
                while let Some(first) = self.entries.first_entry().filter(|first| *first.key() < from) {
                    self.memory -= memory(&first.remove());
                }
            }
        }
        before - self.len()
    }

    /// Entries with ids in the range, in order of id. An empty range (start after end) is fine.
    pub(crate) fn range(
        &self,
        ids: RangeInclusive<StreamId>,
    ) -> impl DoubleEndedIterator<Item = (&StreamId, &Listpack)> {
        // BTreeMap::range panics when the start lies after the end; clients may well send that.
        (!ids.is_empty()).then(|| self.entries.range(ids)).into_iter().flatten()
    }
}
