//! The commands: a table of what exists, one way that every command goes, and a function for each.
//!
//! A command's function reads its arguments, changes the [`Database`](crate::database::Database), records the change
//! in the journal in a form that gives the same result whenever it is replayed (absolute times, explicit stream ids),
//! and returns its reply. Error texts are those of Redis 7.0, so that clients which look at them keep working.
//!
//! | file | what is there |
//! |---|---|
//! | `dispatch` | every command: looked up, checked, then run, queued or refused |
//! | `exec` | EXEC: a transaction's commands, all or nothing |
//! | `spec`, `table` | a command's row, and all rows |
//! | the others | the commands, family by family |

mod connection;
mod dispatch;
mod exec;
mod facts;
mod hashes;
mod info;
mod keys;
mod numbers;
mod scan;
mod server;
mod spec;
mod stream_add;
mod stream_info;
mod streams;
mod strings;
mod subcommands;
mod table;
mod transactions;

pub(crate) use dispatch::{Refusal, execute, span_name};
pub(crate) use facts::{Facts, LogFacts};

#[cfg(test)]
mod tests;
