//! MULTI, EXEC, DISCARD, WATCH, UNWATCH: all or nothing, and only if nobody was faster.
//!
//! The executor runs one command at a time, so a transaction needs no locks. It needs two things: the
//! journal wraps what it changed in MULTI and EXEC, so that a crash keeps all of it or none, and WATCH
//! compares the versions of its keys.

use bytes::Bytes;

use super::{ALL_KEYS, Call, Facts, NO_KEYS, Spec, run};
use crate::database::Database;
use crate::reply::{Answer, Output, Reply, failure};
use crate::session::{Session, Transaction, Watched};

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("multi", 1, NO_KEYS, multi),
    Spec::read("exec", 1, NO_KEYS, exec_alone),
    Spec::read("discard", 1, NO_KEYS, discard),
    Spec::read("watch", -2, ALL_KEYS, watch),
    Spec::read("unwatch", 1, NO_KEYS, unwatch),
];

fn multi(call: &mut Call<'_>) -> Answer {
    if call.session.transaction.is_some() {
        return Err(failure("ERR MULTI calls can not be nested"));
    }
    call.session.transaction = Some(Box::default());
    Ok(Reply::OK)
}

/// EXEC within a transaction is [`commit`].
fn exec_alone(_: &mut Call<'_>) -> Answer {
    Err(failure("ERR EXEC without MULTI"))
}

fn discard(call: &mut Call<'_>) -> Answer {
    if call.session.transaction.is_none() {
        return Err(failure("ERR DISCARD without MULTI"));
    }
    discard_all(call.session);
    Ok(Reply::OK)
}

fn watch(call: &mut Call<'_>) -> Answer {
    if call.session.transaction.is_some() {
        return Err(failure("ERR WATCH inside MULTI is not allowed"));
    }
    for key in &call.arguments[1..] {
        let (version, since) = (call.database.version(key), call.database.changes());
        call.session.watch(key, version, since);
    }
    Ok(Reply::OK)
}

fn unwatch(call: &mut Call<'_>) -> Answer {
    call.session.unwatch();
    Ok(Reply::OK)
}

/// Leaves the transaction, whatever it held.
pub(super) fn discard_all(session: &mut Session) {
    if let Some(transaction) = session.transaction.take() {
        session.end(transaction);
    }
    session.unwatch();
}

/// EXEC: runs the queued commands, unless one of them was refused or a watched key has changed.
pub(super) fn commit(database: &mut Database, session: &mut Session, facts: &Facts, output: &mut Output) {
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
        run_all(&transaction, database, session, facts, output);
    }
    session.end(transaction);
}

fn run_all(
    transaction: &Transaction,
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
    for (spec, command) in &transaction.queue {
        run(spec, command, database, session, facts, output);
    }
    session.committing = false;
    if database.journal.bytes.len() == opened {
        database.journal.bytes.truncate(before); // it only read
    } else {
        database.journal.record([&b"EXEC"[..]]);
    }
}
