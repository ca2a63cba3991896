//! The data in memory: keys, values, expiry times, and the journal of what changed.
//!
//! Pure: no clock, no file, no socket. The time is handed in, and every change is written to a buffer
//! that the [executor](crate::executor) moves to the log. Replaying the journal on an empty database
//! gives the same database: that is the whole promise of an append-only file, and a property test keeps it.

mod value;

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};

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

    /// Puts a whole value in the key's place.
    pub(crate) fn put(&mut self, key: &Bytes, mut value: Value, expires: Option<u64>) {
        self.purge(key);
        if let Value::String(text) = &mut value {
            *text = Bytes::copy_from_slice(text); // it came as a part of a command
        }
        self.version += 1;
        self.memory += value.memory();
        let slot = Slot { value, expires, version: self.version };
        // A name of its own: sharing the command's would keep more alive, and costs as much.
        match self.keys.insert(Bytes::copy_from_slice(key), slot) {
            None => self.memory += KEY_COST + key.len(),
            Some(before) => {
                self.memory -= before.value.memory();
                if let Some(at) = before.expires {
                    self.expiries.remove(&(at, key.clone()));
                }
            }
        }
        if let Some(at) = expires {
            self.expiries.insert((at, Bytes::copy_from_slice(key)));
        }
    }

    /// Changes a string in place, creating an empty one if need be; when it ends stays as it is. It grows as
    /// a vector does, so that many small additions do not copy it each time.
    pub(crate) fn edit_string<T>(
        &mut self,
        key: &Bytes,
        edit: impl FnOnce(&mut BytesMut) -> T,
    ) -> Result<T, Failure> {
        if self.string(key)?.is_none() {
            self.put(key, Value::String(Bytes::new()), None);
        }
        let slot = self.touch(key).ok_or(WRONG_TYPE)?;
        let Value::String(text) = &mut slot.value else { return Err(WRONG_TYPE) };
        let before = text.len();
        let mut buffer =
            std::mem::take(text).try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let result = edit(&mut buffer);
        *text = buffer.freeze();
        let after = text.len();
        self.memory = self.memory + after - before;
        Ok(result)
    }

    /// Changes a hash in place, creating it if need be. It goes when it is left empty.
    pub(crate) fn edit_hash<T>(
        &mut self,
        key: &Bytes,
        edit: impl FnOnce(&mut Hash) -> T,
    ) -> Result<T, Failure> {
        if self.hash(key)?.is_none() {
            self.put(key, Value::Hash(Hash::default()), None);
        }
        let slot = self.touch(key).ok_or(WRONG_TYPE)?;
        let Value::Hash(hash) = &mut slot.value else { return Err(WRONG_TYPE) };
        let before = hash.memory();
        let result = edit(hash);
        let (after, empty) = (hash.memory(), hash.is_empty());
        self.memory = self.memory + after - before;
        if empty {
            self.discard(key);
        }
        Ok(result)
    }

    /// Changes a stream in place, creating it if need be. An empty stream stays: it knows its last id.
    pub(crate) fn edit_stream<T>(
        &mut self,
        key: &Bytes,
        edit: impl FnOnce(&mut Stream) -> T,
    ) -> Result<T, Failure> {
        if self.stream(key)?.is_none() {
            self.put(key, Value::Stream(Box::default()), None);
        }
        let slot = self.touch(key).ok_or(WRONG_TYPE)?;
        let Value::Stream(stream) = &mut slot.value else { return Err(WRONG_TYPE) };
        let before = stream.memory();
        let result = edit(stream);
        let after = stream.memory();
        self.memory = self.memory + after - before;
        Ok(result)
    }

    /// Sets or clears when a live key ends.
    pub(crate) fn set_expiry(&mut self, key: &Bytes, expires: Option<u64>) {
        let Some(slot) = self.touch(key) else { return };
        let before = std::mem::replace(&mut slot.expires, expires);
        if let Some(at) = before {
            self.expiries.remove(&(at, key.clone()));
        }
        if let Some(at) = expires {
            self.expiries.insert((at, Bytes::copy_from_slice(key)));
        }
    }

    /// Removes a live key; says whether there was one.
    pub(crate) fn remove(&mut self, key: &Bytes) -> bool {
        self.purge(key);
        self.touch(key);
        self.discard(key)
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
                    self.purge(&key);
                }
                _ => return,
            }
        }
    }

    fn expired(&self, slot: &Slot) -> bool {
        slot.expires.is_some_and(|at| at <= self.now)
    }

    /// Removes the key if it has expired, and says so in the journal: replay never looks at the clock.
    fn purge(&mut self, key: &Bytes) {
        if self.keys.get(key).is_some_and(|slot| self.expired(slot)) {
            self.discard(key);
            self.journal.record([&b"DEL"[..], key]);
        }
    }

    fn discard(&mut self, key: &Bytes) -> bool {
        let Some(slot) = self.keys.remove(key) else { return false };
        self.memory -= KEY_COST + key.len() + slot.value.memory();
        if !self.journal.muted {
            self.tombstones.add(key, slot.version | DELETED); // nobody watches while a log is replayed
        }
        if let Some(at) = slot.expires {
            self.expiries.remove(&(at, key.clone()));
        }
        true
    }

    /// The slot of a live key, marked as changed.
    fn touch(&mut self, key: &Bytes) -> Option<&mut Slot> {
        self.purge(key);
        self.version += 1;
        let slot = self.keys.get_mut(key)?;
        slot.version = self.version;
        Some(slot)
    }
}

impl PartialEq for Database {
    /// Same keys, values and expiry times; versions and the journal are not data.
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys && self.expiries == other.expiries && self.memory == other.memory
    }
}
