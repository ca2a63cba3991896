//! The commands: a table of what exists, and the one door through which every command goes.
//!
//! A command's function reads its arguments, changes the [`Database`], records the change in the journal in
//! a form that gives the same result whenever it is replayed (absolute times, explicit stream ids), and
//! returns its reply. Error texts are those of Redis 7.0, so that clients which look at them keep working.

mod connection;
mod hashes;
mod info;
mod keys;
mod numbers;
mod scan;
mod server;
mod stream_info;
mod streams;
mod strings;
mod transactions;

use std::fmt;
use std::sync::LazyLock;

use bytes::Bytes;
use hashbrown::HashMap;

use crate::database::Database;
use crate::protocol::Command;
use crate::reply::{Answer, Failure, NOT_AN_INTEGER, Output, Reply, failure};
use crate::session::Session;
use crate::text::integer;

#[cfg(test)]
mod door_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transaction_tests;

pub(crate) use server::{Facts, LogFacts};

/// A command's function.
type Handler = fn(&mut Call<'_>) -> Answer;

/// The arguments that are keys: first, last (negative counts from the end), step. `COMMAND` tells clients.
type Keys = (i64, i64, i64);
const NO_KEYS: Keys = (0, 0, 0);
const ONE_KEY: Keys = (1, 1, 1);
const ALL_KEYS: Keys = (1, -1, 1);

/// One row of the table.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// The number of words, the name included; negative means at least so many.
    arity: i64,
    /// Whether it may change data. Such commands are refused while the disk is full.
    pub(crate) write: bool,
    /// Whether it may need more memory. Such commands are refused above MAX_MEMORY.
    grows: bool,
    keys: Keys,
    run: Handler,
}

impl Spec {
    const fn read(name: &'static str, arity: i64, keys: Keys, run: Handler) -> Self {
        Self { name, arity, write: false, grows: false, keys, run }
    }

    const fn write(name: &'static str, arity: i64, keys: Keys, run: Handler) -> Self {
        Self { name, arity, write: true, grows: false, keys, run }
    }

    const fn grow(name: &'static str, arity: i64, keys: Keys, run: Handler) -> Self {
        Self { name, arity, write: true, grows: true, keys, run }
    }

    fn accepts(&self, words: usize) -> bool {
        accepts(self.arity, words)
    }

    /// These act on the transaction itself, so they are never queued in it.
    fn steers_transaction(&self) -> bool {
        matches!(self.name, "multi" | "exec" | "discard" | "watch" | "quit")
    }
}

fn accepts(arity: i64, words: usize) -> bool {
    let words = i64::try_from(words).unwrap_or(i64::MAX);
    if arity < 0 { words >= -arity } else { words == arity }
}

impl fmt::Debug for Spec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// Every family of commands.
const FAMILIES: [&[Spec]; 9] = [
    connection::COMMANDS,
    server::COMMANDS,
    keys::COMMANDS,
    strings::COMMANDS,
    numbers::COMMANDS,
    hashes::COMMANDS,
    streams::COMMANDS,
    stream_info::COMMANDS,
    transactions::COMMANDS,
];

static TABLE: LazyLock<HashMap<&'static [u8], &'static Spec>> =
    LazyLock::new(|| FAMILIES.iter().copied().flatten().map(|spec| (spec.name.as_bytes(), spec)).collect());

/// Finds a command by its name in any case.
fn find(name: &[u8]) -> Option<&'static Spec> {
    // No command's name is longer.
    let mut small = [0; 16];
    let small = small.get_mut(..name.len())?;
    small.copy_from_slice(name);
    small.make_ascii_lowercase();
    TABLE.get(&*small).copied()
}

/// The name under which a command appears in spans: known names in capitals, others as "unknown", so that
/// a client cannot fill the report with names of its own.
pub(crate) fn span_name(name: &[u8]) -> String {
    find(name).map_or_else(|| "unknown".into(), |spec| spec.name.to_ascii_uppercase())
}

/// Why some commands are turned away.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal<'a> {
    /// The log takes nothing: commands that write get this text.
    Disk(&'a str),
    /// The data takes more memory than MAX_MEMORY: commands that may need more are refused, so that those
    /// which make room still run.
    Memory,
}

/// What a command's function works on.
pub(crate) struct Call<'a> {
    spec: &'static Spec,
    arguments: &'a [Bytes],
    database: &'a mut Database,
    session: &'a mut Session,
    facts: &'a Facts,
}

impl<'a> Call<'a> {
    /// The first argument, which is nearly always the key. The arity has been checked.
    fn key(&self) -> &'a Bytes {
        &self.arguments[1]
    }

    fn integer(&self, at: usize) -> Result<i64, Failure> {
        integer(&self.arguments[at]).ok_or(NOT_AN_INTEGER)
    }

    /// An option's word in capitals.
    fn word(&self, at: usize) -> String {
        String::from_utf8_lossy(&self.arguments[at]).to_ascii_uppercase()
    }

    /// Records the command as it was written: its replay gives the same result at any time.
    fn record_as_written(&mut self) {
        self.database.journal.record(self.arguments.iter().map(|argument| &argument[..]));
    }

    fn wrong_arity(&self) -> Failure {
        wrong_arity(self.spec.name)
    }
}

/// Runs one command of one connection and appends its reply.
///
/// `refusal` says which commands are turned away just now.
pub(crate) fn execute(
    database: &mut Database,
    session: &mut Session,
    facts: &Facts,
    refusal: Option<Refusal<'_>>,
    command: &Command,
    output: &mut Output,
) {
    output.begin();
    match admit(session, refusal, command) {
        Err(Failure(text)) => output.put(&Reply::Error(text), session.resp3),
        Ok(None) => output.put(&Reply::Status("QUEUED"), session.resp3),
        Ok(Some(spec)) if spec.name == "exec" && session.transaction.is_some() => {
            transactions::commit(database, session, facts, output);
        }
        Ok(Some(spec)) => run(spec, command, database, session, facts, output),
    }
    output.end();
}

/// Runs a command that was let in.
fn run(
    spec: &'static Spec,
    arguments: &[Bytes],
    database: &mut Database,
    session: &mut Session,
    facts: &Facts,
    output: &mut Output,
) {
    let answer = (spec.run)(&mut Call { spec, arguments, database, session, facts });
    let reply = answer.unwrap_or_else(|Failure(text)| Reply::Error(text));
    output.put(&reply, session.resp3);
}

/// Decides whether a command runs now (its row), is queued (none), or is refused.
fn admit(
    session: &mut Session,
    refusal: Option<Refusal<'_>>,
    command: &Command,
) -> Result<Option<&'static Spec>, Failure> {
    let spec = find(&command[0]);
    let checked = check(spec, session, refusal, command);
    if let (Err(Failure(text)), Some("exec")) = (&checked, spec.map(|spec| spec.name)) {
        let reason = text.strip_prefix("ERR ").unwrap_or(text);
        let abort = failure(format!("EXECABORT Transaction discarded because of: {reason}"));
        transactions::discard_all(session);
        return Err(abort);
    }
    let Some(transaction) = &mut session.transaction else { return checked.map(Some) };
    match checked {
        Ok(spec) if spec.steers_transaction() => Ok(Some(spec)),
        Ok(spec) if transaction.push(spec, command.clone()) => Ok(None),
        Ok(_) => {
            transaction.broken = true;
            Err(failure("ERR the transaction is larger than 64 MiB"))
        }
        Err(problem) => {
            transaction.broken = true;
            Err(problem)
        }
    }
}

fn check(
    spec: Option<&'static Spec>,
    session: &Session,
    refusal: Option<Refusal<'_>>,
    command: &Command,
) -> Result<&'static Spec, Failure> {
    let spec = spec.ok_or_else(|| unknown(command))?;
    if !spec.accepts(command.len()) {
        return Err(wrong_arity(spec.name));
    }
    connection::check_sub(spec.name, command)?;
    let concerned = |kind: fn(&Spec) -> bool| {
        let queued = || session.transaction.as_ref().is_some_and(|transaction| transaction.has(kind));
        kind(spec) || (spec.name == "exec" && queued())
    };
    let queues = session.transaction.is_some();
    match refusal {
        Some(Refusal::Disk(text)) if concerned(|spec| spec.write) => Err(failure(text.to_owned())),
        // To queue is to keep, so then nothing is queued, not even a read: as in Redis.
        Some(Refusal::Memory) if concerned(|spec| spec.grows) || (queues && !spec.steers_transaction()) => {
            Err(failure("OOM command not allowed when used memory > 'maxmemory'."))
        }
        _ => Ok(spec),
    }
}

fn wrong_arity(name: &str) -> Failure {
    failure(format!("ERR wrong number of arguments for '{name}' command"))
}

/// Redis names the first arguments too, up to 128 bytes of them.
fn unknown(command: &Command) -> Failure {
    let head =
        // A zero byte ends a word here, because it ends a text in C.
        |bytes: &[u8], limit: usize| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end.min(limit)]).into_owned()
        };
    let mut arguments = String::new();
    for argument in &command[1..] {
        if arguments.len() >= 128 {
            break;
        }
        arguments += &format!("'{}' ", head(argument, 128 - arguments.len()));
    }
    let name = head(&command[0], 128);
    failure(format!("ERR unknown command '{name}', with args beginning with: {arguments}"))
}
