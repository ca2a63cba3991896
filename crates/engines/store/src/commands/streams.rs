//! Streams: the cart's outbox is one.

use bytes::Bytes;

use super::{Call, ONE_KEY, Spec};
use crate::database::Database;
use crate::reply::{Answer, Failure, Reply, SYNTAX, failure};
use crate::session::Blocked;
use crate::stream::{Stream, StreamId, Trim};
use crate::text::{integer, unsigned};
use crate::words::Words;

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("xlen", 2, ONE_KEY, xlen),
    Spec::read("xrange", -4, ONE_KEY, xrange),
    Spec::read("xrevrange", -4, ONE_KEY, xrevrange),
    Spec::read("xread", -4, (0, 0, 0), xread),
    Spec::grow("xadd", -5, ONE_KEY, xadd),
    Spec::write("xdel", -3, ONE_KEY, xdel),
    Spec::write("xtrim", -4, ONE_KEY, xtrim),
    Spec::grow("xsetid", -3, ONE_KEY, xsetid),
];

const INVALID_ID: Failure =
    Failure(std::borrow::Cow::Borrowed("ERR Invalid stream ID specified as stream command argument"));

pub(super) fn entry((id, fields): (&StreamId, &Words)) -> Reply {
    let fields = fields.iter().map(|word| Reply::Bulk(Bytes::copy_from_slice(word))).collect();
    Reply::Array(vec![Reply::Bulk(id.bytes()), Reply::Array(fields)])
}

fn xlen(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.database.stream(call.key())?.map_or(0, Stream::len)))
}

/// What `MAXLEN` or `MINID` and the words after it ask for.
#[derive(Clone, Copy)]
struct TrimOptions {
    trim: Trim,
    /// LIMIT without `~`: an error, but one that Redis looks for last.
    misplaced_limit: bool,
    /// The first word after them.
    end: usize,
}

impl TrimOptions {
    fn trim(self) -> Result<Trim, Failure> {
        if self.misplaced_limit {
            return Err(failure("ERR syntax error, LIMIT cannot be used without the special ~ option"));
        }
        Ok(self.trim)
    }
}

/// Reads `MAXLEN | MINID [= | ~] threshold [LIMIT n]` from word `at` on.
fn trim_options(call: &Call<'_>, at: usize) -> Result<TrimOptions, Failure> {
    let strategy = call.word(at);
    // As the last word it is no sign but a bad threshold.
    let sign = call.arguments.get(at + 1).filter(|_| at + 2 < call.arguments.len());
    let about = sign.is_some_and(|word| &word[..] == b"~");
    let exact = sign.is_some_and(|word| &word[..] == b"=");
    let mut at = at + 1 + usize::from(about || exact);
    let threshold = call.arguments.get(at).ok_or(SYNTAX)?;
    let trim = if strategy == "MAXLEN" {
        let length = call.integer(at)?;
        Trim::Length(u64::try_from(length).map_err(|_| failure("ERR The MAXLEN argument must be >= 0."))?)
    } else {
        Trim::From(StreamId::parse(threshold, 0).ok_or(INVALID_ID)?)
    };
    at += 1;
    // LIMIT bounds the effort of an approximate trim; ours is exact, so it has nothing to bound.
    if at + 1 < call.arguments.len() && call.word(at) == "LIMIT" {
        if call.integer(at + 1)? < 0 {
            return Err(failure("ERR The LIMIT argument must be >= 0."));
        }
        return Ok(TrimOptions { trim, misplaced_limit: !about, end: at + 2 });
    }
    Ok(TrimOptions { trim, misplaced_limit: false, end: at })
}

/// Trims and writes down the exact result, whether it was asked for exactly or about.
fn trim(database: &mut Database, key: &Bytes, trim: Trim) -> Result<usize, Failure> {
    let Some(stream) = database.stream(key)? else { return Ok(0) };
    let nothing = match trim {
        Trim::Length(length) => stream.len() as u64 <= length,
        Trim::From(id) => stream.first().is_none_or(|first| first >= id),
    };
    if nothing {
        return Ok(0);
    }
    let dropped = database.edit_stream(key, |stream| stream.trim(trim))?;
    let (strategy, threshold) = match trim {
        Trim::Length(length) => ("MAXLEN", length.to_string()),
        Trim::From(id) => ("MINID", id.to_string()),
    };
    database.journal.record([b"XTRIM", &key[..], strategy.as_bytes(), b"=", threshold.as_bytes()]);
    Ok(dropped)
}

/// XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT n]
fn xtrim(call: &mut Call<'_>) -> Answer {
    if !matches!(call.word(2).as_str(), "MAXLEN" | "MINID") {
        return Err(SYNTAX);
    }
    let options = trim_options(call, 2)?;
    if options.end != call.arguments.len() {
        return Err(SYNTAX);
    }
    trim(call.database, call.key(), options.trim()?).map(Reply::count)
}

/// XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT n]] * | id field value ...
fn xadd(call: &mut Call<'_>) -> Answer {
    let (mut create, mut trimming, mut at) = (true, None, 2);
    loop {
        match call.word(at).as_str() {
            "NOMKSTREAM" => {
                create = false;
                at += 1;
            }
            "MAXLEN" | "MINID" => {
                let options = trim_options(call, at)?;
                trimming = Some(options);
                at = options.end;
            }
            _ => break,
        }
        if at >= call.arguments.len() {
            return Err(call.wrong_arity());
        }
    }
    let fields = &call.arguments[at + 1..];
    let wish = Wish::parse(&call.arguments[at])?;
    let trimming = trimming.map(TrimOptions::trim).transpose()?;
    if fields.is_empty() || fields.len() % 2 == 1 {
        return Err(call.wrong_arity());
    }
    if matches!(wish, Wish::Exactly(StreamId::MIN)) {
        return Err(failure("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let key = call.key();
    let last = match call.database.stream(key)? {
        None if !create => return Ok(Reply::Null),
        stream => stream.map_or(StreamId::MIN, Stream::last),
    };
    let id = wish.resolve(last, call.database.now)?;
    call.database.edit_stream(key, |stream| {
        stream.append(id, fields.iter().map(|word| &word[..]).collect());
    })?;
    let text = id.bytes();
    let journal = &mut call.database.journal;
    journal.begin(3 + fields.len());
    [&b"XADD"[..], key, &text].into_iter().for_each(|word| journal.word(word));
    fields.iter().for_each(|word| journal.word(word));
    if let Some(options) = trimming {
        trim(call.database, key, options)?;
    }
    Ok(Reply::Bulk(text))
}

/// The id that a client wants for a new entry.
enum Wish {
    /// `*`: the clock's, or the next one if the clock is behind.
    Any,
    /// `ms-*`: this millisecond, the next free sequence number.
    Within(u64),
    Exactly(StreamId),
}

impl Wish {
    fn parse(text: &[u8]) -> Result<Self, Failure> {
        match text.strip_suffix(b"-*") {
            _ if text == b"*" => Ok(Self::Any),
            Some(milliseconds) => unsigned(milliseconds).map(Self::Within).ok_or(INVALID_ID),
            None => StreamId::parse(text, 0).map(Self::Exactly).ok_or(INVALID_ID),
        }
    }

    fn resolve(&self, last: StreamId, now: u64) -> Result<StreamId, Failure> {
        let exhausted =
            || failure("ERR The stream has exhausted the last possible ID, unable to add more items");
        let id = match self {
            Self::Any if now > last.milliseconds => StreamId { milliseconds: now, sequence: 0 },
            Self::Any => last.next().ok_or_else(exhausted)?,
            Self::Within(milliseconds) if *milliseconds == last.milliseconds => {
                last.next().filter(|id| id.milliseconds == *milliseconds).unwrap_or(StreamId::MIN)
            }
            Self::Within(milliseconds) => StreamId { milliseconds: *milliseconds, sequence: 0 },
            Self::Exactly(id) => *id,
        };
        if last == StreamId::MAX {
            return Err(exhausted());
        }
        if id <= last {
            return Err(failure(
                "ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ));
        }
        Ok(id)
    }
}

fn xdel(call: &mut Call<'_>) -> Answer {
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
fn xsetid(call: &mut Call<'_>) -> Answer {
    let id = |at: usize| StreamId::parse(&call.arguments[at], 0).ok_or(INVALID_ID);
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

fn xrange(call: &mut Call<'_>) -> Answer {
    range(call, 2, 3, false)
}

fn xrevrange(call: &mut Call<'_>) -> Answer {
    range(call, 3, 2, true)
}

/// XRANGE key start end [COUNT n], XREVRANGE key end start [COUNT n]
fn range(call: &mut Call<'_>, start: usize, end: usize, newest_first: bool) -> Answer {
    let start = match bound(&call.arguments[start], 0)? {
        (id, false) => id,
        (id, true) => id.next().ok_or_else(|| failure("ERR invalid start ID for the interval"))?,
    };
    let end = match bound(&call.arguments[end], u64::MAX)? {
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
fn xread(call: &mut Call<'_>) -> Answer {
    let waits_until = call.session.waits_until.take();
    let (mut count, mut block, mut at) = (usize::MAX, None, 1);
    loop {
        match (call.word(at).as_str(), at + 1 < call.arguments.len()) {
            ("STREAMS", true) => break,
            ("COUNT", true) => {
                count = usize::try_from(call.integer(at + 1)?).ok().filter(|n| *n > 0).unwrap_or(usize::MAX);
            }
            ("BLOCK", true) => block = Some(patience(&call.arguments[at + 1])?),
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
        let after = match &id[..] {
            b"$" => stream.map_or(StreamId::MIN, Stream::last),
            id => StreamId::parse(id, 0).ok_or(INVALID_ID)?,
        };
        after_ids.push(after.bytes());
        let (Some(stream), Some(start)) = (stream, after.next()) else { continue };
        let entries: Vec<_> = stream.range(start..=StreamId::MAX).take(count).map(entry).collect();
        if !entries.is_empty() {
            found.push((Reply::Bulk(key.clone()), Reply::Array(entries)));
        }
    }
    // Within a transaction nothing waits: the others' commands would have to wait, too.
    if let (true, Some(patience), false) = (found.is_empty(), block, call.session.committing) {
        let now = call.database.now;
        let end = if patience == 0 { u64::MAX } else { now.saturating_add(patience) };
        let until = waits_until.unwrap_or(end);
        if now < until {
            let head = call.arguments[..call.arguments.len() - ids.len()].iter().cloned();
            let command = head.chain(after_ids).collect();
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
