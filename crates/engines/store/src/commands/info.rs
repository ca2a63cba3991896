//! INFO: what the store is and how it does, under the names that people and redis-cli look for.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use super::connection::COMPATIBLE_WITH;
use super::facts::Facts;
use super::spec::Call;
use crate::database::Database;
use crate::reply::{CommandResult, Reply};

/// INFO [section ...]
pub(super) fn info(call: &mut Call<'_>) -> CommandResult {
    let (facts, database) = (call.facts, &*call.database);
    let sections = [
        ("Server", server(facts, database)),
        ("Clients", clients(facts)),
        ("Memory", memory(facts, database)),
        ("Persistence", persistence(facts)),
        ("Stats", stats(facts)),
        ("Replication", lines([("role", "master".into()), ("connected_slaves", "0".into())])),
        ("Keyspace", keyspace(database)),
    ];
    let wanted: Vec<String> = (1..call.arguments.len()).map(|at| call.word(at)).collect();
    let all = wanted.is_empty()
        || wanted.iter().any(|name| matches!(name.as_str(), "ALL" | "DEFAULT" | "EVERYTHING"));
    let chosen: Vec<String> = sections
        .iter()
        .filter(|(name, _)| all || wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)))
        .map(|(name, lines)| format!("# {name}\r\n{lines}"))
        .collect();
    Ok(Reply::Text(chosen.join("\r\n")))
}

fn lines<const N: usize>(pairs: [(&str, String); N]) -> String {
    pairs.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = write!(text, "{name}:{value}\r\n");
        text
    })
}

fn server(facts: &Facts, database: &Database) -> String {
    lines([
        ("redis_version", COMPATIBLE_WITH.into()),
        ("server_name", "store".into()),
        ("store_version", env!("CARGO_PKG_VERSION").into()),
        ("redis_mode", "standalone".into()),
        ("os", std::env::consts::OS.into()),
        ("process_id", std::process::id().to_string()),
        ("tcp_port", facts.settings.listen.port().to_string()),
        ("uptime_in_seconds", (database.now.saturating_sub(facts.started) / 1000).to_string()),
    ])
}

fn clients(facts: &Facts) -> String {
    lines([
        ("connected_clients", facts.connections.load(Ordering::Relaxed).to_string()),
        ("blocked_clients", facts.blocked.load(Ordering::Relaxed).to_string()),
        ("maxclients", facts.settings.max_connections.to_string()),
    ])
}

fn memory(facts: &Facts, database: &Database) -> String {
    let (used, most) = (database.memory() as u64, facts.settings.max_memory);
    lines([
        // What MAX_MEMORY is compared with: the data, counted. The whole process is used_memory_rss.
        ("used_memory", used.to_string()),
        ("used_memory_human", human(used)),
        ("used_memory_rss", resident().to_string()),
        ("used_memory_rss_human", human(resident())),
        ("maxmemory", most.to_string()),
        ("maxmemory_human", human(most)),
        ("maxmemory_policy", "noeviction".into()),
    ])
}

fn persistence(facts: &Facts) -> String {
    let (log, status) = (&facts.log, |healthy: bool| if healthy { "ok" } else { "err" }.to_owned());
    lines([
        ("loading", "0".into()),
        ("aof_enabled", "1".into()),
        ("aof_rewrite_in_progress", u8::from(log.rewriting).to_string()),
        ("aof_rewrite_scheduled", u8::from(log.wanted.get()).to_string()),
        ("aof_last_bgrewrite_status", status(log.rewrite_healthy)),
        ("aof_last_write_status", status(log.healthy)),
        ("aof_current_size", log.length.to_string()),
        ("aof_base_size", log.base.to_string()),
        ("aof_rewrites", log.rewrites.to_string()),
    ])
}

fn stats(facts: &Facts) -> String {
    lines([
        ("total_connections_received", facts.accepted.load(Ordering::Relaxed).to_string()),
        ("total_commands_processed", facts.commands.to_string()),
    ])
}

fn keyspace(database: &Database) -> String {
    match database.len() {
        0 => String::new(),
        keys => format!("db0:keys={keys},expires={},avg_ttl=0\r\n", database.expiring()),
    }
}

/// `1.50M`, as Redis writes sizes for people.
fn human(bytes: u64) -> String {
    let units = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.2}{name}", bytes as f64 / unit as f64),
        None => format!("{bytes}B"),
    }
}

/// The memory of the whole process in bytes; 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}
