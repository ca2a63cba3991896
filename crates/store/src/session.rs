//! What the store knows about one connection between two of its commands.

use bytes::Bytes;

use crate::commands::Spec;
use crate::protocol::Command;

/// The most memory that a transaction's queued commands may take, in bytes.
const QUEUE_LIMIT: usize = 64 << 20;

/// One connection's state. It travels with the connection's commands to the executor and back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) id: u64,
    /// The name that the client gave itself.
    pub(crate) name: Bytes,
    /// Whether `HELLO 3` was said.
    pub(crate) resp3: bool,
    /// Between `MULTI` and `EXEC` or `DISCARD`.
    pub(crate) transaction: Option<Transaction>,
    /// `EXEC` is running the queued commands.
    pub(crate) committing: bool,
    /// `XREAD BLOCK` found nothing and waits.
    pub(crate) blocked: Option<Box<Blocked>>,
    /// Until when it waits, when it is tried again; in milliseconds since the Unix epoch.
    pub(crate) waits_until: Option<u64>,
    pub(crate) watched: Vec<Watched>,
    /// `QUIT` was said: answer, then hang up.
    pub(crate) closing: bool,
}

/// A key, and what is needed to tell whether it has changed; see [`crate::database::Database::unchanged`].
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) key: Bytes,
    pub(crate) version: u64,
    pub(crate) since: u64,
}

/// A command that waits for others to write.
#[derive(Clone, Debug)]
pub(crate) struct Blocked {
    /// In milliseconds since the Unix epoch; the greatest number is for ever.
    pub(crate) until: u64,
    /// What to try again: `$` has become the id that was last when it was first said.
    pub(crate) command: Command,
}

/// Commands that wait for `EXEC`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) queue: Vec<(&'static Spec, Command)>,
    /// A command was refused when it should have been queued: `EXEC` will refuse them all.
    pub(crate) broken: bool,
    size: usize,
}

impl Transaction {
    /// Queues a command; false when the queue is full.
    pub(crate) fn push(&mut self, spec: &'static Spec, command: Command) -> bool {
        self.size += command.iter().map(|argument| argument.len() + 64).sum::<usize>();
        let fits = self.size <= QUEUE_LIMIT;
        if fits {
            self.queue.push((spec, command));
        }
        fits
    }

    /// Is a command of some kind among them?
    pub(crate) fn has(&self, kind: fn(&Spec) -> bool) -> bool {
        self.queue.iter().any(|(spec, _)| kind(spec))
    }
}
