//! XADD and XTRIM: a stream grows at its end and is cut at its beginning.

use super::spec::{Call, ONE_KEY, Spec};
use super::streams::INVALID_ID;
use crate::database::Database;
use crate::reply::{CommandResult, Failure, Reply, SYNTAX, failure};
use crate::stream::{Stream, StreamId, Trim};
use crate::text::unsigned;

pub(super) const COMMANDS: &[Spec] =
    &[Spec::grow("xadd", -5, ONE_KEY, xadd), Spec::write("xtrim", -4, ONE_KEY, xtrim)];

/// What `MAXLEN` or `MINID` and the words after it say.
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
    let about = sign.is_some_and(|word| *word == b"~");
    let exact = sign.is_some_and(|word| *word == b"=");
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

/// Trims and writes down the exact result, whether the client wrote `=` or `~`.
fn trim(database: &mut Database, key: &[u8], trim: Trim) -> Result<usize, Failure> {
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
    database.journal.record([b"XTRIM", key, strategy.as_bytes(), b"=", threshold.as_bytes()]);
    Ok(dropped)
}

/// XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT n]
fn xtrim(call: &mut Call<'_>) -> CommandResult {
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
fn xadd(call: &mut Call<'_>) -> CommandResult {
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
    let requested = RequestedId::parse(call.arguments[at])?;
    let trimming = trimming.map(TrimOptions::trim).transpose()?;
    if fields.is_empty() || fields.len() % 2 == 1 {
        return Err(call.wrong_arity());
    }
    if matches!(requested, RequestedId::Exactly(StreamId::MIN)) {
        return Err(failure("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let key = call.key();
    let last = match call.database.stream(key)? {
        None if !create => return Ok(Reply::Null),
        stream => stream.map_or(StreamId::MIN, Stream::last),
    };
    let id = requested.resolve(last, call.database.now)?;
    call.database.edit_stream(key, |stream| {
        stream.append(id, fields.iter().copied().collect());
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
enum RequestedId {
    /// `*`: the clock's, or the next one if the clock is behind.
    Any,
    /// `ms-*`: this millisecond, the next free sequence number.
    Within(u64),
    Exactly(StreamId),
}

impl RequestedId {
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
