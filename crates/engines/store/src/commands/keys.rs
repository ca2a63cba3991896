//! Keys: deleting, finding, expiring.

use super::scan::{Page, scan_cursor, scan_options};
use super::spec::{ALL_KEYS, Call, NO_KEYS, ONE_KEY, Spec};
use crate::reply::{CommandResult, Reply, SYNTAX, failure};
use crate::text::glob;

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("exists", -2, ALL_KEYS, exists),
    Spec::read("type", 2, ONE_KEY, kind),
    Spec::read("keys", 2, NO_KEYS, keys),
    Spec::read("scan", -2, NO_KEYS, scan),
    Spec::read("dbsize", 1, NO_KEYS, dbsize),
    Spec::read("touch", -2, ALL_KEYS, exists),
    Spec::read("ttl", 2, ONE_KEY, ttl),
    Spec::read("pttl", 2, ONE_KEY, pttl),
    Spec::read("expiretime", 2, ONE_KEY, expiretime),
    Spec::read("pexpiretime", 2, ONE_KEY, expiretime),
    Spec::write("del", -2, ALL_KEYS, del),
    Spec::write("unlink", -2, ALL_KEYS, del),
    Spec::write("expire", -3, ONE_KEY, expire),
    Spec::write("pexpire", -3, ONE_KEY, expire),
    Spec::write("expireat", -3, ONE_KEY, expire),
    Spec::write("pexpireat", -3, ONE_KEY, expire),
    Spec::write("persist", 2, ONE_KEY, persist),
    Spec::write("flushall", -1, NO_KEYS, flush),
    Spec::write("flushdb", -1, NO_KEYS, flush),
];

fn exists(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::count(call.arguments[1..].iter().filter(|key| call.database.get(key).is_some()).count()))
}

fn kind(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::Status(call.database.get(call.key()).map_or("none", |slot| slot.value.kind())))
}

fn keys(call: &mut Call<'_>) -> CommandResult {
    let found = call.database.iter().filter(|(key, _)| glob(call.key(), key));
    Ok(Reply::Array(found.map(|(key, _)| Reply::Bulk(key.clone())).collect()))
}

/// SCAN cursor [MATCH pattern] [COUNT n] [TYPE t]
fn scan(call: &mut Call<'_>) -> CommandResult {
    let cursor = scan_cursor(call, 1)?;
    let options = scan_options(call, 2)?;
    let (next, slots) = call.database.scan(cursor, options.count);
    let wanted = slots.into_iter().filter(|(key, slot)| {
        options.wants(key) && options.kind.as_ref().is_none_or(|kind| kind == slot.value.kind())
    });
    Ok(Page { next, items: wanted.map(|(key, _)| Reply::Bulk(key.clone())).collect() }.reply())
}

fn dbsize(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::count(call.database.len()))
}

fn del(call: &mut Call<'_>) -> CommandResult {
    let mut gone = vec![&b"DEL"[..]];
    for key in &call.arguments[1..] {
        if call.database.remove(key) {
            gone.push(key);
        }
    }
    let count = gone.len() - 1;
    if count > 0 {
        call.database.journal.record(gone);
    }
    Ok(Reply::count(count))
}

/// FLUSHALL [ASYNC | SYNC]; there is one database, so FLUSHDB is the same.
fn flush(call: &mut Call<'_>) -> CommandResult {
    match call.arguments.len() {
        1 => {}
        2 if matches!(call.word(1).as_str(), "SYNC" | "ASYNC") => {}
        _ => return Err(SYNTAX),
    }
    if call.database.len() > 0 {
        call.database.clear();
        call.database.journal.record([&b"FLUSHALL"[..]]);
    }
    Ok(Reply::OK)
}

/// The moment that a client means, in milliseconds since the Unix epoch; none when it overflows.
pub(super) fn deadline(time: i64, in_seconds: bool, relative: bool, now: u64) -> Option<i64> {
    let milliseconds = if in_seconds { time.checked_mul(1000)? } else { time };
    let since = if relative { i64::try_from(now).ok()? } else { 0 };
    milliseconds.checked_add(since)
}

/// EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT key time [NX | XX | GT | LT]
fn expire(call: &mut Call<'_>) -> CommandResult {
    let name = call.spec.name;
    let (mut only_none, mut only_some, mut greater, mut less) = (false, false, false, false);
    for at in 3..call.arguments.len() {
        match call.word(at).as_str() {
            "NX" => only_none = true,
            "XX" => only_some = true,
            "GT" => greater = true,
            "LT" => less = true,
            _ => {
                let option = String::from_utf8_lossy(call.arguments[at]).into_owned();
                return Err(failure(format!("ERR Unsupported option {option}")));
            }
        }
    }
    if only_none && (only_some || greater || less) {
        return Err(failure("ERR NX and XX, GT or LT options at the same time are not compatible"));
    }
    if greater && less {
        return Err(failure("ERR GT and LT options at the same time are not compatible"));
    }
    let (in_seconds, relative) = (!name.starts_with('p'), !name.ends_with("at"));
    let at = deadline(call.integer(2)?, in_seconds, relative, call.database.now)
        .ok_or_else(|| failure(format!("ERR invalid expire time in '{name}' command")))?;

    let key = call.key();
    let Some(slot) = call.database.get(key) else { return Ok(Reply::Integer(0)) };
    let current = slot.expires.map(|current| i64::try_from(current).unwrap_or(i64::MAX));
    // A key that never expires counts as infinitely late: GT never applies to it, LT always.
    let refused = (only_none && current.is_some())
        || (only_some && current.is_none())
        || (greater && current.is_none_or(|current| at <= current))
        || (less && current.is_some_and(|current| at >= current));
    if refused {
        return Ok(Reply::Integer(0));
    }
    match u64::try_from(at) {
        Ok(at) if at > call.database.now => {
            call.database.set_expiry(key, Some(at));
            call.database.journal.record([b"PEXPIREAT", key, at.to_string().as_bytes()]);
        }
        _ => {
            call.database.remove(key);
            call.database.journal.record([b"DEL", key]);
        }
    }
    Ok(Reply::Integer(1))
}

fn persist(call: &mut Call<'_>) -> CommandResult {
    let key = call.key();
    if call.database.get(key).is_none_or(|slot| slot.expires.is_none()) {
        return Ok(Reply::Integer(0));
    }
    call.database.set_expiry(key, None);
    call.record_as_written();
    Ok(Reply::Integer(1))
}

/// EXPIRETIME, PEXPIRETIME: when the key ends, in seconds or milliseconds since the Unix epoch.
fn expiretime(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::Integer(match call.database.get(call.key()).map(|slot| slot.expires) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => {
            let at = i64::try_from(at).unwrap_or(i64::MAX);
            if call.spec.name == "pexpiretime" { at } else { at.saturating_add(500) / 1000 }
        }
    }))
}

fn pttl(call: &mut Call<'_>) -> CommandResult {
    let left = match call.database.get(call.key()).map(|slot| slot.expires) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => i64::try_from(at.saturating_sub(call.database.now)).unwrap_or(i64::MAX),
    };
    Ok(Reply::Integer(left))
}

fn ttl(call: &mut Call<'_>) -> CommandResult {
    match pttl(call)? {
        Reply::Integer(left) if left > 0 => Ok(Reply::Integer(left.saturating_add(500) / 1000)),
        other => Ok(other),
    }
}
