//! A command's row in the table, and what its function works on when it is called.

use hashbrown::HashMap;

use super::facts::Facts;
use crate::database::Database;
use crate::reply::{CommandResult, Failure, NOT_AN_INTEGER, Output, Reply, failure};
use crate::session::Session;
use crate::text::integer;

/// A command's function.
pub(super) type Handler = fn(&mut Call<'_>) -> CommandResult;

/// The arguments that are keys: first, last (negative counts from the end), step. `COMMAND` tells clients.
pub(super) type Keys = (i64, i64, i64);
pub(super) const NO_KEYS: Keys = (0, 0, 0);
pub(super) const ONE_KEY: Keys = (1, 1, 1);
pub(super) const ALL_KEYS: Keys = (1, -1, 1);

/// One row of the table.
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// The number of words, the name included; negative means at least so many.
    pub(super) arity: i64,
    /// Whether it may change data. Such commands are refused while the disk is full.
    pub(super) write: bool,
    /// Whether it may need more memory. Such commands are refused above MAX_MEMORY.
    pub(super) grows: bool,
    pub(super) keys: Keys,
    run: Handler,
}

impl Spec {
    pub(super) const fn read(name: &'static str, arity: i64, keys: Keys, run: Handler) -> Self {
        Self { name, arity, write: false, grows: false, keys, run }
    }

    pub(super) const fn write(name: &'static str, arity: i64, keys: Keys, run: Handler) -> Self {
        Self { name, arity, write: true, grows: false, keys, run }
    }

    pub(super) const fn grow(name: &'static str, arity: i64, keys: Keys, run: Handler) -> Self {
        Self { name, arity, write: true, grows: true, keys, run }
    }

    pub(super) fn accepts(&self, words: usize) -> bool {
        accepts(self.arity, words)
    }

    /// These act on the transaction itself, so they are never queued in it.
    pub(super) fn steers_transaction(&self) -> bool {
        matches!(self.name, "multi" | "exec" | "discard" | "watch" | "quit")
    }
}

pub(super) fn accepts(arity: i64, words: usize) -> bool {
    let words = i64::try_from(words).unwrap_or(i64::MAX);
    if arity < 0 { words >= -arity } else { words == arity }
}

/// All commands, by family and by name.
pub(super) struct Table {
    families: &'static [&'static [Spec]],
    by_name: HashMap<&'static [u8], &'static Spec>,
}

impl Table {
    pub(super) fn new(families: &'static [&'static [Spec]]) -> Self {
        let by_name = families.iter().copied().flatten().map(|spec| (spec.name.as_bytes(), spec)).collect();
        Self { families, by_name }
    }

    /// Finds a command by its name in any case.
    pub(super) fn find(&self, name: &[u8]) -> Option<&'static Spec> {
        // No command's name is longer.
        let mut small = [0; 16];
        let small = small.get_mut(..name.len())?;
        small.copy_from_slice(name);
        small.make_ascii_lowercase();
        self.by_name.get(&*small).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'static Spec> {
        self.families.iter().copied().flatten()
    }
}

/// What a command's function works on.
pub(super) struct Call<'a> {
    pub(super) spec: &'static Spec,
    pub(super) table: &'a Table,
    pub(super) arguments: &'a [&'a [u8]],
    pub(super) database: &'a mut Database,
    pub(super) session: &'a mut Session,
    pub(super) facts: &'a Facts,
}

impl<'a> Call<'a> {
    /// The first argument, which is nearly always the key. The arity has been checked.
    pub(super) fn key(&self) -> &'a [u8] {
        self.arguments[1]
    }

    pub(super) fn integer(&self, at: usize) -> Result<i64, Failure> {
        integer(self.arguments[at]).ok_or(NOT_AN_INTEGER)
    }

    /// An option's word in capitals.
    pub(super) fn word(&self, at: usize) -> String {
        String::from_utf8_lossy(self.arguments[at]).to_ascii_uppercase()
    }

    /// Records the command as it was written: its replay gives the same result at any time.
    pub(super) fn record_as_written(&mut self) {
        self.database.journal.record(self.arguments.iter().copied());
    }

    pub(super) fn wrong_arity(&self) -> Failure {
        wrong_arity(self.spec.name)
    }
}

/// Runs a command that was let in.
pub(super) fn run(
    spec: &'static Spec,
    arguments: &[&[u8]],
    table: &Table,
    database: &mut Database,
    session: &mut Session,
    facts: &Facts,
    output: &mut Output,
) {
    let result = (spec.run)(&mut Call { spec, table, arguments, database, session, facts });
    let reply = result.unwrap_or_else(|Failure(text)| Reply::Error(text));
    output.put(&reply, session.resp3);
}

pub(super) fn wrong_arity(name: &str) -> Failure {
    failure(format!("ERR wrong number of arguments for '{name}' command"))
}
