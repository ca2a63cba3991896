//! Strings and counters.

use bytes::{Bytes, BytesMut};

use super::keys::deadline;
use super::{ALL_KEYS, Call, ONE_KEY, Spec};
use crate::database::Value;
use crate::reply::{Answer, NOT_AN_INTEGER, Reply, SYNTAX, failure};
use crate::text::integer;

/// The longest string that APPEND may build, in bytes: the longest that SET can carry.
const STRING_LIMIT: usize = 16 << 20;

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("get", 2, ONE_KEY, get),
    Spec::read("mget", -2, ALL_KEYS, mget),
    Spec::read("strlen", 2, ONE_KEY, strlen),
    Spec::grow("set", -3, ONE_KEY, set),
    Spec::grow("setnx", 3, ONE_KEY, setnx),
    Spec::grow("mset", -3, (1, -1, 2), mset),
    Spec::grow("append", 3, ONE_KEY, append),
    Spec::grow("incr", 2, ONE_KEY, incr),
    Spec::grow("decr", 2, ONE_KEY, decr),
    Spec::grow("incrby", 3, ONE_KEY, incrby),
    Spec::grow("decrby", 3, ONE_KEY, decrby),
];

fn get(call: &mut Call<'_>) -> Answer {
    Ok(Reply::or_null(call.database.string(call.key())?.cloned()))
}

/// A key of another type counts as absent here, as in Redis.
fn mget(call: &mut Call<'_>) -> Answer {
    let values = call.arguments[1..].iter().map(|key| call.database.string(key).ok().flatten().cloned());
    Ok(Reply::Array(values.map(Reply::or_null).collect()))
}

fn strlen(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.database.string(call.key())?.map_or(0, Bytes::len)))
}

/// SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
fn set(call: &mut Call<'_>) -> Answer {
    let (mut only_new, mut only_known, mut get, mut keep) = (false, false, false, false);
    let mut expiry: Option<(String, usize)> = None;
    let mut at = 3;
    while at < call.arguments.len() {
        match call.word(at).as_str() {
            "NX" if !only_known => only_new = true,
            "XX" if !only_new => only_known = true,
            "GET" => get = true,
            "KEEPTTL" if expiry.is_none() => keep = true,
            unit @ ("EX" | "PX" | "EXAT" | "PXAT")
                if !keep && expiry.is_none() && at + 1 < call.arguments.len() =>
            {
                at += 1;
                expiry = Some((unit.to_owned(), at));
            }
            _ => return Err(SYNTAX),
        }
        at += 1;
    }
    let key = call.key();
    let mut expires = match expiry {
        None => None,
        Some((unit, at)) => {
            let time = call.integer(at)?;
            let valid = deadline(time, unit.starts_with('E'), !unit.ends_with("AT"), call.database.now)
                .filter(|_| time > 0)
                .and_then(|at| u64::try_from(at).ok());
            Some(valid.ok_or_else(|| failure("ERR invalid expire time in 'set' command"))?)
        }
    };
    let old = if get { call.database.string(key)?.cloned() } else { None };
    let known = call.database.get(key);
    if (only_new && known.is_some()) || (only_known && known.is_none()) {
        return Ok(Reply::or_null(old));
    }
    if keep {
        expires = known.and_then(|slot| slot.expires);
    }
    let value = &call.arguments[2];
    call.database.put(key, Value::String(value.clone()), expires);
    match expires {
        None => call.database.journal.record([b"SET", &key[..], value]),
        Some(at) => {
            call.database.journal.record([b"SET", &key[..], value, b"PXAT", at.to_string().as_bytes()]);
        }
    }
    Ok(if get { Reply::or_null(old) } else { Reply::OK })
}

fn setnx(call: &mut Call<'_>) -> Answer {
    let key = call.key();
    if call.database.get(key).is_some() {
        return Ok(Reply::Integer(0));
    }
    call.database.put(key, Value::String(call.arguments[2].clone()), None);
    call.database.journal.record([b"SET", &key[..], &call.arguments[2]]);
    Ok(Reply::Integer(1))
}

fn mset(call: &mut Call<'_>) -> Answer {
    let (pairs, rest) = call.arguments[1..].as_chunks::<2>();
    if !rest.is_empty() {
        return Err(call.wrong_arity());
    }
    for [key, value] in pairs {
        call.database.put(key, Value::String(value.clone()), None);
    }
    call.record_as_written();
    Ok(Reply::OK)
}

fn append(call: &mut Call<'_>) -> Answer {
    let key = call.key();
    let mut text = BytesMut::from(&call.database.string(key)?.cloned().unwrap_or_default()[..]);
    if text.len() + call.arguments[2].len() > STRING_LIMIT {
        return Err(failure("ERR string exceeds maximum allowed size (16 MiB)"));
    }
    text.extend_from_slice(&call.arguments[2]);
    let (length, expires) = (text.len(), call.database.get(key).and_then(|slot| slot.expires));
    call.database.put(key, Value::String(text.freeze()), expires);
    call.record_as_written();
    Ok(Reply::count(length))
}

fn incr(call: &mut Call<'_>) -> Answer {
    add(call, 1)
}

fn decr(call: &mut Call<'_>) -> Answer {
    add(call, -1)
}

fn incrby(call: &mut Call<'_>) -> Answer {
    let step = call.integer(2)?;
    add(call, step)
}

fn decrby(call: &mut Call<'_>) -> Answer {
    let step = call.integer(2)?.checked_neg().ok_or_else(|| failure("ERR decrement would overflow"))?;
    add(call, step)
}

fn add(call: &mut Call<'_>, step: i64) -> Answer {
    let key = call.key();
    let number = match call.database.string(key)? {
        None => 0,
        Some(text) => integer(text).ok_or(NOT_AN_INTEGER)?,
    };
    let sum = number.checked_add(step).ok_or_else(|| failure("ERR increment or decrement would overflow"))?;
    let expires = call.database.get(key).and_then(|slot| slot.expires);
    call.database.put(key, Value::String(sum.to_string().into()), expires);
    call.record_as_written();
    Ok(Reply::Integer(sum))
}
