//! Commands that leave in one write.

use bytes::{Bytes, BytesMut};
use hop::upstream::Failure;
use redis_protocol::resp2::encode::extend_encode;

use crate::reply::{Reply, SYSTEM};

/// Commands that leave in one write, and the name that their span gets.
#[derive(Clone, Debug)]
pub struct Pipeline {
    operation: &'static str,
    commands: Vec<Reply>,
}

impl Pipeline {
    /// No commands yet; `operation` names the span (`db.operation.name`).
    pub fn new(operation: &'static str) -> Self {
        Pipeline { operation, commands: Vec::new() }
    }

    /// Adds a command: its name and its arguments.
    pub fn add<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) -> &mut Self {
        // Commands are arrays of bulk strings (RESP, "Sending commands to a Redis server").
        let bulk = |word: W| Reply::BulkString(Bytes::copy_from_slice(word.as_ref()));
        self.commands.push(Reply::Array(words.into_iter().map(bulk).collect()));
        self
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Is there nothing to send?
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Adds the commands of another one.
    pub(crate) fn extend(&mut self, other: &Pipeline) -> &mut Self {
        self.commands.extend_from_slice(&other.commands);
        self
    }

    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    pub(crate) fn encode(&self) -> Result<BytesMut, Failure> {
        let mut bytes = BytesMut::new();
        for command in &self.commands {
            extend_encode(&mut bytes, command, false)
                .map_err(|error| Failure::Refused { system: SYSTEM, text: error.to_string() })?;
        }
        Ok(bytes)
    }
}
