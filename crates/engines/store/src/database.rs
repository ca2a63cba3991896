//! The data in memory: keys, values, expiry times, and the journal of what changed.
//!
//! Pure: no clock, no file, no socket. The time is handed in, and every change is written to a buffer
//! that the [executor](crate::executor) moves to the log. Replaying the journal on an empty database
//! gives the same database: that is the whole promise of an append-only file, and a property test keeps it.

mod change;
mod value;

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::hash::Hash;
use crate::journal::Journal;
use crate::ordered::Ordered;
use crate::reply::{Failure, WRONG_TYPE};
use crate::stream::Stream;
use crate::tombstones::{DELETED, Tombstones};

pub(crate) use value::{Slot, Value};

/// What a key costs in memory besides its name and value: its place and its slot, and as much again for gaps.
const KEY_COST: usize = 200;

/// All data of one store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Database {
    /// The time of the current group of commands, in milliseconds since the Unix epoch. It stands still
    /// while a group runs, and it is 0 while a log is replayed: nothing expires then, because the log
    /// itself says when each expired key was removed.
    pub(crate) now: u64,
    pub(crate) journal: Journal,
    keys: Ordered<Slot>,
    /// Every key that expires, soonest first.
    expiries: BTreeSet<(u64, Bytes)>,
    /// The version given last.
    version: u64,
    tombstones: Tombstones,
    /// See [`Database::memory`].
    memory: usize,
}

impl Database {
    /// An empty database whose versions continue after another's, so that a `WATCH` from before a reload
    /// can only fail, never pass by accident.
    pub(crate) fn succeeding(other: &Self) -> Self {
        let version = other.version + 1;
        Self { version, tombstones: Tombstones::after(version), ..Self::default() }
    }

    /// The key's slot, unless it has expired. An expired key that was not removed yet is not there.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Slot> {
        self.keys.get(key).filter(|slot| !self.expired(slot))
    }

    /// What `WATCH` remembers: a number that differs after every change, and another one for a key that has
    /// expired, which is the same whether it was removed yet or not.
    pub(crate) fn version(&self, key: &[u8]) -> u64 {
        match self.keys.get(key) {
            Some(slot) if self.expired(slot) => slot.version | DELETED,
            Some(slot) => slot.version,
            None => self.tombstones.version(key),
        }
    }

    /// The number of changes so far, by which [`Database::unchanged`] knows when a `WATCH` began.
    pub(crate) fn changes(&self) -> u64 {
        self.version
    }

    /// Is a key what it was when it had this version, `since` so many changes?
    pub(crate) fn unchanged(&self, key: &[u8], version: u64, since: u64) -> bool {
        self.version(key) == version && (self.keys.get(key).is_some() || self.tombstones.forgotten <= since)
    }

    /// The number of keys, counting the expired ones that wait for removal, as Redis does.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// About how much memory the data takes, in bytes. It is counted, not measured: every name and value with
    /// its length, plus what each costs in the structures around it.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// The number of keys that will expire.
    pub(crate) fn expiring(&self) -> usize {
        self.expiries.len()
    }

    /// All live keys, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Slot)> {
        self.keys.iter().filter(|(_, slot)| !self.expired(slot))
    }

    /// A page of live keys; see [`Ordered::scan`].
    pub(crate) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<(&Bytes, &Slot)>) {
        let (next, mut page) = self.keys.scan(cursor, count);
        page.retain(|(_, slot)| !self.expired(slot));
        (next, page)
    }

    pub(crate) fn string(&self, key: &[u8]) -> Result<Option<&Bytes>, Failure> {
        match self.get(key).map(|slot| &slot.value) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(WRONG_TYPE),
        }
    }

    pub(crate) fn hash(&self, key: &[u8]) -> Result<Option<&Hash>, Failure> {
        match self.get(key).map(|slot| &slot.value) {
            None => Ok(None),
            Some(Value::Hash(hash)) => Ok(Some(hash)),
            Some(_) => Err(WRONG_TYPE),
        }
    }

    pub(crate) fn stream(&self, key: &[u8]) -> Result<Option<&Stream>, Failure> {
        match self.get(key).map(|slot| &slot.value) {
            None => Ok(None),
            Some(Value::Stream(stream)) => Ok(Some(stream)),
            Some(_) => Err(WRONG_TYPE),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.version += 1;
        let keys = std::mem::take(&mut self.keys);
        if !self.journal.muted {
            for (key, slot) in keys.iter() {
                let version = if self.expired(slot) { slot.version } else { self.version };
                self.tombstones.add(key, version | DELETED);
            }
        }
        self.expiries.clear();
        self.memory = 0;
    }

    /// Removes keys that have expired, at most `limit` of them, so that no group waits for long.
    pub(crate) fn sweep(&mut self, limit: usize) {
        for _ in 0..limit {
            match self.expiries.first() {
                Some((at, key)) if *at <= self.now => {
                    let key = key.clone();
                    self.place(&key);
                }
                _ => return,
            }
        }
    }

    fn expired(&self, slot: &Slot) -> bool {
        slot.expires.is_some_and(|at| at <= self.now)
    }

    /// Where a live key stands. One that has expired is removed, and the journal says so: replay never looks at the
    /// clock.
    fn place(&mut self, key: &[u8]) -> Option<usize> {
        let at = self.keys.position(key)?;
        if self.keys.at(at).is_some_and(|slot| self.expired(slot)) {
            self.discard(key);
            self.journal.record([&b"DEL"[..], key]);
            return None;
        }
        Some(at)
    }

    fn discard(&mut self, key: &[u8]) -> bool {
        let Some(slot) = self.keys.remove(key) else { return false };
        self.memory -= KEY_COST + key.len() + slot.value.memory();
        if !self.journal.muted {
            self.tombstones.add(key, slot.version | DELETED); // nobody watches while a log is replayed
        }
        if let Some(at) = slot.expires {
            self.expiries.remove(&(at, Bytes::copy_from_slice(key)));
        }
        true
    }
}

impl PartialEq for Database {
    /// Same keys, values and expiry times; versions and the journal are not data.
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys && self.expiries == other.expiries && self.memory == other.memory
    }
}
