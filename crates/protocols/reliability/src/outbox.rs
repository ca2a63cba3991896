//! The outbox: how a state and what others are told of it can't disagree.
//!
//! Redis and Kafka can't be changed together. So the message is first written where the state is, in the very
//! transaction that changes the state ([`append`]), and then carried to Kafka: normally by the request itself, which
//! responds only when Kafka has it; after a crash by whoever finds it (`outbox/orphans.rs`). A message leaves the outbox
//! when Kafka has acknowledged it.
//!
//! **In order, per owner.** The outbox is a queue. A request publishes its message when that stands at the head; as long
//! as another process's stands before it, it waits for that one to leave.
//!
//! **Once, as a rule.** For [`ORPHANED_AFTER`] a message belongs to the process that wrote it, and nobody else publishes
//! it. What is still there then is an orphan, and belongs to whoever holds the owner's claim, a key in Redis that one
//! process at a time can have. That one looks first whether Kafka has it: its writer may have died, or Kafka itself,
//! before that could be noted. What remains is a process that comes to a stop for seconds between looking and sending.
//! Then Kafka gets a message again; it holds the same event id, by which consumers drop it.

mod acknowledged;
mod age;
mod backoff;
mod orphans;
mod queue;
pub(crate) mod streams;
mod upstreams;

pub(crate) use acknowledged::Acknowledged;
pub(crate) use age::is_orphaned;
pub(crate) use orphans::{Orphans, publish_orphans};

pub use age::ORPHANED_AFTER;
pub use queue::Outbox;
pub use streams::{Appended, DEAD_LETTERS, append, head, look};
pub use upstreams::Upstreams;
