//! The event log: where the cart publishes "item added", and what a `201 Created` rests on.
//!
//! What it teaches: **a log is the simplest durable thing there is**, and what makes it fast
//! is not to avoid the disk but to share it. Producers hand in batches of records; one thread
//! appends everything that is waiting, has the disk sync *once* (`fdatasync`), and only then
//! are the producers told. Ten producers wait for one disk write, not for ten.
//!
//! It speaks the Kafka protocol, so every Kafka client works against it and a real Kafka can take its
//! place. It is Kafka-compatible, embedded, and never Kafka: one node, no replication, no consumer
//! groups, no transactions.
//!
//! This is an engine, not a hop that is read in 15 minutes. The trail through it, three files:
//!
//! 1. `partition.rs` (7 minutes): the log: files that are appended to by one thread and read by all
//! 2. `appender.rs` (7 minutes): group commit: one `fdatasync` for everyone who waits
//! 3. `partition/recovery.rs` (8 minutes): what is believed of the files at start, and what is not
//!
//! All modules:
//!
//! | module | answers |
//! |---|---|
//! | [`batch`] | what do producers send? the 61 bytes of a record batch that the server looks at |
//! | [`partition`], [`retention`] | the log, and what is deleted of it when it is old or large |
//! | [`appender`] | group commit |
//! | [`apis`] | what each request means, one file per API |
//! | [`topics`], [`broker`] | which partitions exist, and what all connections share |
//! | [`connection`], [`server`] | frames in, frames out, in order, within limits |
//! | [`limits`] | every bound in one place, with its reason |
//! | [`spans`] | what a request's time was spent on |
//! | [`testing`] | record batches for tests |

pub mod apis;
pub mod appender;
pub mod batch;
pub mod broker;
pub mod config;
pub mod connection;
pub mod limits;
pub mod partition;
pub mod retention;
pub mod server;
pub mod spans;
pub mod testing;
pub mod topics;
