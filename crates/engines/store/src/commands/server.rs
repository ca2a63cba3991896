//! Commands about the store as a whole: what it is, how it is set, what it knows.

use super::info::info;
use super::spec::{Call, NO_KEYS, Spec};
use crate::config::Settings;
use crate::reply::{CommandResult, Reply, SYNTAX, failure};
use crate::text::glob;

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("info", -1, NO_KEYS, info),
    Spec::read("bgrewriteaof", 1, NO_KEYS, rewrite),
    Spec::read("config", -2, NO_KEYS, config),
    Spec::read("command", -1, NO_KEYS, command),
];

/// BGREWRITEAOF: the executor sees it between two groups.
fn rewrite(call: &mut Call<'_>) -> CommandResult {
    if call.facts.log.rewriting || call.facts.log.wanted.replace(true) {
        return Err(failure("ERR Background append only file rewriting already in progress"));
    }
    Ok(Reply::Status("Background append only file rewriting started"))
}

/// CONFIG GET pattern ... | SET ... | RESETSTAT
fn config(call: &mut Call<'_>) -> CommandResult {
    match (call.word(1).as_str(), call.arguments.len()) {
        ("GET", 3..) => {
            let patterns: Vec<String> =
                (2..call.arguments.len()).map(|at| call.word(at).to_ascii_lowercase()).collect();
            let wanted =
                |name: &str| patterns.iter().any(|pattern| glob(pattern.as_bytes(), name.as_bytes()));
            let pairs = parameters(&call.facts.settings).into_iter().filter(|(name, _)| wanted(name));
            Ok(Reply::Map(pairs.map(|(name, value)| (Reply::bulk(name), Reply::bulk(value))).collect()))
        }
        ("SET", 4..) => {
            let name = call.word(2).to_ascii_lowercase();
            let known = parameters(&call.facts.settings).iter().any(|(parameter, _)| *parameter == name);
            Err(failure(if known {
                format!(
                    "ERR CONFIG SET failed (possibly related to argument '{name}') - can't set immutable config"
                )
            } else {
                format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            }))
        }
        ("RESETSTAT", 2) => Ok(Reply::OK),
        _ => Err(SYNTAX), // subcommands::check let it in
    }
}

/// What CONFIG GET shows, under Redis's names. All of it is set at the start only.
fn parameters(settings: &Settings) -> [(&'static str, String); 12] {
    [
        ("appendonly", "yes".to_owned()),
        ("appendfsync", settings.appendfsync.to_string()),
        ("auto-aof-rewrite-percentage", settings.rewrite_percentage.to_string()),
        ("auto-aof-rewrite-min-size", settings.rewrite_min_size.to_string()),
        ("save", String::new()),
        ("dir", settings.data_dir.display().to_string()),
        ("databases", "1".to_owned()),
        ("maxclients", settings.max_connections.to_string()),
        ("maxmemory", settings.max_memory.to_string()),
        ("timeout", settings.timeout.to_string()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("port", settings.listen.port().to_string()),
    ]
}

/// COMMAND | COMMAND COUNT | COMMAND INFO name ... | COMMAND DOCS
fn command(call: &mut Call<'_>) -> CommandResult {
    if call.arguments.len() == 1 {
        return Ok(Reply::Array(call.table.iter().map(describe).collect()));
    }
    match call.word(1).as_str() {
        "COUNT" if call.arguments.len() == 2 => Ok(Reply::count(call.table.iter().count())),
        "INFO" => {
            let rows = call.arguments[2..]
                .iter()
                .map(|name| call.table.find(name).map_or(Reply::NullArray, describe));
            Ok(Reply::Array(rows.collect()))
        }
        // Texts for humans are redis.io's; an empty reply makes clients do without.
        "DOCS" => Ok(Reply::Map(Vec::new())),
        _ => Err(SYNTAX), // subcommands::check let it in
    }
}

/// A command as `COMMAND` shows it: name, arity, flags, first key, last key, step.
fn describe(spec: &'static Spec) -> Reply {
    let (first, last, step) = spec.keys;
    Reply::Array(vec![
        Reply::bulk(spec.name),
        Reply::Integer(spec.arity),
        Reply::Array(vec![Reply::Status(if spec.write { "write" } else { "readonly" })]),
        Reply::Integer(first),
        Reply::Integer(last),
        Reply::Integer(step),
    ])
}
