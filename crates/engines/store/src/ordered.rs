//! A map that remembers the order in which its keys came.
//!
//! Both the key space and every large hash are one. The order gives `HGETALL` the insertion order that
//! Redis shows for small hashes, and it gives `SCAN` and `HSCAN` a cursor that needs no memory in
//! the server: a key keeps its sequence number for as long as it lives.

use std::hash::BuildHasher as _;

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};

/// Fewer gaps than this are not worth closing.
const FEW: usize = 32;

/// An insertion-ordered map from byte strings to `V`.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<V> {
    /// Keys and values in order, each behind its sequence number. A key that was removed leaves a gap; when
    /// more than half are gaps they are closed.
    entries: Vec<(u64, Option<(Bytes, V)>)>,
    /// Where each key stands, by its hash. The hash's seed is random: nobody can choose keys that collide.
    index: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// The last sequence number given. The first key gets 1: cursor 0 means "start" and "done".
    last: u64,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: HashTable::new(), hasher: DefaultHashBuilder::default(), last: 0 }
    }
}

impl<V> Ordered<V> {
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        self.at(self.position(key)?)
    }

    /// Where a key stands, until a key is removed: who looks at a value and then changes it need not search twice.
    pub(crate) fn position(&self, key: &[u8]) -> Option<usize> {
        self.index.find(self.hasher.hash_one(key), |at| names(&self.entries[*at], key)).copied()
    }

    pub(crate) fn at(&self, position: usize) -> Option<&V> {
        self.entries.get(position)?.1.as_ref().map(|(_, value)| value)
    }

    pub(crate) fn at_mut(&mut self, position: usize) -> Option<&mut V> {
        self.entries.get_mut(position)?.1.as_mut().map(|(_, value)| value)
    }

    /// Sets a value and returns the one it replaces; a key that exists keeps its place.
    pub(crate) fn insert(&mut self, key: Bytes, value: V) -> Option<V> {
        if let Some(known) = self.position(&key).and_then(|at| self.at_mut(at)) {
            return Some(std::mem::replace(known, value));
        }
        self.push(key, value);
        None
    }

    /// Adds a key that is not there, and says where it stands.
    pub(crate) fn push(&mut self, key: Bytes, value: V) -> usize {
        self.last += 1;
        let at = self.entries.len();
        self.entries.push((self.last, Some((key, value))));
        self.enter(at);
        at
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<V> {
        let found = self.index.find_entry(self.hasher.hash_one(key), |at| names(&self.entries[*at], key));
        let (at, _) = found.ok()?.remove();
        let (_, value) = self.entries[at].1.take()?;
        // What comes and goes, as an outbox does, leaves nothing.
        while self.entries.pop_if(|(_, entry)| entry.is_none()).is_some() {}
        if self.entries.len() > 2 * self.len() + FEW {
            self.close_gaps();
        }
        Some(value)
    }

    /// All entries, oldest key first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &V)> {
        self.entries.iter().filter_map(|(_, entry)| entry.as_ref().map(|(key, value)| (key, value)))
    }

    /// Up to `count` entries from `cursor` on, and the cursor of the next call; 0 starts and ends.
    ///
    /// The walk goes from the newest key to the oldest. Keys added meanwhile are newer than the
    /// start, so a scan always ends, and every key that stays for the whole scan is seen exactly once.
    pub(crate) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<(&Bytes, &V)>) {
        let from = if cursor == 0 { u64::MAX } else { cursor };
        let end = self.entries.partition_point(|(sequence, _)| *sequence <= from);
        let mut walk = self.entries[..end].iter().rev().filter_map(|(sequence, entry)| {
            let (key, value) = entry.as_ref()?;
            Some((*sequence, (key, value)))
        });
        let page = walk.by_ref().take(count).map(|(_, entry)| entry).collect();
        (walk.next().map_or(0, |(sequence, _)| sequence), page)
    }

    /// Notes where a new key stands.
    fn enter(&mut self, at: usize) {
        let hash = |at: &usize| {
            let key = self.entries[*at].1.as_ref().map_or(&[][..], |(key, _)| key);
            self.hasher.hash_one(key)
        };
        self.index.insert_unique(hash(&at), at, hash);
    }

    fn close_gaps(&mut self) {
        self.entries.retain(|(_, entry)| entry.is_some());
        self.entries.shrink_to(2 * self.entries.len());
        self.index.clear();
        (0..self.entries.len()).for_each(|at| self.enter(at));
    }
}

fn names<V>((_, entry): &(u64, Option<(Bytes, V)>), key: &[u8]) -> bool {
    entry.as_ref().is_some_and(|(known, _)| known == key)
}

impl<V: PartialEq> PartialEq for Ordered<V> {
    /// Same entries in the same order: what a replayed log must give.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
