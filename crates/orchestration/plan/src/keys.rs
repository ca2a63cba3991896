//! Which keys there are: an unknown one is refused with its line and the one that was probably meant.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::distance::closest;
use crate::error::{PlanError, Sources};
use crate::role::Role;

/// The sections and their keys; `hop` and `budget` have keys of their own.
pub(crate) const SECTIONS: [(&str, &[&str]); 5] = [
    ("lab", &["name", "state", "certs"]),
    ("network", &["mode", "port_offset", "admin_port", "control", "collector"]),
    ("shop", &["host", "user"]),
    ("telemetry", &["sampler", "outside_per_second", "flight_recorder", "delay_ms", "log", "forward"]),
    ("supervise", &["ready_seconds", "drain_seconds", "probe_seconds"]),
];

/// What every hop may say.
pub(crate) const EVERY_HOP: [&str; 11] =
    ["role", "listen", "real", "host", "admin", "command", "recipe", "config", "external", "reports", "env"];
/// What an ingress rule may say.
const RULE: [&str; 4] = ["host", "path", "type", "service"];

/// What only hops of this role may say.
pub(crate) fn of_role(role: Role) -> &'static [&'static str] {
    match role {
        Role::Dns => &["zones"],
        Role::Resolver => &["roots", "doh", "flush"],
        Role::Lb => &["upstreams", "balance"],
        Role::Ingress => &["rules", "default"],
        Role::Clusterip => &["endpoints", "mode"],
        Role::Cart => &["inventory", "store", "events", "workers"],
        Role::Inventory => &["database"],
        Role::Store => &["appendfsync"],
        Role::Events => &["partitions"],
    }
}

/// Refuses the first unknown key.
pub(crate) fn check(document: &DeTable<'_>, sources: &Sources) -> Result<(), PlanError> {
    let sections: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).chain(["budget", "hop"]).collect();
    only(document, "", &sections, sources)?;
    for (name, keys) in SECTIONS {
        if let Some(table) = table(document, name) {
            only(table, name, keys, sources)?;
        }
    }
    let Some(hops) = table(document, "hop") else { return Ok(()) };
    for (name, hop) in hops {
        let path = format!("hop.{}", name.get_ref());
        let Some(hop) = hop.get_ref().as_table() else {
            let remedy = format!("write the hop's settings below a line [{path}]");
            return Err(sources.error(&name.span(), path, "expected a table", remedy));
        };
        hop_keys(hop, name.get_ref(), &path, sources)?;
    }
    Ok(())
}

fn hop_keys(hop: &DeTable<'_>, name: &str, path: &str, sources: &Sources) -> Result<(), PlanError> {
    // A hop whose role is not known is refused later, with a better message than its keys deserve.
    let role = hop.get("role").and_then(|role| role.get_ref().as_str()).unwrap_or(name);
    let Ok(role) = role.parse::<Role>() else { return Ok(()) };
    let own = of_role(role);
    for key in hop.keys() {
        let text: &str = key.get_ref();
        let elsewhere = Role::ALL.into_iter().find(|other| *other != role && of_role(*other).contains(&text));
        if let Some(other) = elsewhere.filter(|_| !own.contains(&text)) {
            let problem = format!("`{text}` is a setting of role {other}, and this hop has role {role}");
            let mine: Vec<&str> = EVERY_HOP.iter().chain(own).copied().collect();
            let remedy = format!("remove the line, or use one of: {}", mine.join(", "));
            return Err(sources.error(&key.span(), format!("{path}.{text}"), problem, remedy));
        }
    }
    let keys: Vec<&str> = EVERY_HOP.iter().chain(own).copied().collect();
    only(hop, path, &keys, sources)?;
    let rules = hop.get("rules").and_then(|rules| rules.get_ref().as_array());
    for rule in rules.into_iter().flat_map(|rules| rules.iter()) {
        if let Some(rule) = rule.get_ref().as_table() {
            only(rule, &format!("{path}.rules"), &RULE, sources)?;
        }
    }
    Ok(())
}

fn table<'a, 'i>(document: &'a DeTable<'i>, name: &str) -> Option<&'a DeTable<'i>> {
    document.get(name).map(Spanned::get_ref).and_then(DeValue::as_table)
}

fn only(table: &DeTable<'_>, path: &str, known: &[&str], sources: &Sources) -> Result<(), PlanError> {
    // In the order of the file, so that the first mistake is reported first.
    let mut keys: Vec<_> = table.keys().collect();
    keys.sort_by_key(|key| key.span().start);
    let Some(key) = keys.into_iter().find(|key| !known.contains(&key.get_ref().as_ref())) else {
        return Ok(());
    };
    let text: &str = key.get_ref();
    let full = if path.is_empty() { text.to_owned() } else { format!("{path}.{text}") };
    let what = if path.is_empty() { "section" } else { "key" };
    let list = known.join(", ");
    let remedy = match closest(text, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? Known here: {list}"),
        None => format!("remove it; known here: {list}"),
    };
    Err(sources.error(&key.span(), full, format!("there is no {what} `{text}`"), remedy))
}

/// Where every value stands and which dotted key it belongs to, for errors that know only an offset.
pub(crate) fn spans(document: &DeTable<'_>) -> Vec<(std::ops::Range<usize>, String)> {
    let mut spans = Vec::new();
    let mut open = vec![(String::new(), document)];
    while let Some((path, table)) = open.pop() {
        for (key, value) in table {
            let path =
                if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
            if let Some(table) = value.get_ref().as_table() {
                open.push((path.clone(), table));
            }
            spans.push((value.span(), path));
        }
    }
    spans
}
