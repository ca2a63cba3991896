//! Commands about the store as a whole: what it is, how it is set, what it knows.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use super::info::info;
use super::{Call, FAMILIES, NO_KEYS, Spec, find};
use crate::config::Settings;
use crate::reply::{Answer, Reply, SYNTAX, failure};
use crate::text::glob;

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("info", -1, NO_KEYS, info),
    Spec::read("bgrewriteaof", 1, NO_KEYS, rewrite),
    Spec::read("config", -2, NO_KEYS, config),
    Spec::read("command", -1, NO_KEYS, command),
];

/// What INFO and CONFIG tell.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// When the store began, in milliseconds since the Unix epoch.
    pub(crate) started: u64,
    pub(crate) settings: Settings,
    /// Connections that are open now, and all that there ever were.
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) accepted: Arc<AtomicU64>,
    /// Connections that wait for others to write.
    pub(crate) blocked: Arc<AtomicUsize>,
    /// Commands that were executed or queued.
    pub(crate) commands: u64,
    pub(crate) log: LogFacts,
}

/// What is known of the log, and what is wanted of it.
#[derive(Clone, Debug)]
pub(crate) struct LogFacts {
    /// Its length in bytes, now and after the last rewrite (or at the start).
    pub(crate) length: u64,
    pub(crate) base: u64,
    /// Whether the last write to it succeeded.
    pub(crate) healthy: bool,
    /// Someone said BGREWRITEAOF.
    pub(crate) wanted: Cell<bool>,
    pub(crate) rewriting: bool,
    /// How often it was rewritten, and whether the last attempt succeeded.
    pub(crate) rewrites: u64,
    pub(crate) rewrite_healthy: bool,
}

impl Default for LogFacts {
    fn default() -> Self {
        Self {
            length: 0,
            base: 0,
            healthy: true,
            wanted: Cell::new(false),
            rewriting: false,
            rewrites: 0,
            rewrite_healthy: true,
        }
    }
}

/// BGREWRITEAOF: the executor looks at the wish between two groups.
fn rewrite(call: &mut Call<'_>) -> Answer {
    if call.facts.log.rewriting || call.facts.log.wanted.replace(true) {
        return Err(failure("ERR Background append only file rewriting already in progress"));
    }
    Ok(Reply::Status("Background append only file rewriting started"))
}

/// CONFIG GET pattern ... | SET ... | RESETSTAT
fn config(call: &mut Call<'_>) -> Answer {
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
        _ => Err(SYNTAX), // check_sub let it in
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
fn command(call: &mut Call<'_>) -> Answer {
    if call.arguments.len() == 1 {
        return Ok(Reply::Array(FAMILIES.iter().copied().flatten().map(describe).collect()));
    }
    match call.word(1).as_str() {
        "COUNT" if call.arguments.len() == 2 => {
            Ok(Reply::count(FAMILIES.iter().map(|family| family.len()).sum()))
        }
        "INFO" => {
            let rows = call.arguments[2..].iter().map(|name| find(name).map_or(Reply::NullArray, describe));
            Ok(Reply::Array(rows.collect()))
        }
        // Texts for humans are redis.io's; an empty answer makes clients do without.
        "DOCS" => Ok(Reply::Map(Vec::new())),
        _ => Err(SYNTAX), // check_sub let it in
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
