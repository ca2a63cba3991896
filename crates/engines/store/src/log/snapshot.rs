//! A database as the shortest row of commands that makes it again.

use std::io;

use crate::database::{Database, Slot, Value};
use crate::hash::Hash;
use crate::journal::Journal;
use crate::stream::{Stream, StreamId};

/// About so many bytes of commands go into one group, so that a group's checksum stays cheap to verify.
const GROUP: usize = 64 << 10;
/// The most fields of one HSET: Redis, which may load this file one day, has a limit too.
const FIELDS: usize = 64;

/// Hands the commands out, group by group, oldest key first: replay then gives the same order too.
pub(super) fn write(database: &Database, mut put: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut group = Journal::default();
    for (key, slot) in database.iter() {
        match &slot.value {
            Value::String(text) => string(&mut group, key, text, slot),
            Value::Hash(hash) => fields(&mut group, key, hash),
            Value::Stream(stream) => entries(&mut group, key, stream, &mut put)?,
        }
        if let (Some(at), Value::Hash(_) | Value::Stream(_)) = (slot.expires, &slot.value) {
            group.record([b"PEXPIREAT", &key[..], at.to_string().as_bytes()]);
        }
        send(&mut group, GROUP, &mut put)?;
    }
    send(&mut group, 1, &mut put)
}

fn send(group: &mut Journal, least: usize, put: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    if group.bytes.len() >= least {
        put(&group.bytes)?;
        group.bytes.clear();
    }
    Ok(())
}

fn string(group: &mut Journal, key: &[u8], text: &[u8], slot: &Slot) {
    match slot.expires {
        None => group.record([b"SET", key, text]),
        Some(at) => group.record([b"SET", key, text, b"PXAT", at.to_string().as_bytes()]),
    }
}

fn fields(group: &mut Journal, key: &[u8], hash: &Hash) {
    let pairs: Vec<(&[u8], &[u8])> = hash.iter().collect();
    for some in pairs.chunks(FIELDS) {
        group.begin(2 + 2 * some.len());
        [b"HSET", key].into_iter().for_each(|word| group.word(word));
        some.iter().flat_map(|(name, value)| [name, value]).for_each(|word| group.word(word));
    }
}

fn entries(
    group: &mut Journal,
    key: &[u8],
    stream: &Stream,
    put: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    for (id, words) in stream.iter() {
        let id = id.bytes();
        group.begin(3 + words.iter().count());
        [b"XADD", key, &id[..]].into_iter().chain(words.iter()).for_each(|word| group.word(word));
        send(group, GROUP, put)?; // an outbox can be far larger than a group
    }
    // What a stream knows besides its entries. The entry that comes and goes makes the key, as in Redis's own
    // rewrite; one behind MAXLEN 0 does not count as deleted.
    let (last, deleted, added) = (stream.last(), stream.deleted(), stream.added());
    let newest = stream.iter().next_back().map(|(id, _)| *id);
    if newest.is_none() {
        let some = last.max(StreamId { milliseconds: 0, sequence: 1 }).bytes();
        group.record([b"XADD", key, b"MAXLEN", b"=", b"0", &some, b"", b""]);
    }
    if newest != Some(last) || deleted > StreamId::MIN || added != stream.len() as u64 {
        let (last, deleted, added) = (last.bytes(), deleted.bytes(), added.to_string());
        group.record([b"XSETID", key, &last, b"ENTRIESADDED", added.as_bytes(), b"MAXDELETEDID", &deleted]);
    }
    Ok(())
}
