//! Strings that are numbers: counters, and numbers with a fraction.

use super::spec::{Call, ONE_KEY, Spec};
use crate::database::Value;
use crate::float::Extended;
use crate::reply::{CommandResult, Failure, NOT_AN_INTEGER, Reply, failure};
use crate::text::{integer, number};

pub(super) const COMMANDS: &[Spec] = &[
    Spec::grow("incr", 2, ONE_KEY, incr),
    Spec::grow("decr", 2, ONE_KEY, decr),
    Spec::grow("incrby", 3, ONE_KEY, incrby),
    Spec::grow("decrby", 3, ONE_KEY, decrby),
    Spec::grow("incrbyfloat", 3, ONE_KEY, incrbyfloat),
];

fn incr(call: &mut Call<'_>) -> CommandResult {
    add(call, 1)
}

fn decr(call: &mut Call<'_>) -> CommandResult {
    add(call, -1)
}

fn incrby(call: &mut Call<'_>) -> CommandResult {
    let step = call.integer(2)?;
    add(call, step)
}

fn decrby(call: &mut Call<'_>) -> CommandResult {
    let step = call.integer(2)?.checked_neg().ok_or_else(|| failure("ERR decrement would overflow"))?;
    add(call, step)
}

fn add(call: &mut Call<'_>, step: i64) -> CommandResult {
    let key = call.key();
    let mut sum = step;
    call.database.replace_string(key, |text| {
        let before = text.map_or(Ok(0), |text| integer(text).ok_or(NOT_AN_INTEGER))?;
        let overflow = || failure("ERR increment or decrement would overflow");
        sum = before.checked_add(step).ok_or_else(overflow)?;
        Ok(number(sum))
    })?;
    call.record_as_written();
    Ok(Reply::Integer(sum))
}

/// A number with a fraction, as the client wrote it.
pub(super) fn float(text: &[u8]) -> Result<Extended, Failure> {
    Extended::parse(text).ok_or_else(|| failure("ERR value is not a valid float"))
}

/// The sum as Redis prints it.
pub(super) fn float_sum(number: &Extended, step: &Extended) -> Result<String, Failure> {
    number.add(step).text().ok_or_else(|| failure("ERR increment would produce NaN or Infinity"))
}

/// INCRBYFLOAT key increment. Written down is the result: another machine might round another way.
fn incrbyfloat(call: &mut Call<'_>) -> CommandResult {
    let key = call.key();
    let number = match call.database.string(key)? {
        None => Extended::ZERO,
        Some(text) => float(text)?,
    };
    let sum = float_sum(&number, &float(call.arguments[2])?)?;
    let expires = call.database.get(key).and_then(|slot| slot.expires);
    call.database.put(key, Value::String(sum.clone().into()), expires);
    call.database.journal.record([b"SET", key, sum.as_bytes(), b"KEEPTTL"]);
    Ok(Reply::bulk(sum))
}
