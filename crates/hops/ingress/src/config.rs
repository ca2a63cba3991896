//! What an Ingress controller is told: its rules, and what a client may cost.

use std::net::SocketAddr;
use std::str::FromStr;

use hop::http::settings::{ClientSettings, ServerSettings};

use crate::routes::{Backend, DuplicateRule, HostPattern, PathPattern, Routes, Rule, matchable};

/// A Kubernetes Ingress controller: sends each request to the Service that its host and path name.
///
/// A rule reads HOST PATH_TYPE PATH SERVICE=IP:PORT, for example
///   api.myshop.com Prefix /cart cart-service=127.96.50.100:8080
/// HOST is a name, *.DOMAIN (exactly one label before DOMAIN) or * (every host). PATH_TYPE is Exact,
/// or Prefix: /cart is then also for /cart/ and /cart/items, not for /cartoon. The most specific rule
/// wins: exact host, wildcard, any host; then the longest path; then Exact before Prefix.
///
/// GET /healthz is answered by the Ingress itself, for every host.
#[derive(clap::Parser, Clone, Debug)]
// It gives up before the load balancer does.
#[command(version, verbatim_doc_comment, mut_arg("response_timeout", |arg| arg.default_value("15000")))]
pub struct Settings {
    /// Where to answer HTTP
    #[arg(long, env = "LISTEN", value_name = "IP:PORT", default_value = "127.0.1.100:8080")]
    pub listen: SocketAddr,

    /// Rules, one a line or separated by ";"; the flag may be repeated
    #[arg(long = "rule", env = "RULES", value_name = "RULE")]
    pub rules: Vec<Rules>,

    /// The Service for requests that no rule wants; without it they get 404
    #[arg(long, env = "DEFAULT_BACKEND", value_name = "SERVICE=IP:PORT")]
    pub default_backend: Option<Backend>,

    #[command(flatten)]
    pub server: ServerSettings,

    #[command(flatten)]
    pub client: ClientSettings,

    #[command(flatten)]
    pub common: hop::Common,
}

impl Settings {
    /// The table of all rules.
    ///
    /// # Errors
    /// Two rules contradict each other.
    pub fn routes(&self) -> Result<Routes, DuplicateRule> {
        let rules = self.rules.iter().flat_map(|rules| rules.0.iter().cloned());
        Routes::new(rules.collect(), self.default_backend.clone())
    }
}

/// Some rules, as one text.
#[derive(Clone, Debug)]
pub struct Rules(pub Vec<Rule>);

impl FromStr for Rules {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines = text.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty());
        lines.map(str::parse).collect::<Result<_, _>>().map(Rules)
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [host, kind, path, backend] = words[..] else {
            return Err(format!(
                "rule {text:?} has {} words: expected 4, HOST PATH_TYPE PATH SERVICE=IP:PORT",
                words.len()
            ));
        };
        let wrong = |word: &str, expected: &str| format!("rule {text:?}: {word:?}: expected {expected}");
        Ok(Rule {
            host: host_pattern(host)
                .ok_or_else(|| wrong(host, "a DNS name, *.DOMAIN, or * (without a port)"))?,
            path: PathPattern::new(
                kind.parse().map_err(|()| wrong(kind, "Exact or Prefix"))?,
                Some(path).filter(|path| is_rule_path(path)).ok_or_else(|| {
                    wrong(
                        path,
                        "a plain path from / on, without \"//\", \".\", \"..\", \"%\", \"?\" or \"#\"",
                    )
                })?,
            ),
            backend: backend.parse().map_err(|error| format!("rule {text:?}: {error}"))?,
        })
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('=')
            .filter(|(service, _)| !service.is_empty())
            .and_then(|(service, address)| {
                Some(Backend { service: service.to_owned(), address: address.parse().ok()? })
            })
            .ok_or_else(|| {
                format!("{text:?}: expected SERVICE=IP:PORT, such as cart-service=127.96.50.100:8080")
            })
    }
}

fn host_pattern(text: &str) -> Option<HostPattern> {
    let is_name = |name: &str| {
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
        };
        name.len() <= 253 && name.split('.').all(is_label)
    };
    if text == "*" {
        return Some(HostPattern::Any);
    }
    let name = text.to_ascii_lowercase();
    match name.strip_prefix("*.") {
        Some(rest) => is_name(rest).then(|| HostPattern::Wildcard(rest.to_owned())),
        None => is_name(&name).then_some(HostPattern::Exact(name)),
    }
}

/// Only paths that every program reads the same way make good rules.
fn is_rule_path(path: &str) -> bool {
    path.starts_with('/') && !path.contains(['%', '?', '#']) && matchable(path).is_ok()
}

#[cfg(test)]
mod tests;
