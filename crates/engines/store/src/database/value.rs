//! What a key holds, and what belongs to it.

use bytes::Bytes;

use crate::hash::Hash;
use crate::stream::Stream;

/// What a key holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    String(Bytes),
    Hash(Hash),
    /// Boxed, because it is large and rare: the map of all keys has room for every value.
    Stream(Box<Stream>),
}

impl Value {
    /// About how much memory it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::String(text) => text.len() + 40,
            Self::Hash(hash) => hash.memory(),
            Self::Stream(stream) => stream.memory(),
        }
    }

    /// The name that `TYPE` gives it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Hash(_) => "hash",
            Self::Stream(_) => "stream",
        }
    }
}

/// A key's value with what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) value: Value,
    /// When the key ends, in milliseconds since the Unix epoch.
    pub(crate) expires: Option<u64>,
    /// Grows with every change; `WATCH` compares it.
    pub(super) version: u64,
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        (&self.value, self.expires) == (&other.value, other.expires)
    }
}
