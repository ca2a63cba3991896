//! Ingress rules as regular expressions, for programs that know those and not Kubernetes.

use super::hop::{HopId, Rule};

/// Each rule as an expression for `HOST/PATH` and who answers; the first that fits is the one that
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
mod tests {
    use super::*;

    #[test]
    fn rules_come_in_the_order_of_their_precedence() {
        let rule = |host: &str, kind: &str, path: &str, service: usize| Rule {
            host: host.into(),
            kind: kind.into(),
            path: path.into(),
            service: HopId(service),
        };
        let rules = [
            rule("*", "Prefix", "/", 1),
            rule("*.myshop.com", "Prefix", "/cart", 2),
            rule("API.myshop.com", "Prefix", "/cart/", 3),
            rule("api.myshop.com", "Exact", "/cart", 4),
            rule("api.myshop.com", "Prefix", "/cart/items", 5),
        ];
        let seen: Vec<(String, usize)> =
            routes(&rules, Some(HopId(6))).into_iter().map(|(route, id)| (route, id.0)).collect();
        let expected = [
            (r"api\.myshop\.com/cart/items(/.*)?", 5),
            (r"api\.myshop\.com/cart", 4),
            (r"api\.myshop\.com/cart(/.*)?", 3),
            (r"[^./]+\.myshop\.com/cart(/.*)?", 2),
            (r"[^/]*(/.*)?", 1),
            (".*", 6),
        ];
        assert_eq!(seen, expected.map(|(route, id)| (route.to_owned(), id)));
    }
}
