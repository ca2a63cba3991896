//! Ingress rules as regular expressions, for programs that know those and not Kubernetes.

use crate::hop::{HopId, Rule};

/// Each rule as an expression for `HOST/PATH` and who gets it; the first that fits is the one that
/// `networking.k8s.io/v1` means: exact hosts before wildcards, the longest path first, `Exact` before
/// `Prefix`.
pub(super) fn routes(rules: &[Rule], default: Option<HopId>) -> Vec<(String, HopId)> {
    let mut sorted: Vec<&Rule> = rules.iter().collect();
    sorted.sort_by_key(|rule| {
        let host = if rule.host == "*" { 2 } else { usize::from(rule.host.starts_with("*.")) };
        (host, std::cmp::Reverse(prefix(&rule.path).len()), rule.kind != "Exact")
    });
    let mut routes: Vec<(String, HopId)> =
        sorted.iter().map(|rule| (expression(rule), rule.service)).collect();
    routes.extend(default.map(|default| (".*".to_owned(), default)));
    routes
}

fn expression(rule: &Rule) -> String {
    let host = match rule.host.strip_prefix("*.") {
        _ if rule.host == "*" => "[^/]*".to_owned(),
        // A wildcard stands for one label.
        Some(rest) => format!("[^./]+\\.{}", escaped(&rest.to_ascii_lowercase())),
        None => escaped(&rule.host.to_ascii_lowercase()),
    };
    match rule.kind.as_str() {
        "Exact" => host + &escaped(&rule.path),
        // By path element: /cart fits /cart and /cart/items, not /cartoon.
        _ => format!("{host}{}(/.*)?", escaped(prefix(&rule.path))),
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
