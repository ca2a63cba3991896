//! Tombstones of keys that were deleted lately. Whoever watches a key that does not exist must learn that it was
//! set and deleted meanwhile: the state now is the same as before.

use std::collections::VecDeque;

use bytes::Bytes;
use hashbrown::HashMap;

/// So many are remembered, some 1 MiB. A WATCH during which more keys are deleted fails, though nothing it watches
/// changed: its client tries again.
const REMEMBERED: usize = 10_000;

/// The bit that marks the version of a deleted key.
pub(crate) const DELETED: u64 = 1 << 63;

/// Keys with the version of their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tombstones {
    versions: HashMap<Bytes, u64>,
    /// Oldest first.
    order: VecDeque<(Bytes, u64)>,
    /// Ends up to this version may be forgotten.
    pub(crate) forgotten: u64,
}

impl Tombstones {
    /// Forgets everything that ended up to this version.
    pub(crate) fn after(forgotten: u64) -> Self {
        Self { forgotten, ..Self::default() }
    }

    /// When the key ended the last time; 0 if that is not known, or never was.
    pub(crate) fn version(&self, key: &[u8]) -> u64 {
        self.versions.get(key).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, key: &[u8], version: u64) {
        let key = Bytes::copy_from_slice(key);
        self.versions.insert(key.clone(), version);
        self.order.push_back((key, version));
        if self.order.len() > REMEMBERED
            && let Some((key, version)) = self.order.pop_front()
        {
            self.forgotten = self.forgotten.max(version & !DELETED);
            if self.version(&key) == version {
                self.versions.remove(&key);
            }
        }
    }
}
