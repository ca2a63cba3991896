//! The store: where carts live. Redis-compatible, embedded, durable; never Redis.
//!
//! What it teaches: how a server can promise that an acknowledged write survives power loss and
//! still execute thousands of them a second, with a disk that needs a fraction of a millisecond for each flush.
//!
//! This is an engine, not a hop that is read in 15 minutes. The trail through it, three files:
//!
//! 1. `executor.rs` (8 minutes): one thread owns the data, and all writes that wait share one flush
//! 2. `log.rs` (6 minutes): the append-only file, group by group with checksums
//! 3. `log/replay.rs` (8 minutes): the way back, and how a torn tail is told from damage
//!
//! A command's way through the modules:
//!
//! | module | what happens there |
//! |---|---|
//! | `server` | a connection is accepted, bytes are read, replies are written |
//! | `protocol` | bytes become commands (RESP requests, inline commands), within limits |
//! | `executor` | the commands of all connections run as a group; nothing leaves before the flush |
//! | `commands` | the table of commands; each reads its arguments, changes the data, writes the journal |
//! | `database` | keys, values (in order, `hash`es, `stream`s, packed in a `listpack`), expiry, versions for WATCH |
//! | `float` | numbers with a fraction, to the digit as Redis computes them |
//! | `journal` | what a group of commands changed, as commands |
//! | `tombstones` | keys that were removed lately, for WATCH |
//! | `log` | the append-only file: append, replay, torn tails, damage, rewrite |
//! | `reply` | replies become bytes, in RESP2 or RESP3 |
//! | `session` | what is remembered of a connection: protocol, transaction, watched keys |
//! | `spans` | what is reported of all this |

mod commands;
mod config;
mod database;
mod executor;
mod float;
mod hash;
mod journal;
mod listpack;
mod log;
mod ordered;
mod protocol;
mod reply;
mod server;
mod session;
mod spans;
mod stream;
mod text;
mod tombstones;

pub use config::{Fsync, Settings};
pub use server::run;

#[cfg(test)]
mod tests;
