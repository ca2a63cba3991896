//! What an Ingress controller is told: its rules, and what a client may cost.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use hop::http::client::ClientLimits;
use hop::http::server::{Limits, Pace};

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
#[command(version, verbatim_doc_comment)]
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

    /// Connections at once; more wait in the kernel's queue
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "N", default_value_t = 4096, value_parser = positive)]
    pub max_connections: usize,

    /// Requests answered at once; more get 503
    #[arg(long, env = "MAX_REQUESTS", value_name = "N", default_value_t = 4096, value_parser = positive)]
    pub max_requests: usize,

    /// The longest request head, in bytes (at least 8192): more than a load balancer before us allows, which adds to it
    #[arg(long, env = "MAX_HEAD", value_name = "BYTES", default_value_t = 128 << 10, value_parser = head)]
    pub max_head: usize,

    /// How long a client may take to send a request's head
    #[arg(long, env = "HEAD_TIMEOUT_MS", value_name = "MS", default_value_t = 60_000)]
    pub head_timeout_ms: u64,

    /// How long a client may send nothing more of a body (then 408), or take nothing more of a response (then it is reset)
    #[arg(long, env = "STALL_TIMEOUT_MS", value_name = "MS", default_value_t = 10_000)]
    pub stall_timeout_ms: u64,

    /// Bytes per second that a body must make on average, after that time; slower ones end in the same way
    #[arg(long, env = "BODY_RATE", value_name = "BYTES", default_value_t = 500)]
    pub body_rate: u64,

    /// Requests at once that go on before their bodies are whole (over 64 KiB, gRPC, Expect); more wait
    #[arg(long, env = "STREAMING_REQUESTS", value_name = "N", default_value_t = 128, value_parser = positive)]
    pub streaming_requests: usize,

    /// How long connecting to a Service may take
    #[arg(long, env = "CONNECT_TIMEOUT_MS", value_name = "MS", default_value_t = 1_000)]
    pub connect_timeout_ms: u64,

    /// How long a Service may take to begin its response; then 504
    #[arg(long, env = "RESPONSE_TIMEOUT_MS", value_name = "MS", default_value_t = 15_000)]
    pub response_timeout_ms: u64,

    /// How long a request may take altogether, up to the response's head; then 504
    #[arg(long, env = "REQUEST_TIMEOUT_MS", value_name = "MS", default_value_t = 30_000)]
    pub request_timeout_ms: u64,

    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help text of the program")]
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

    /// What a client may cost.
    pub fn limits(&self) -> Limits {
        Limits {
            requests: self.max_requests,
            connections: self.max_connections,
            request_time: Duration::from_millis(self.request_timeout_ms),
            head_time: Duration::from_millis(self.head_timeout_ms),
            head_bytes: self.max_head,
            pace: self.pace(),
            streaming: self.streaming_requests,
            ..Limits::default()
        }
    }

    /// How slowly bodies may pass.
    pub fn pace(&self) -> Pace {
        Pace { stall: Duration::from_millis(self.stall_timeout_ms), rate: self.body_rate }
    }

    /// What a Service may cost.
    pub fn client_limits(&self) -> ClientLimits {
        ClientLimits {
            connect: Duration::from_millis(self.connect_timeout_ms),
            response: Duration::from_millis(self.response_timeout_ms),
            ..ClientLimits::default()
        }
    }
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected a whole number above 0".to_owned())
}

fn head(text: &str) -> Result<usize, String> {
    // Below 8 KiB hyper cannot even hold an ordinary head (RFC 9112 §3 recommends 8000 for the first line).
    text.parse().ok().filter(|bytes| *bytes >= 8192).ok_or_else(|| "expected 8192 or more".to_owned())
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
