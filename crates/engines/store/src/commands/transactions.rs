//! MULTI, DISCARD, WATCH, UNWATCH: what a transaction is made of. [`exec`](super::exec) runs it.

use super::spec::{ALL_KEYS, Call, NO_KEYS, Spec};
use crate::reply::{CommandResult, Reply, failure};
use crate::session::Session;

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("multi", 1, NO_KEYS, multi),
    Spec::read("exec", 1, NO_KEYS, exec_alone),
    Spec::read("discard", 1, NO_KEYS, discard),
    Spec::read("watch", -2, ALL_KEYS, watch),
    Spec::read("unwatch", 1, NO_KEYS, unwatch),
];

fn multi(call: &mut Call<'_>) -> CommandResult {
    if call.session.transaction.is_some() {
        return Err(failure("ERR MULTI calls can not be nested"));
    }
    call.session.transaction = Some(Box::default());
    Ok(Reply::OK)
}

/// EXEC within a transaction is [`exec::commit`](super::exec::commit).
fn exec_alone(_: &mut Call<'_>) -> CommandResult {
    Err(failure("ERR EXEC without MULTI"))
}

fn discard(call: &mut Call<'_>) -> CommandResult {
    if call.session.transaction.is_none() {
        return Err(failure("ERR DISCARD without MULTI"));
    }
    discard_all(call.session);
    Ok(Reply::OK)
}

fn watch(call: &mut Call<'_>) -> CommandResult {
    if call.session.transaction.is_some() {
        return Err(failure("ERR WATCH inside MULTI is not allowed"));
    }
    for key in &call.arguments[1..] {
        let (version, since) = (call.database.version(key), call.database.changes());
        call.session.watch(key, version, since);
    }
    Ok(Reply::OK)
}

fn unwatch(call: &mut Call<'_>) -> CommandResult {
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
