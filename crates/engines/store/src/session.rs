//! What the store knows about one connection between two of its commands.

use bytes::Bytes;
use hashbrown::HashMap;

use crate::protocol::Commands;

/// The most memory that a transaction's queued commands may take, in bytes.
const QUEUE_LIMIT: usize = 64 << 20;

/// One connection's state. It travels with the connection's commands to the executor and back.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) id: u64,
    /// The name that the client gave itself.
    pub(crate) name: Bytes,
    /// Whether `HELLO 3` was said.
    pub(crate) resp3: bool,
    /// Between `MULTI` and `EXEC` or `DISCARD`.
    pub(crate) transaction: Option<Box<Transaction>>,
    /// `EXEC` is running the queued commands.
    pub(crate) committing: bool,
    /// `XREAD BLOCK` found nothing and waits.
    pub(crate) blocked: Option<Box<Blocked>>,
    /// Until when it waits, when it is tried again; in milliseconds since the Unix epoch.
    pub(crate) waits_until: Option<u64>,
    pub(crate) watched: HashMap<Bytes, Watched>,
    /// `QUIT` was said: reply, then close.
    pub(crate) closing: bool,
    ended: Option<Box<Ended>>,
}

/// The first transaction and the first set of watched keys that ended since the last checkpoint.
#[derive(Debug, Default)]
struct Ended {
    transaction: Option<Box<Transaction>>,
    watched: Option<HashMap<Bytes, Watched>>,
}

/// What [`Session::restore`] needs. Queues are not copied for it, only measured: between two checkpoints a queue
/// grows at its end or ends as a whole, and one that ends is kept until the next.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    name: Bytes,
    resp3: bool,
    waits_until: Option<u64>,
    transaction: Option<Progress>,
    watched: usize,
}

/// How far a transaction was.
#[derive(Clone, Copy, Debug)]
struct Progress {
    queued: usize,
    writes: bool,
    grows: bool,
    broken: bool,
    size: usize,
}

impl Session {
    pub(crate) fn new(id: u64) -> Self {
        Self { id, ..Self::default() }
    }

    /// Remembers this moment, at a cost that does not depend on how much is queued or watched.
    pub(crate) fn checkpoint(&mut self) -> Checkpoint {
        self.settle();
        let progress = |transaction: &Transaction| Progress {
            queued: transaction.queue.len(),
            writes: transaction.writes,
            grows: transaction.grows,
            broken: transaction.broken,
            size: transaction.size,
        };
        Checkpoint {
            name: self.name.clone(),
            resp3: self.resp3,
            waits_until: self.waits_until,
            transaction: self.transaction.as_deref().map(progress),
            watched: self.watched.len(),
        }
    }

    /// Goes back to the last checkpoint, as if nothing had been said since.
    pub(crate) fn restore(&mut self, checkpoint: Checkpoint) {
        let Checkpoint { name, resp3, waits_until, transaction, watched } = checkpoint;
        (self.name, self.resp3, self.waits_until) = (name, resp3, waits_until);
        (self.blocked, self.committing, self.closing) = (None, false, false);
        let ended = self.ended.take().map_or_else(Ended::default, |ended| *ended);
        let before = ended.transaction.or(self.transaction.take());
        self.transaction = transaction.and_then(|Progress { queued, writes, grows, broken, size }| {
            let mut queue = before?.queue;
            queue.truncate(queued);
            Some(Box::new(Transaction { queue, writes, grows, broken, size }))
        });
        if let Some(before) = ended.watched {
            self.watched = before;
        }
        self.watched.retain(|_, key| key.number < watched);
    }

    /// What was done since the last checkpoint is done for good.
    pub(crate) fn settle(&mut self) {
        self.ended = None;
    }

    /// Forgets the watched keys.
    pub(crate) fn unwatch(&mut self) {
        if !self.watched.is_empty() {
            let watched = std::mem::take(&mut self.watched);
            self.ended.get_or_insert_default().watched.get_or_insert(watched);
        }
    }

    /// A transaction that was taken out of the session is over.
    pub(crate) fn end(&mut self, transaction: Box<Transaction>) {
        self.ended.get_or_insert_default().transaction.get_or_insert(transaction);
    }

    /// Watches a key. A second `WATCH` of the same key does not forget what the first one saw.
    pub(crate) fn watch(&mut self, key: &[u8], version: u64, since: u64) {
        let number = self.watched.len();
        let seen = || Watched { version, since, number };
        self.watched.entry(Bytes::copy_from_slice(key)).or_insert_with(seen);
    }
}

/// What was seen of a key, and what is needed to tell whether it has changed; see [`crate::database::Database::unchanged`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    pub(crate) version: u64,
    pub(crate) since: u64,
    /// How many keys were watched before it.
    number: usize,
}

/// A command that waits for others to write.
#[derive(Clone, Debug)]
pub(crate) struct Blocked {
    /// In milliseconds since the Unix epoch; the greatest number is for ever.
    pub(crate) until: u64,
    /// What to try again: `$` has become the id that was last when it was first said.
    pub(crate) command: Commands,
}

/// Commands that wait for `EXEC`.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) queue: Commands,
    /// One of them may change data; one of them may need more memory.
    pub(crate) writes: bool,
    pub(crate) grows: bool,
    /// A command was refused when it should have been queued: `EXEC` will refuse them all.
    pub(crate) broken: bool,
    size: usize,
}

impl Transaction {
    /// Queues a command; false when the queue is full.
    pub(crate) fn push(&mut self, command: &[&[u8]], writes: bool, grows: bool) -> bool {
        self.size += command.iter().map(|argument| argument.len() + 64).sum::<usize>();
        let fits = self.size <= QUEUE_LIMIT;
        if fits {
            self.queue.push(command.iter().copied());
            self.writes |= writes;
            self.grows |= grows;
        }
        fits
    }
}

#[cfg(test)]
mod tests;
