//! Strings: whole ones, pieces of them, and ones that expire. Those that are numbers are in [`super::numbers`].

use bytes::Bytes;

use super::keys::deadline;
use super::spec::{ALL_KEYS, Call, ONE_KEY, Spec};
use crate::database::Value;
use crate::reply::{CommandResult, Failure, Reply, SYNTAX, failure};

/// The longest string that APPEND and SETRANGE may build, in bytes: the longest that SET can carry.
const STRING_LIMIT: usize = 16 << 20;

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("get", 2, ONE_KEY, get),
    Spec::read("mget", -2, ALL_KEYS, mget),
    Spec::read("strlen", 2, ONE_KEY, strlen),
    Spec::read("getrange", 4, ONE_KEY, getrange),
    Spec::read("substr", 4, ONE_KEY, getrange),
    Spec::grow("set", -3, ONE_KEY, set),
    Spec::grow("setnx", 3, ONE_KEY, setnx),
    Spec::grow("setex", 4, ONE_KEY, setex),
    Spec::grow("psetex", 4, ONE_KEY, setex),
    Spec::grow("getset", 3, ONE_KEY, getset),
    Spec::write("getdel", 2, ONE_KEY, getdel),
    Spec::write("getex", -2, ONE_KEY, getex),
    Spec::grow("mset", -3, (1, -1, 2), mset),
    Spec::grow("msetnx", -3, (1, -1, 2), msetnx),
    Spec::grow("append", 3, ONE_KEY, append),
    Spec::grow("setrange", 4, ONE_KEY, setrange),
];

fn get(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::or_null(call.database.string(call.key())?.cloned()))
}

/// A key of another type counts as absent here, as in Redis.
fn mget(call: &mut Call<'_>) -> CommandResult {
    let values = call.arguments[1..].iter().map(|key| call.database.string(key).ok().flatten().cloned());
    Ok(Reply::Array(values.map(Reply::or_null).collect()))
}

fn strlen(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::count(call.database.string(call.key())?.map_or(0, Bytes::len)))
}

/// GETRANGE key start end: both ends included; negative ones count from the end.
fn getrange(call: &mut Call<'_>) -> CommandResult {
    let (start, end) = (call.integer(2)?, call.integer(3)?);
    let Some(text) = call.database.string(call.key())? else { return Ok(Reply::bulk("")) };
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let from_start = |at: i64| if at < 0 { at.saturating_add(length).max(0) } else { at };
    let first = from_start(start);
    let last = from_start(end).min(length - 1);
    let nothing = (start < 0 && end < 0 && start > end) || first > last;
    let range = usize::try_from(first).ok().zip(usize::try_from(last).ok()).filter(|_| !nothing);
    Ok(range.map_or(Reply::bulk(""), |(first, last)| Reply::Bulk(text.slice(first..=last))))
}

/// The options of SET and GETEX.
#[derive(Default)]
struct Options {
    only_new: bool,
    only_known: bool,
    get: bool,
    keep: bool,
    persist: bool,
    /// The word that says in which unit, and where the number stands.
    expiry: Option<(String, usize)>,
}

/// Reads options from word `at` on. As in Redis, one that is said again counts as said last.
fn options(call: &Call<'_>, at: usize) -> Result<Options, Failure> {
    let (mut options, mut at, sets) = (Options::default(), at, call.spec.name == "set");
    while at < call.arguments.len() {
        let none = options.expiry.is_none();
        match call.word(at).as_str() {
            "NX" if sets && !options.only_known => options.only_new = true,
            "XX" if sets && !options.only_new => options.only_known = true,
            "GET" if sets => options.get = true,
            "KEEPTTL" if sets && none => options.keep = true,
            "PERSIST" if !sets && none => options.persist = true,
            unit @ ("EX" | "PX" | "EXAT" | "PXAT")
                if !options.keep
                    && !options.persist
                    && options.expiry.as_ref().is_none_or(|(before, _)| before == unit)
                    && at + 1 < call.arguments.len() =>
            {
                at += 1;
                options.expiry = Some((unit.to_owned(), at));
            }
            _ => return Err(SYNTAX),
        }
        at += 1;
    }
    Ok(options)
}

/// When a key ends whose lifetime is word `at`, in milliseconds since the Unix epoch.
fn lifetime(call: &Call<'_>, in_seconds: bool, relative: bool, at: usize) -> Result<u64, Failure> {
    let time = call.integer(at)?;
    deadline(time, in_seconds, relative, call.database.now)
        .filter(|_| time > 0)
        .and_then(|at| u64::try_from(at).ok())
        .ok_or_else(|| failure(format!("ERR invalid expire time in '{}' command", call.spec.name)))
}

impl Options {
    fn expires(&self, call: &Call<'_>) -> Result<Option<u64>, Failure> {
        let Some((unit, at)) = &self.expiry else { return Ok(None) };
        lifetime(call, unit.starts_with('E'), !unit.ends_with("AT"), *at).map(Some)
    }
}

/// Puts a string in the key's place and writes that down.
fn put(call: &mut Call<'_>, value: &[u8], expires: Option<u64>) {
    let key = call.key();
    call.database.put(key, Value::String(Bytes::copy_from_slice(value)), expires);
    match expires {
        None => call.database.journal.record([b"SET", key, value]),
        Some(at) => {
            call.database.journal.record([b"SET", key, value, b"PXAT", at.to_string().as_bytes()]);
        }
    }
}

/// SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
fn set(call: &mut Call<'_>) -> CommandResult {
    let options = options(call, 3)?;
    let mut expires = options.expires(call)?;
    let key = call.key();
    let old = if options.get { call.database.string(key)?.cloned() } else { None };
    let known = call.database.get(key);
    if (options.only_new && known.is_some()) || (options.only_known && known.is_none()) {
        return Ok(Reply::or_null(old));
    }
    if options.keep {
        expires = known.and_then(|slot| slot.expires);
    }
    put(call, call.arguments[2], expires);
    Ok(if options.get { Reply::or_null(old) } else { Reply::OK })
}

fn setnx(call: &mut Call<'_>) -> CommandResult {
    if call.database.get(call.key()).is_some() {
        return Ok(Reply::Integer(0));
    }
    put(call, call.arguments[2], None);
    Ok(Reply::Integer(1))
}

/// SETEX key seconds value, PSETEX key milliseconds value
fn setex(call: &mut Call<'_>) -> CommandResult {
    let expires = lifetime(call, call.spec.name == "setex", true, 2)?;
    put(call, call.arguments[3], Some(expires));
    Ok(Reply::OK)
}

fn getset(call: &mut Call<'_>) -> CommandResult {
    let old = call.database.string(call.key())?.cloned();
    put(call, call.arguments[2], None);
    Ok(Reply::or_null(old))
}

fn getdel(call: &mut Call<'_>) -> CommandResult {
    let key = call.key();
    let Some(old) = call.database.string(key)?.cloned() else { return Ok(Reply::Null) };
    call.database.remove(key);
    call.database.journal.record([b"DEL", key]);
    Ok(Reply::Bulk(old))
}

/// GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]
fn getex(call: &mut Call<'_>) -> CommandResult {
    let options = options(call, 2)?;
    let key = call.key();
    let Some(value) = call.database.string(key)?.cloned() else { return Ok(Reply::Null) };
    let expires = options.expires(call)?;
    let now = call.database.now;
    let known = call.database.get(key).and_then(|slot| slot.expires);
    match expires {
        Some(at) if at <= now => {
            call.database.remove(key);
            call.database.journal.record([b"DEL", key]);
        }
        Some(at) => {
            call.database.set_expiry(key, Some(at));
            call.database.journal.record([b"PEXPIREAT", key, at.to_string().as_bytes()]);
        }
        None if options.persist && known.is_some() => {
            call.database.set_expiry(key, None);
            call.database.journal.record([b"PERSIST", key]);
        }
        None => {}
    }
    Ok(Reply::Bulk(value))
}

/// Keys and values in turn.
fn pairs<'a>(call: &Call<'a>) -> Result<&'a [[&'a [u8]; 2]], Failure> {
    let (pairs, rest) = call.arguments[1..].as_chunks::<2>();
    if rest.is_empty() { Ok(pairs) } else { Err(call.wrong_arity()) }
}

fn mset(call: &mut Call<'_>) -> CommandResult {
    for [key, value] in pairs(call)? {
        call.database.put(key, Value::String(Bytes::copy_from_slice(value)), None);
    }
    let words = call.arguments[1..].iter().copied();
    call.database.journal.begin(1 + words.len());
    [&b"MSET"[..]].into_iter().chain(words).for_each(|word| call.database.journal.word(word));
    Ok(Reply::OK)
}

/// MSETNX key value ...: all or, if one of the keys is there, none.
fn msetnx(call: &mut Call<'_>) -> CommandResult {
    if pairs(call)?.iter().any(|[key, _]| call.database.get(key).is_some()) {
        return Ok(Reply::Integer(0));
    }
    mset(call).map(|_| Reply::Integer(1))
}

fn check_length(length: usize) -> Result<(), Failure> {
    if length <= STRING_LIMIT {
        return Ok(());
    }
    Err(failure("ERR string exceeds maximum allowed size (16 MiB)"))
}

fn append(call: &mut Call<'_>) -> CommandResult {
    let key = call.key();
    let more = call.arguments[2];
    check_length(call.database.string(key)?.map_or(0, Bytes::len) + more.len())?;
    let length = call.database.edit_string(key, |text| {
        text.extend_from_slice(more);
        text.len()
    })?;
    call.record_as_written();
    Ok(Reply::count(length))
}

/// SETRANGE key offset value: overwrites from there on; zero bytes fill a gap.
fn setrange(call: &mut Call<'_>) -> CommandResult {
    let offset = usize::try_from(call.integer(2)?).map_err(|_| failure("ERR offset is out of range"))?;
    let (key, piece) = (call.key(), call.arguments[3]);
    let length = call.database.string(key)?.map_or(0, Bytes::len);
    if piece.is_empty() {
        return Ok(Reply::count(length));
    }
    let end = offset.saturating_add(piece.len());
    check_length(end)?;
    call.database.edit_string(key, |text| {
        text.resize(end.max(length), 0);
        text[offset..end].copy_from_slice(piece);
    })?;
    call.record_as_written();
    Ok(Reply::count(end.max(length)))
}
