//! The store: where carts live. Redis-compatible, embedded, durable; never Redis.
//!
//! What this hop teaches: how a server can promise that an acknowledged write survives power loss and
//! still answer thousands of them a second, with a disk that needs a fraction of a millisecond for each flush.
//! The answer is in `executor`: one thread owns the data, and all writes that wait share one flush.
//!
//! A command's way through the rooms:
//!
//! | room | what happens there |
//! |---|---|
//! | `server` | a connection is accepted, bytes are read, replies are written |
//! | `protocol` | bytes become commands (RESP requests, inline commands), within limits |
//! | `executor` | the commands of all connections run as a group; nothing leaves before the flush |
//! | `commands` | the table of commands; each reads its arguments, changes the data, writes the journal |
//! | `database` | keys, values (in order, `hash`es, `stream`s, packed as `words`), expiry, versions for WATCH |
//! | `float` | numbers with a fraction, to the digit as Redis computes them |
//! | `journal` | what a group of commands changed, as commands |
//! | `graves` | keys that went away lately, for WATCH |
//! | `log` | the append-only file: group by group with checksums, replay, torn tails, damage |
//! | `reply` | answers become bytes, in RESP2 or RESP3 |
//! | `session` | what is remembered of a connection: protocol, transaction, watched keys |
//! | `spans` | what is reported of all this |

mod commands;
mod config;
mod database;
mod executor;
mod float;
mod graves;
mod hash;
mod journal;
mod log;
mod ordered;
mod protocol;
mod reply;
mod server;
mod session;
mod spans;
mod stream;
mod text;
mod words;

pub use config::{Fsync, Settings};
pub use server::run;

#[cfg(test)]
mod tests;
