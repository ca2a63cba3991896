//! EXEC: all or nothing, and only if nobody was faster.
//!
//! The executor runs one command at a time, so a transaction needs no locks. It needs two things: the
//! journal wraps what it changed in MULTI and EXEC, so that a crash keeps all of it or none, and WATCH
//! compares the versions of its keys.

use bytes::Bytes;

use super::facts::Facts;
use super::spec::{Table, run};
use crate::database::Database;
use crate::reply::{Output, Reply};
use crate::session::{Session, Transaction, Watched};

/// EXEC: runs the queued commands, unless one of them was refused or a watched key has changed.
pub(super) fn commit(
    table: &Table,
    database: &mut Database,
    session: &mut Session,
    facts: &Facts,
    output: &mut Output,
) {
    let changed = |(key, seen): (&Bytes, &Watched)| !database.unchanged(key, seen.version, seen.since);
    let changed = session.watched.iter().any(changed);
    session.unwatch();
    let Some(transaction) = session.transaction.take() else { return };
    if transaction.broken {
        let text = "EXECABORT Transaction discarded because of previous errors.";
        output.put(&Reply::Error(text.into()), session.resp3);
    } else if changed {
        output.put(&Reply::NullArray, session.resp3);
    } else {
        run_all(&transaction, table, database, session, facts, output);
    }
    session.end(transaction);
}

fn run_all(
    transaction: &Transaction,
    table: &Table,
    database: &mut Database,
    session: &mut Session,
    facts: &Facts,
    output: &mut Output,
) {
    let before = database.journal.bytes.len();
    database.journal.record([&b"MULTI"[..]]);
    let opened = database.journal.bytes.len();
    output.array(transaction.queue.len());
    session.committing = true;
    let mut words = Vec::new();
    for at in 0..transaction.queue.len() {
        transaction.queue.read(at, &mut words);
        // Only commands that exist are queued.
        if let Some(spec) = table.find(words[0]) {
            run(spec, &words, table, database, session, facts, output);
        }
    }
    session.committing = false;
    if database.journal.bytes.len() == opened {
        database.journal.bytes.truncate(before); // it only read
    } else {
        database.journal.record([&b"EXEC"[..]]);
    }
}

#[cfg(test)]
mod tests;
