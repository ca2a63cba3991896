//! Hashes: a cart is one, product → quantity.

use bytes::Bytes;

use super::numbers::{float, float_sum};
use super::scan::{Page, scan_cursor, scan_options};
use super::spec::{Call, ONE_KEY, Spec};
use crate::float::Extended;
use crate::reply::{CommandResult, Failure, Reply, failure};
use crate::text::{integer, number};

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("hget", 3, ONE_KEY, hget),
    Spec::read("hmget", -3, ONE_KEY, hmget),
    Spec::read("hgetall", 2, ONE_KEY, hgetall),
    Spec::read("hkeys", 2, ONE_KEY, hkeys),
    Spec::read("hvals", 2, ONE_KEY, hvals),
    Spec::read("hlen", 2, ONE_KEY, hlen),
    Spec::read("hexists", 3, ONE_KEY, hexists),
    Spec::read("hstrlen", 3, ONE_KEY, hstrlen),
    Spec::read("hscan", -3, ONE_KEY, hscan),
    Spec::grow("hset", -4, ONE_KEY, hset),
    Spec::grow("hmset", -4, ONE_KEY, hmset),
    Spec::grow("hsetnx", 4, ONE_KEY, hsetnx),
    Spec::grow("hincrby", 4, ONE_KEY, hincrby),
    Spec::grow("hincrbyfloat", 4, ONE_KEY, hincrbyfloat),
    Spec::write("hdel", -3, ONE_KEY, hdel),
];

fn field<'c>(call: &'c Call<'_>, name: &[u8]) -> Result<Option<&'c [u8]>, Failure> {
    Ok(call.database.hash(call.key())?.and_then(|hash| hash.get(name)))
}

fn copy(word: &[u8]) -> Reply {
    Reply::Bulk(Bytes::copy_from_slice(word))
}

fn hget(call: &mut Call<'_>) -> CommandResult {
    Ok(field(call, call.arguments[2])?.map_or(Reply::Null, copy))
}

fn hmget(call: &mut Call<'_>) -> CommandResult {
    let hash = call.database.hash(call.key())?;
    let value = |name: &&[u8]| hash.and_then(|hash| hash.get(name)).map_or(Reply::Null, copy);
    Ok(Reply::Array(call.arguments[2..].iter().map(value).collect()))
}

fn hgetall(call: &mut Call<'_>) -> CommandResult {
    let fields = call.database.hash(call.key())?.into_iter().flat_map(|hash| hash.iter());
    Ok(Reply::Map(fields.map(|(name, value)| (copy(name), copy(value))).collect()))
}

fn hkeys(call: &mut Call<'_>) -> CommandResult {
    let fields = call.database.hash(call.key())?.into_iter().flat_map(|hash| hash.iter());
    Ok(Reply::Array(fields.map(|(name, _)| copy(name)).collect()))
}

fn hvals(call: &mut Call<'_>) -> CommandResult {
    let fields = call.database.hash(call.key())?.into_iter().flat_map(|hash| hash.iter());
    Ok(Reply::Array(fields.map(|(_, value)| copy(value)).collect()))
}

fn hlen(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::count(call.database.hash(call.key())?.map_or(0, |hash| hash.len())))
}

fn hexists(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::Integer(field(call, call.arguments[2])?.is_some().into()))
}

fn hstrlen(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::count(field(call, call.arguments[2])?.map_or(0, <[u8]>::len)))
}

/// HSCAN key cursor [MATCH pattern] [COUNT n]
fn hscan(call: &mut Call<'_>) -> CommandResult {
    let cursor = scan_cursor(call, 2)?;
    let Some(hash) = call.database.hash(call.key())? else { return Ok(Page::default().reply()) };
    let options = scan_options(call, 3)?;
    // A small hash comes at once, as from Redis's compact encoding.
    let (next, fields) = hash.scan(cursor, options.count);
    let mut page = Page { next, items: Vec::new() };
    for (name, value) in fields.into_iter().filter(|(name, _)| options.wants(name)) {
        page.items.extend([copy(name), copy(value)]);
    }
    Ok(page.reply())
}

fn hset(call: &mut Call<'_>) -> CommandResult {
    let (pairs, rest) = call.arguments[2..].as_chunks::<2>();
    if !rest.is_empty() {
        return Err(call.wrong_arity());
    }
    let added = call.database.edit_hash(call.key(), |hash| {
        pairs.iter().filter(|[name, value]| hash.insert(name, value)).count()
    })?;
    call.record_as_written();
    Ok(Reply::count(added))
}

/// The older form of HSET: the same, but its reply is OK.
fn hmset(call: &mut Call<'_>) -> CommandResult {
    hset(call).map(|_| Reply::OK)
}

fn hsetnx(call: &mut Call<'_>) -> CommandResult {
    let [name, value] = [call.arguments[2], call.arguments[3]];
    if field(call, name)?.is_some() {
        return Ok(Reply::Integer(0));
    }
    call.database.edit_hash(call.key(), |hash| hash.insert(name, value))?;
    call.record_as_written();
    Ok(Reply::Integer(1))
}

fn hincrby(call: &mut Call<'_>) -> CommandResult {
    let step = call.integer(3)?;
    let name = call.arguments[2];
    let before = match field(call, name)? {
        None => 0,
        Some(text) => integer(text).ok_or_else(|| failure("ERR hash value is not an integer"))?,
    };
    let sum = before.checked_add(step).ok_or_else(|| failure("ERR increment or decrement would overflow"))?;
    call.database.edit_hash(call.key(), |hash| hash.insert(name, &number(sum)))?;
    call.record_as_written();
    Ok(Reply::Integer(sum))
}

/// HINCRBYFLOAT key field increment. Written down is the result, as for INCRBYFLOAT.
fn hincrbyfloat(call: &mut Call<'_>) -> CommandResult {
    let step = float(call.arguments[3])?;
    if step == Extended::Infinite {
        return Err(failure("ERR value is NaN or Infinity"));
    }
    let (key, name) = (call.key(), call.arguments[2]);
    let number = match field(call, name)? {
        None => Extended::ZERO,
        Some(text) => Extended::parse(text).ok_or_else(|| failure("ERR hash value is not a float"))?,
    };
    let sum = float_sum(&number, &step)?;
    call.database.edit_hash(key, |hash| hash.insert(name, sum.as_bytes()))?;
    call.database.journal.record([b"HSET", key, name, sum.as_bytes()]);
    Ok(Reply::bulk(sum))
}

fn hdel(call: &mut Call<'_>) -> CommandResult {
    let names = &call.arguments[2..];
    let Some(hash) = call.database.hash(call.key())? else { return Ok(Reply::Integer(0)) };
    if !names.iter().any(|name| hash.get(name).is_some()) {
        return Ok(Reply::Integer(0)); // nothing to change: nothing to write down, no WATCH to fail
    }
    let removed =
        call.database.edit_hash(call.key(), |hash| names.iter().filter(|name| hash.remove(name)).count())?;
    call.record_as_written();
    Ok(Reply::count(removed))
}
