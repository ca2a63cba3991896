//! The event log: where the cart publishes "item added", and what a `201 Created` rests on.
//!
//! What this hop teaches: **a log is the simplest durable thing there is**, and what makes it fast
//! is not to avoid the disk but to share it. Producers hand in batches of records; one thread
//! appends everything that is waiting, asks the disk *once* to keep it (`fdatasync`), and only then
//! are the producers told. Ten producers wait for one disk write, not for ten.
//!
//! It speaks the Kafka protocol, so every Kafka client works against it and a real Kafka can take its
//! place. It is Kafka-compatible, embedded, and never Kafka: one node, no replication, no consumer
//! groups, no transactions.
//!
//! Read in this order:
//!
//! | module | answers |
//! |---|---|
//! | [`batch`] | what do producers send? the 61 bytes of a record batch that the server looks at |
//! | [`partition`] | the log: files that are appended to by one thread and read by all, and deleted when old |
//! | [`appender`] | group commit: one `fdatasync` for everyone who waits |
//! | [`apis`] | what each request means, one file per API |
//! | [`topics`], [`broker`] | which partitions exist, and what all connections share |
//! | [`connection`], [`server`] | frames in, frames out, in order, within limits |
//! | [`limits`] | every bound in one place, with its reason |
//! | [`spans`] | what a request's time was spent on |

pub mod apis;
pub mod appender;
pub mod batch;
pub mod broker;
pub mod config;
pub mod connection;
pub mod limits;
pub mod partition;
pub mod server;
pub mod spans;
pub mod topics;

#[cfg(test)]
mod testing;
