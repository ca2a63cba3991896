//! Streams: read, cut and described. `stream_add` fills and trims them. The cart's outbox is one.

use bytes::Bytes;

use super::spec::{Call, ONE_KEY, Spec};
use crate::listpack::Listpack;
use crate::protocol::Commands;
use crate::reply::{CommandResult, Failure, Reply, SYNTAX, failure};
use crate::session::Blocked;
use crate::stream::{Stream, StreamId};
use crate::text::integer;

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("xlen", 2, ONE_KEY, xlen),
    Spec::read("xrange", -4, ONE_KEY, xrange),
    Spec::read("xrevrange", -4, ONE_KEY, xrevrange),
    Spec::read("xread", -4, (0, 0, 0), xread),
    Spec::write("xdel", -3, ONE_KEY, xdel),
    Spec::grow("xsetid", -3, ONE_KEY, xsetid),
];

pub(super) const INVALID_ID: Failure =
    Failure(std::borrow::Cow::Borrowed("ERR Invalid stream ID specified as stream command argument"));

pub(super) fn entry((id, fields): (&StreamId, &Listpack)) -> Reply {
    let fields = fields.iter().map(|word| Reply::Bulk(Bytes::copy_from_slice(word))).collect();
    Reply::Array(vec![Reply::Bulk(id.bytes()), Reply::Array(fields)])
}

fn xlen(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::count(call.database.stream(call.key())?.map_or(0, Stream::len)))
}

fn xdel(call: &mut Call<'_>) -> CommandResult {
    let Some(stream) = call.database.stream(call.key())? else { return Ok(Reply::Integer(0)) };
    let ids: Option<Vec<_>> = call.arguments[2..].iter().map(|id| StreamId::parse(id, 0)).collect();
    let ids = ids.ok_or(INVALID_ID)?;
    if !ids.iter().any(|id| stream.range(*id..=*id).next().is_some()) {
        return Ok(Reply::Integer(0));
    }
    let removed = call
        .database
        .edit_stream(call.key(), |stream| ids.iter().filter(|id| stream.remove(**id)).count())?;
    call.record_as_written();
    Ok(Reply::count(removed))
}

/// XSETID key last-id [ENTRIESADDED n] [MAXDELETEDID id]: how a rewritten log says what entries don't.
fn xsetid(call: &mut Call<'_>) -> CommandResult {
    let id = |at: usize| StreamId::parse(call.arguments[at], 0).ok_or(INVALID_ID);
    let last = id(2)?;
    let (mut added, mut deleted) = (None, StreamId::MIN);
    for at in (3..call.arguments.len()).step_by(2) {
        match (call.word(at).as_str(), at + 1 < call.arguments.len()) {
            ("ENTRIESADDED", true) => {
                let count = u64::try_from(call.integer(at + 1)?);
                added = Some(count.map_err(|_| failure("ERR entries_added must be positive"))?);
            }
            ("MAXDELETEDID", true) => {
                deleted = id(at + 1)?;
                smaller(last < deleted, "the provided max_deleted_entry_id")?;
            }
            _ => return Err(SYNTAX),
        }
    }
    let key = call.key();
    let stream = call.database.stream(key)?.ok_or_else(|| failure("ERR no such key"))?;
    smaller(last < stream.deleted(), "current max_deleted_entry_id")?;
    if let Some((newest, _)) = stream.iter().next_back() {
        smaller(last < *newest, "the target stream top item")?;
        if added.is_some_and(|added| added < stream.len() as u64) {
            let text = "ERR The entries_added specified in XSETID is smaller than the target stream length";
            return Err(failure(text));
        }
    }
    let added = added.unwrap_or(stream.added());
    let deleted = if deleted == StreamId::MIN { stream.deleted() } else { deleted };
    call.database.edit_stream(key, |stream| stream.set(last, deleted, added))?;
    call.record_as_written();
    Ok(Reply::OK)
}

fn smaller(is: bool, than: &str) -> Result<(), Failure> {
    if is { Err(failure(format!("ERR The ID specified in XSETID is smaller than {than}"))) } else { Ok(()) }
}

fn xrange(call: &mut Call<'_>) -> CommandResult {
    range(call, 2, 3, false)
}

fn xrevrange(call: &mut Call<'_>) -> CommandResult {
    range(call, 3, 2, true)
}

/// XRANGE key start end [COUNT n], XREVRANGE key end start [COUNT n]
fn range(call: &mut Call<'_>, start: usize, end: usize, newest_first: bool) -> CommandResult {
    let start = match bound(call.arguments[start], 0)? {
        (id, false) => id,
        (id, true) => id.next().ok_or_else(|| failure("ERR invalid start ID for the interval"))?,
    };
    let end = match bound(call.arguments[end], u64::MAX)? {
        (id, false) => id,
        (id, true) => id.previous().ok_or_else(|| failure("ERR invalid end ID for the interval"))?,
    };
    let mut count = usize::MAX;
    for at in (4..call.arguments.len()).step_by(2) {
        if call.word(at) != "COUNT" || at + 1 >= call.arguments.len() {
            return Err(SYNTAX);
        }
        count = usize::try_from(call.integer(at + 1)?).unwrap_or(0);
    }
    let Some(stream) = call.database.stream(call.key())? else { return Ok(Reply::Array(Vec::new())) };
    if count == 0 {
        return Ok(Reply::NullArray);
    }
    let entries = stream.range(start..=end);
    Ok(Reply::Array(if newest_first {
        entries.rev().take(count).map(entry).collect()
    } else {
        entries.take(count).map(entry).collect()
    }))
}

/// `-`, `+`, an id, or `(` and an id; and whether it is excluded.
fn bound(text: &[u8], sequence: u64) -> Result<(StreamId, bool), Failure> {
    match text {
        b"-" => Ok((StreamId::MIN, false)),
        b"+" => Ok((StreamId::MAX, false)),
        [b'(', id @ ..] => Ok((StreamId::parse(id, sequence).ok_or(INVALID_ID)?, true)),
        id => Ok((StreamId::parse(id, sequence).ok_or(INVALID_ID)?, false)),
    }
}

/// How long BLOCK waits, in milliseconds; 0 is for ever.
fn patience(text: &[u8]) -> Result<u64, Failure> {
    let time = integer(text).ok_or_else(|| failure("ERR timeout is not an integer or out of range"))?;
    u64::try_from(time).map_err(|_| failure("ERR timeout is negative"))
}

/// XREAD [COUNT n] [BLOCK milliseconds] STREAMS key ... id ...
///
/// When it is to wait, it says so in the session, and the connection tries it again after the next change.
fn xread(call: &mut Call<'_>) -> CommandResult {
    let waits_until = call.session.waits_until.take();
    let (mut count, mut block, mut at) = (usize::MAX, None, 1);
    loop {
        match (call.word(at).as_str(), at + 1 < call.arguments.len()) {
            ("STREAMS", true) => break,
            ("COUNT", true) => {
                count = usize::try_from(call.integer(at + 1)?).ok().filter(|n| *n > 0).unwrap_or(usize::MAX);
            }
            ("BLOCK", true) => block = Some(patience(call.arguments[at + 1])?),
            _ => return Err(SYNTAX),
        }
        at += 2;
        if at >= call.arguments.len() {
            return Err(SYNTAX);
        }
    }
    let rest = &call.arguments[at + 1..];
    if rest.is_empty() || rest.len() % 2 == 1 {
        return Err(failure(
            "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
        ));
    }
    let (keys, ids) = rest.split_at(rest.len() / 2);
    let (mut found, mut after_ids) = (Vec::new(), Vec::new());
    for (key, id) in keys.iter().zip(ids) {
        let stream = call.database.stream(key)?;
        let after = match *id {
            b"$" => stream.map_or(StreamId::MIN, Stream::last),
            id => StreamId::parse(id, 0).ok_or(INVALID_ID)?,
        };
        after_ids.push(after.bytes());
        let (Some(stream), Some(start)) = (stream, after.next()) else { continue };
        let entries: Vec<_> = stream.range(start..=StreamId::MAX).take(count).map(entry).collect();
        if !entries.is_empty() {
            found.push((Reply::Bulk(Bytes::copy_from_slice(key)), Reply::Array(entries)));
        }
    }
    // Within a transaction nothing waits: the others' commands would have to wait, too.
    if let (true, Some(patience), false) = (found.is_empty(), block, call.session.committing) {
        let now = call.database.now;
        let end = if patience == 0 { u64::MAX } else { now.saturating_add(patience) };
        let until = waits_until.unwrap_or(end);
        if now < until {
            let head = call.arguments[..call.arguments.len() - ids.len()].iter().copied();
            let mut command = Commands::default();
            command.push(head.chain(after_ids.iter().map(|id| &id[..])));
            call.session.blocked = Some(Box::new(Blocked { until, command }));
        }
    }
    // RESP2 shows pairs as arrays of two, not flat.
    Ok(match (found.is_empty(), call.session.resp3) {
        (true, _) => Reply::NullArray,
        (false, true) => Reply::Map(found),
        (false, false) => {
            Reply::Array(found.into_iter().map(|(key, entries)| Reply::Array(vec![key, entries])).collect())
        }
    })
}
