//! What a load balancer is told: certificate, upstreams, and what each phase of a request may cost.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hop::http::client::ClientLimits;
use hop::http::server::{Limits, Pace};

use crate::balance::Policy;
use crate::health::Thresholds;

/// A layer-7 load balancer: ends TLS, sends each request to a healthy upstream, retries where that is safe.
///
/// Speaks TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1 (chosen by ALPN), and HTTP/1.1 to its upstreams.
/// SIGHUP reads the certificate again without dropping a connection; SIGTERM drains.
/// On the admin endpoint, GET /upstreams shows what is known of each upstream.
///
/// Not much is needed to try it: lb --upstreams 127.0.0.1:8000 --tls-cert cert.pem --tls-key key.pem
/// --health-path / with any web server on port 8000.
#[derive(clap::Parser, Clone, Debug)]
#[command(version)]
pub struct Settings {
    /// Where to answer HTTPS
    #[arg(long, env = "LISTEN", value_name = "IP:PORT", default_value = "127.0.113.50:8443")]
    pub listen: SocketAddr,

    /// The servers behind, such as "127.0.1.100:8080,127.0.1.101:8080"
    #[arg(long, env = "UPSTREAMS", value_name = "IP:PORT,…", value_delimiter = ',', required = true)]
    pub upstreams: Vec<SocketAddr>,

    /// How to choose among them
    #[arg(long, env = "BALANCE", value_name = "POLICY", default_value = "least-connections")]
    pub balance: Policy,

    /// The certificate chain, leaf first (PEM)
    #[arg(long, env = "TLS_CERT", value_name = "FILE")]
    pub tls_cert: PathBuf,

    /// The leaf certificate's private key (PEM)
    #[arg(long, env = "TLS_KEY", value_name = "FILE")]
    pub tls_key: PathBuf,

    /// What to ask upstreams for to learn whether they live; 2xx means yes
    #[arg(long, env = "HEALTH_PATH", value_name = "PATH", default_value = "/healthz", value_parser = path, help_heading = "Health")]
    pub health_path: String,

    /// How often
    #[arg(long, env = "HEALTH_INTERVAL_MS", value_name = "MS", default_value_t = 1_000, value_parser = positive, help_heading = "Health")]
    pub health_interval_ms: u64,

    /// How long an upstream may take to answer that
    #[arg(long, env = "HEALTH_TIMEOUT_MS", value_name = "MS", default_value_t = 500, value_parser = positive, help_heading = "Health")]
    pub health_timeout_ms: u64,

    /// Successes in a row that bring an upstream back (the first one at start counts at once)
    #[arg(long, env = "HEALTH_RISE", value_name = "N", default_value_t = 2, value_parser = at_least_one, help_heading = "Health")]
    pub health_rise: u32,

    /// Failures in a row that take an upstream out
    #[arg(long, env = "HEALTH_FALL", value_name = "N", default_value_t = 3, value_parser = at_least_one, help_heading = "Health")]
    pub health_fall: u32,

    /// Requests in a row that found no connection, after which an upstream is ejected at once
    #[arg(long, env = "EJECT_AFTER", value_name = "N", default_value_t = 3, value_parser = at_least_one, help_heading = "Health")]
    pub eject_after: u32,

    /// How often one request may be sent again; 0: never
    #[arg(long, env = "RETRIES", value_name = "N", default_value_t = 2, help_heading = "Retries")]
    pub retries: u32,

    /// Retries allowed per hundred requests
    #[arg(long, env = "RETRY_PERCENT", value_name = "N", default_value_t = 20, help_heading = "Retries")]
    pub retry_percent: u32,

    /// Retries allowed per second besides
    #[arg(long, env = "RETRY_PER_SECOND", value_name = "N", default_value_t = 10, help_heading = "Retries")]
    pub retry_per_second: u32,

    /// How long a TLS handshake may take
    #[arg(long, env = "HANDSHAKE_TIMEOUT_MS", value_name = "MS", default_value_t = 10_000, value_parser = positive, help_heading = "Limits")]
    pub handshake_timeout_ms: u64,

    /// How long a client may take to send a request's head
    #[arg(long, env = "HEAD_TIMEOUT_MS", value_name = "MS", default_value_t = 60_000, value_parser = positive, help_heading = "Limits")]
    pub head_timeout_ms: u64,

    /// How long connecting to an upstream may take
    #[arg(long, env = "CONNECT_TIMEOUT_MS", value_name = "MS", default_value_t = 1_000, value_parser = positive, help_heading = "Limits")]
    pub connect_timeout_ms: u64,

    /// How long an upstream may take to begin its response; then 504
    #[arg(long, env = "RESPONSE_TIMEOUT_MS", value_name = "MS", default_value_t = 20_000, value_parser = positive, help_heading = "Limits")]
    pub response_timeout_ms: u64,

    /// How long a request may take altogether, up to the response's head; then 504
    #[arg(long, env = "REQUEST_TIMEOUT_MS", value_name = "MS", default_value_t = 30_000, value_parser = positive, help_heading = "Limits")]
    pub request_timeout_ms: u64,

    /// How long a client may send nothing more of a body (then 408), or take nothing more of a response (then it is reset)
    #[arg(long, env = "STALL_TIMEOUT_MS", value_name = "MS", default_value_t = 10_000, value_parser = positive, help_heading = "Limits")]
    pub stall_timeout_ms: u64,

    /// Bytes per second that a body must make on average, after that time; slower ones end in the same way
    #[arg(long, env = "BODY_RATE", value_name = "BYTES", default_value_t = 500, value_parser = positive, help_heading = "Limits")]
    pub body_rate: u64,

    /// Requests at once that go on before their bodies are whole (over 64 KiB, gRPC, Expect); more wait, and one connection gets an eighth
    #[arg(long, env = "STREAMING_REQUESTS", value_name = "N", default_value_t = 128, value_parser = count, help_heading = "Limits")]
    pub streaming_requests: usize,

    /// Connections at once; more wait in the kernel's queue
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "N", default_value_t = 4096, value_parser = count, help_heading = "Limits")]
    pub max_connections: usize,

    /// Requests answered at once; more get 503
    #[arg(long, env = "MAX_REQUESTS", value_name = "N", default_value_t = 4096, value_parser = count, help_heading = "Limits")]
    pub max_requests: usize,

    /// Requests at once to one upstream; more wait in the load balancer (HAProxy calls it maxconn)
    #[arg(long, env = "UPSTREAM_REQUESTS", value_name = "N", default_value_t = 4096, value_parser = count, help_heading = "Limits")]
    pub upstream_requests: usize,

    /// Requests at once on one HTTP/2 connection
    #[arg(long, env = "MAX_STREAMS", value_name = "N", default_value_t = 128, value_parser = at_least_one, help_heading = "Limits")]
    pub max_streams: u32,

    /// The longest request head, in bytes (at least 8192)
    #[arg(long, env = "MAX_HEAD", value_name = "BYTES", default_value_t = 64 << 10, value_parser = head, help_heading = "Limits")]
    pub max_head: usize,

    /// The longest request body, in bytes; longer ones get 413
    #[arg(long, env = "MAX_BODY", value_name = "BYTES", default_value_t = 1 << 20, help_heading = "Limits")]
    pub max_body: u64,

    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help text of the program")]
    pub common: hop::Common,
}

impl Settings {
    /// What a client may cost.
    pub fn limits(&self) -> Limits {
        Limits {
            requests: self.max_requests,
            connections: self.max_connections,
            request_time: Duration::from_millis(self.request_timeout_ms),
            head_time: Duration::from_millis(self.head_timeout_ms),
            head_bytes: self.max_head,
            headers: 100,
            streams: self.max_streams,
            pace: self.pace(),
            streaming: self.streaming_requests,
            body: self.max_body,
            ..Limits::default()
        }
    }

    /// How slowly bodies may pass.
    pub fn pace(&self) -> Pace {
        Pace { stall: Duration::from_millis(self.stall_timeout_ms), rate: self.body_rate }
    }

    /// What an upstream may cost.
    pub fn client_limits(&self) -> ClientLimits {
        ClientLimits {
            connect: Duration::from_millis(self.connect_timeout_ms),
            response: Duration::from_millis(self.response_timeout_ms),
            ..ClientLimits::default()
        }
    }

    /// What makes an upstream healthy.
    pub fn thresholds(&self) -> Thresholds {
        Thresholds { rise: self.health_rise, fall: self.health_fall, eject_after: self.eject_after }
    }
}

fn above_zero<N: std::str::FromStr + PartialOrd + Default>(text: &str) -> Result<N, String> {
    text.parse()
        .ok()
        .filter(|number| *number > N::default())
        .ok_or_else(|| "expected a whole number above 0".to_owned())
}

fn positive(text: &str) -> Result<u64, String> {
    above_zero(text)
}

fn at_least_one(text: &str) -> Result<u32, String> {
    above_zero(text)
}

fn count(text: &str) -> Result<usize, String> {
    above_zero(text)
}

fn head(text: &str) -> Result<usize, String> {
    // Below 8 KiB hyper cannot even hold an ordinary head (RFC 9112 §3 recommends 8000 for the first line).
    text.parse().ok().filter(|bytes| *bytes >= 8192).ok_or_else(|| "expected 8192 or more".to_owned())
}

fn path(text: &str) -> Result<String, String> {
    let parsed: Option<hyper::http::uri::PathAndQuery> = text.parse().ok();
    parsed
        .filter(|_| text.starts_with('/'))
        .map(|_| text.to_owned())
        .ok_or_else(|| "expected a path such as /healthz".to_owned())
}

#[cfg(test)]
mod tests;
