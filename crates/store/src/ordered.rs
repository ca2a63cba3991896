//! A map that remembers the order in which its keys came.
//!
//! Both the key space and every large hash are one. The order gives `HGETALL` the insertion order that
//! Redis shows for small hashes, and it gives `SCAN` and `HSCAN` a cursor that needs no memory in
//! the server: a key keeps its sequence number for as long as it lives.

use std::collections::BTreeMap;

use bytes::Bytes;
use hashbrown::HashMap;

/// An insertion-ordered map from byte strings to `V`.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<V> {
    /// The values, each with the sequence number of its key.
    index: HashMap<Bytes, (u64, V)>,
    /// Sequence number → key, so that walking in order is walking this tree.
    order: BTreeMap<u64, Bytes>,
    /// The last sequence number given. The first key gets 1: cursor 0 means "start" and "done".
    last: u64,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self { index: HashMap::new(), order: BTreeMap::new(), last: 0 }
    }
}

impl<V> Ordered<V> {
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        self.index.get(key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        self.index.get_mut(key).map(|(_, value)| value)
    }

    /// Sets a value and returns the one it replaces; a key that exists keeps its place.
    pub(crate) fn insert(&mut self, key: Bytes, value: V) -> Option<V> {
        if let Some(known) = self.get_mut(&key) {
            return Some(std::mem::replace(known, value));
        }
        self.last += 1;
        self.order.insert(self.last, key.clone());
        self.index.insert(key, (self.last, value));
        None
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<V> {
        let (sequence, value) = self.index.remove(key)?;
        self.order.remove(&sequence);
        Some(value)
    }

    /// All entries, oldest key first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &V)> {
        self.order.values().filter_map(|key| Some((key, self.get(key)?)))
    }

    /// Up to `count` entries from `cursor` on, and the cursor of the next call; 0 starts and ends.
    ///
    /// The walk goes from the newest key to the oldest. Keys added meanwhile are newer than the
    /// start, so a scan always ends, and every key that stays for the whole scan is seen exactly once.
    pub(crate) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<(&Bytes, &V)>) {
        let from = if cursor == 0 { u64::MAX } else { cursor };
        let mut walk = self.order.range(..=from).rev();
        let page = walk.by_ref().take(count).filter_map(|(_, key)| Some((key, self.get(key)?))).collect();
        (walk.next().map_or(0, |(sequence, _)| *sequence), page)
    }
}

impl<V: PartialEq> PartialEq for Ordered<V> {
    /// Same entries in the same order: what a replayed log must give.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
