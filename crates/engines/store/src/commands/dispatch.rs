//! The way of every command: looked up, checked, then run, queued or refused.

use hop::telemetry::Short;

use super::exec;
use super::facts::Facts;
use super::spec::{Spec, run, wrong_arity};
use super::subcommands;
use super::table::TABLE;
use super::transactions::discard_all;
use crate::database::Database;
use crate::reply::{Failure, Output, Reply, failure};
use crate::session::Session;

/// The name under which a command appears in spans: known names in capitals, others as "unknown", so that
/// a client cannot fill the report with names of its own.
pub(crate) fn span_name(name: &[u8]) -> Short {
    let Some(spec) = TABLE.find(name) else { return Short::from("unknown") };
    let mut name = Short::from(spec.name);
    name.make_ascii_uppercase();
    name
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

/// Runs one command of one connection and appends its reply.
///
/// `refusal` says which commands are turned away just now.
pub(crate) fn execute(
    database: &mut Database,
    session: &mut Session,
    facts: &Facts,
    refusal: Option<Refusal<'_>>,
    command: &[&[u8]],
    output: &mut Output,
) {
    output.begin();
    match admit(session, refusal, command) {
        Err(Failure(text)) => output.put(&Reply::Error(text), session.resp3),
        Ok(None) => output.put(&Reply::Status("QUEUED"), session.resp3),
        Ok(Some(spec)) if spec.name == "exec" && session.transaction.is_some() => {
            exec::commit(&TABLE, database, session, facts, output);
        }
        Ok(Some(spec)) => run(spec, command, &TABLE, database, session, facts, output),
    }
    output.end();
}

/// Decides whether a command runs now (its row), is queued (none), or is refused.
fn admit(
    session: &mut Session,
    refusal: Option<Refusal<'_>>,
    command: &[&[u8]],
) -> Result<Option<&'static Spec>, Failure> {
    let spec = TABLE.find(command[0]);
    let checked = check(spec, session, refusal, command);
    if let (Err(Failure(text)), Some("exec")) = (&checked, spec.map(|spec| spec.name)) {
        let reason = text.strip_prefix("ERR ").unwrap_or(text);
        let abort = failure(format!("EXECABORT Transaction discarded because of: {reason}"));
        discard_all(session);
        return Err(abort);
    }
    let Some(transaction) = &mut session.transaction else { return checked.map(Some) };
    match checked {
        Ok(spec) if spec.steers_transaction() => Ok(Some(spec)),
        Ok(spec) if transaction.push(command, spec.write, spec.grows) => Ok(None),
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
    command: &[&[u8]],
) -> Result<&'static Spec, Failure> {
    let spec = spec.ok_or_else(|| unknown(command))?;
    if !spec.accepts(command.len()) {
        return Err(wrong_arity(spec.name));
    }
    subcommands::check(spec.name, command)?;
    // EXEC does what the commands that it runs do.
    let queued = session.transaction.as_deref().filter(|_| spec.name == "exec");
    let writes = spec.write || queued.is_some_and(|queued| queued.writes);
    let grows = spec.grows || queued.is_some_and(|queued| queued.grows);
    let is_queued = session.transaction.is_some() && !spec.steers_transaction();
    match refusal {
        Some(Refusal::Disk(text)) if writes => Err(failure(text.to_owned())),
        // To queue is to keep, so then nothing is queued, not even a read: as in Redis.
        Some(Refusal::Memory) if grows || is_queued => {
            Err(failure("OOM command not allowed when used memory > 'maxmemory'."))
        }
        _ => Ok(spec),
    }
}

/// Redis names the first arguments too, up to 128 bytes of them.
fn unknown(command: &[&[u8]]) -> Failure {
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
    let name = head(command[0], 128);
    failure(format!("ERR unknown command '{name}', with args beginning with: {arguments}"))
}

#[cfg(test)]
mod tests;
