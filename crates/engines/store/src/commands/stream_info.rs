//! XINFO: what a stream is made of.

use super::spec::{Call, Spec};
use super::streams::entry;
use crate::reply::{CommandResult, Reply, failure};
use crate::stream::{Stream, StreamId};

pub(super) const COMMANDS: &[Spec] = &[Spec::read("xinfo", -2, (2, 2, 1), xinfo)];

/// Entries that FULL shows unless COUNT says otherwise.
const SHOWN: usize = 10;
/// Entries of one node of the tree in which Redis keeps a stream (`stream-node-max-entries`).
const NODE: usize = 100;

/// XINFO STREAM key [FULL [COUNT n]] | GROUPS key
fn xinfo(call: &mut Call<'_>) -> CommandResult {
    let stream = call.database.stream(call.arguments[2])?.ok_or_else(|| failure("ERR no such key"))?;
    if call.word(1) == "GROUPS" {
        return Ok(Reply::Array(Vec::new())); // there are none here
    }
    let wrong = || {
        let said = String::from_utf8_lossy(call.arguments[1]);
        failure(format!("ERR unknown subcommand or wrong number of arguments for '{said}'. Try XINFO HELP."))
    };
    match call.arguments.len() {
        3 => Ok(Reply::Map(summary(stream).into_iter().chain(edges(stream)).collect())),
        4 | 6 if call.word(3) == "FULL" => {
            let mut shown = SHOWN;
            if call.arguments.len() == 6 {
                if call.word(4) != "COUNT" {
                    return Err(wrong());
                }
                shown = match usize::try_from(call.integer(5)?) {
                    Ok(0) => usize::MAX,
                    Ok(count) => count,
                    Err(_) => SHOWN,
                };
            }
            let entries = Reply::Array(stream.iter().take(shown).map(entry).collect());
            let more = [pair("entries", entries), pair("groups", Reply::Array(Vec::new()))];
            Ok(Reply::Map(summary(stream).into_iter().chain(more).collect()))
        }
        _ => Err(wrong()),
    }
}

fn pair(name: &'static str, value: Reply) -> (Reply, Reply) {
    (Reply::bulk(name), value)
}

/// What both forms begin with.
fn summary(stream: &Stream) -> [(Reply, Reply); 7] {
    // There is no such tree here. These are Redis's figures for as many small entries that were added in a row.
    let nodes = stream.len().div_ceil(NODE);
    [
        pair("length", Reply::count(stream.len())),
        pair("radix-tree-keys", Reply::count(nodes)),
        pair("radix-tree-nodes", Reply::count(nodes + 1)),
        pair("last-generated-id", Reply::Bulk(stream.last().bytes())),
        pair("max-deleted-entry-id", Reply::Bulk(stream.deleted().bytes())),
        pair("entries-added", Reply::Integer(i64::try_from(stream.added()).unwrap_or(i64::MAX))),
        pair("recorded-first-entry-id", Reply::Bulk(stream.first().unwrap_or(StreamId::MIN).bytes())),
    ]
}

/// What only the short form ends with.
fn edges(stream: &Stream) -> [(Reply, Reply); 3] {
    [
        pair("groups", Reply::Integer(0)),
        pair("first-entry", stream.iter().next().map_or(Reply::Null, entry)),
        pair("last-entry", stream.iter().next_back().map_or(Reply::Null, entry)),
    ]
}
