//! How one key changes: each change gives it a version of its own, and is counted in memory.

use bytes::{Bytes, BytesMut};

use super::{Database, KEY_COST, Slot, Value};
use crate::hash::Hash;
use crate::reply::{Failure, WRONG_TYPE};
use crate::stream::Stream;

impl Database {
    /// Puts a whole value in the key's place.
    pub(crate) fn put(&mut self, key: &[u8], value: Value, expires: Option<u64>) {
        self.version += 1;
        let slot = Slot { value, expires, version: self.version };
        match self.place(key) {
            None => drop(self.add(key, slot)),
            Some(at) => self.replace(key, at, slot),
        }
        if let Some(at) = expires {
            self.expiries.insert((at, Bytes::copy_from_slice(key)));
        }
    }

    fn replace(&mut self, key: &[u8], at: usize, slot: Slot) {
        let Some(known) = self.keys.at_mut(at) else { return };
        self.memory += slot.value.memory();
        let before = std::mem::replace(known, slot);
        self.memory -= before.value.memory();
        if let Some(at) = before.expires {
            self.expiries.remove(&(at, Bytes::copy_from_slice(key)));
        }
    }

    /// Adds a key that is not there, and says where it stands.
    fn add(&mut self, key: &[u8], slot: Slot) -> usize {
        self.memory += KEY_COST + key.len() + slot.value.memory();
        // A name of its own: what a client sent goes with its request.
        self.keys.push(Bytes::copy_from_slice(key), slot)
    }

    /// Makes another string of the one that is there, if one is; when it ends stays as it is.
    pub(crate) fn replace_string(
        &mut self,
        key: &[u8],
        make: impl FnOnce(Option<&[u8]>) -> Result<Bytes, Failure>,
    ) -> Result<(), Failure> {
        let Some(slot) = self.place(key).and_then(|at| self.keys.at_mut(at)) else {
            let value = Value::String(make(None)?);
            self.version += 1;
            self.add(key, Slot { value, expires: None, version: self.version });
            return Ok(());
        };
        let Value::String(text) = &mut slot.value else { return Err(WRONG_TYPE) };
        let before = std::mem::replace(text, make(Some(text))?);
        self.memory = self.memory + text.len() - before.len();
        self.version += 1;
        slot.version = self.version;
        Ok(())
    }

    /// Changes a string in place, creating an empty one if need be; when it ends stays as it is. It grows as
    /// a vector does, so that many small additions do not copy it each time.
    pub(crate) fn edit_string<T>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut BytesMut) -> T,
    ) -> Result<T, Failure> {
        self.edit(
            key,
            || Value::String(Bytes::new()),
            |value| {
                let Value::String(text) = value else { return Err(WRONG_TYPE) };
                let mut buffer =
                    std::mem::take(text).try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
                let result = edit(&mut buffer);
                *text = buffer.freeze();
                Ok(result)
            },
        )
    }

    /// Changes a hash in place, creating it if need be. It goes when it is left empty.
    pub(crate) fn edit_hash<T>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut Hash) -> T,
    ) -> Result<T, Failure> {
        let (result, empty) = self.edit(
            key,
            || Value::Hash(Hash::default()),
            |value| {
                let Value::Hash(hash) = value else { return Err(WRONG_TYPE) };
                let result = edit(hash);
                Ok((result, hash.is_empty()))
            },
        )?;
        if empty {
            self.discard(key);
        }
        Ok(result)
    }

    /// Changes a stream in place, creating it if need be. An empty stream stays: it knows its last id.
    pub(crate) fn edit_stream<T>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut Stream) -> T,
    ) -> Result<T, Failure> {
        self.edit(
            key,
            || Value::Stream(Box::default()),
            |value| {
                let Value::Stream(stream) = value else { return Err(WRONG_TYPE) };
                Ok(edit(stream))
            },
        )
    }

    /// Changes a value in place; without one, `new` becomes the key's. What an edit refuses has not changed.
    fn edit<T>(
        &mut self,
        key: &[u8],
        new: impl FnOnce() -> Value,
        edit: impl FnOnce(&mut Value) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let at = match self.place(key) {
            Some(at) => at,
            None => self.add(key, Slot { value: new(), expires: None, version: 0 }),
        };
        let slot = self.keys.at_mut(at).ok_or(WRONG_TYPE)?;
        let before = slot.value.memory();
        let result = edit(&mut slot.value)?;
        self.memory = self.memory + slot.value.memory() - before;
        self.version += 1;
        slot.version = self.version;
        Ok(result)
    }

    /// Sets or clears when a live key ends.
    pub(crate) fn set_expiry(&mut self, key: &[u8], expires: Option<u64>) {
        let Some(slot) = self.place(key).and_then(|at| self.keys.at_mut(at)) else { return };
        self.version += 1;
        slot.version = self.version;
        let before = std::mem::replace(&mut slot.expires, expires);
        if let Some(at) = before {
            self.expiries.remove(&(at, Bytes::copy_from_slice(key)));
        }
        if let Some(at) = expires {
            self.expiries.insert((at, Bytes::copy_from_slice(key)));
        }
    }

    /// Removes a live key; says whether there was one.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        let Some(slot) = self.place(key).and_then(|at| self.keys.at_mut(at)) else { return false };
        self.version += 1;
        slot.version = self.version; // its tombstone has it
        self.discard(key)
    }
}
