//! Ingress rules as regular expressions, for programs that know those and not Kubernetes.

use crate::hop::{HopId, Rule};

/// Fits every host.
const ANY_HOST: &str = "[^/]*";

/// A rule for programs that know expressions.
pub(super) struct Route {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) service: HopId,
}

/// Each rule as an expression for the host, one for the path, and who gets it; the first that fits is the one that
/// `networking.k8s.io/v1` means: exact hosts before wildcards, the longest path first, `Exact` before
/// `Prefix`.
pub(super) fn routes(rules: &[Rule], default: Option<HopId>) -> Vec<Route> {
    let mut sorted: Vec<&Rule> = rules.iter().collect();
    sorted.sort_by_key(|rule| {
        let host = if rule.host == "*" { 2 } else { usize::from(rule.host.starts_with("*.")) };
        (host, std::cmp::Reverse(prefix(&rule.path).len()), rule.kind != "Exact")
    });
    let route = |rule: &&Rule| Route { host: host(rule), path: path(rule), service: rule.service };
    let mut routes: Vec<Route> = sorted.iter().map(route).collect();
    routes.extend(default.map(|service| Route { host: ANY_HOST.to_owned(), path: ".*".to_owned(), service }));
    routes
}

fn host(rule: &Rule) -> String {
    match rule.host.strip_prefix("*.") {
        _ if rule.host == "*" => ANY_HOST.to_owned(),
        // A wildcard stands for one label.
        Some(rest) => format!("[^./]+\\.{}", escaped(&rest.to_ascii_lowercase())),
        None => escaped(&rule.host.to_ascii_lowercase()),
    }
}

fn path(rule: &Rule) -> String {
    match rule.kind.as_str() {
        "Exact" => escaped(&rule.path),
        // By path element: /cart fits /cart and /cart/items, not /cartoon.
        _ => format!("{}(/.*)?", escaped(prefix(&rule.path))),
    }
}

/// A prefix without the slash at its end, which makes no difference.
fn prefix(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if ".^$*+?()[]{}|\\".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests;
