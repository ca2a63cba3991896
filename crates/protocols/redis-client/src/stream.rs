//! Entries of streams, and their ids.

use std::fmt;

use bytes::Bytes;
use hop::upstream::Failure;
use redis_protocol::resp2::types::Resp2Frame as _;

use crate::reply::{Reply, Text as _, unexpected};

/// The id of an entry: milliseconds since the Unix epoch and a number within that millisecond, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u64, pub u64);

impl StreamId {
    /// Before all entries.
    pub const START: StreamId = StreamId(0, 0);

    /// The smallest id behind this one.
    pub fn next(self) -> Self {
        match self.1.checked_add(1) {
            Some(number) => StreamId(self.0, number),
            None => StreamId(self.0.saturating_add(1), 0),
        }
    }

    /// An id as Redis writes it, `milliseconds-number`.
    pub fn parse(id: &str) -> Option<Self> {
        let (milliseconds, number) = id.split_once('-')?;
        Some(StreamId(milliseconds.parse().ok()?, number.parse().ok()?))
    }

    /// The reply to `XADD`.
    ///
    /// # Errors
    /// [`Failure::Refused`] if it is something else.
    pub fn of_reply(reply: &Reply) -> Result<Self, Failure> {
        reply.text().and_then(StreamId::parse).ok_or_else(|| unexpected(reply))
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it is.
    pub id: StreamId,
    /// Names and values in turn.
    pub fields: Vec<Bytes>,
}

/// The reply to `XRANGE`: pairs of an id and the fields.
///
/// # Errors
/// [`Failure::Refused`] if it is something else.
pub fn entries(reply: &Reply) -> Result<Vec<Entry>, Failure> {
    let Reply::Array(list) = reply else { return Err(unexpected(reply)) };
    let entry = |pair: &Reply| {
        let Reply::Array(pair) = pair else { return None };
        let [id, Reply::Array(fields)] = &pair[..] else { return None };
        let bytes = |field: &Reply| field.as_bytes().map(Bytes::copy_from_slice);
        let fields = fields.iter().map(bytes).collect::<Option<Vec<_>>>()?;
        Some(Entry { id: StreamId::parse(id.text()?)?, fields })
    };
    list.iter().map(|pair| entry(pair).ok_or_else(|| unexpected(pair))).collect()
}

#[cfg(test)]
mod tests;
