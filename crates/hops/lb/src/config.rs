//! What a load balancer is told: certificate, upstreams, and what each phase of a request may cost.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hop::http::server::Limits;
use hop::http::settings::{ClientSettings, ServerSettings, path};
use hop::settings::{milliseconds, number};

use crate::balance::Policy;

/// A layer-7 load balancer: ends TLS, sends each request to a healthy upstream, retries where that is safe.
///
/// Speaks TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1 (chosen by ALPN), and HTTP/1.1 to its upstreams.
/// SIGHUP reads the certificate again without dropping a connection; SIGTERM drains.
/// On the admin endpoint, GET /upstreams shows what is known of each upstream.
///
/// Not much is needed to try it: lb --upstreams 127.0.0.1:8000 --tls-cert cert.pem --tls-key key.pem
/// --health-path / with any web server on port 8000.
#[derive(clap::Parser, Clone, Debug)]
#[command(version, mut_arg("max_head", |arg| arg.default_value("65536")))]
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

    #[command(flatten, next_help_heading = "Health")]
    pub health: HealthSettings,

    #[command(flatten, next_help_heading = "Retries")]
    pub retry: RetrySettings,

    /// How long a TLS handshake may take
    #[arg(long = "handshake-timeout-ms", env = "HANDSHAKE_TIMEOUT_MS", value_name = "MS", default_value = "10000", value_parser = milliseconds(1..), help_heading = "Limits")]
    pub handshake_timeout: Duration,

    /// Requests at once to one upstream; more wait in the load balancer (HAProxy calls it maxconn)
    #[arg(long, env = "UPSTREAM_REQUESTS", value_name = "N", default_value_t = 4096, value_parser = number(1_usize..), help_heading = "Limits")]
    pub upstream_requests: usize,

    /// Requests at once on one HTTP/2 connection
    #[arg(long, env = "MAX_STREAMS", value_name = "N", default_value_t = 128, value_parser = number(1_u32..), help_heading = "Limits")]
    pub max_streams: u32,

    /// The longest request body, in bytes; longer ones get 413
    #[arg(long, env = "MAX_BODY", value_name = "BYTES", default_value_t = 1 << 20, help_heading = "Limits")]
    pub max_body: u64,

    #[command(flatten, next_help_heading = "Limits")]
    pub server: ServerSettings,

    #[command(flatten, next_help_heading = "Limits")]
    pub client: ClientSettings,

    #[command(flatten)]
    pub common: hop::Common,
}

impl Settings {
    pub fn limits(&self) -> Limits {
        // Fewer fields than behind us: we add some.
        Limits { headers: 100, streams: self.max_streams, body: self.max_body, ..self.server.limits() }
    }
}

/// What makes an upstream healthy.
#[derive(clap::Args, Clone, Debug)]
pub struct HealthSettings {
    /// What to request of upstreams to learn whether they live; 2xx means yes
    #[arg(long, env = "HEALTH_PATH", value_name = "PATH", default_value = "/healthz", value_parser = path)]
    pub health_path: String,

    /// How often
    #[arg(long = "health-interval-ms", env = "HEALTH_INTERVAL_MS", value_name = "MS", default_value = "1000", value_parser = milliseconds(1..))]
    pub health_interval: Duration,

    /// How long an upstream may take to respond to that
    #[arg(long = "health-timeout-ms", env = "HEALTH_TIMEOUT_MS", value_name = "MS", default_value = "500", value_parser = milliseconds(1..))]
    pub health_timeout: Duration,

    /// Successes in a row that bring an upstream back (the first one at start counts at once)
    #[arg(long, env = "HEALTH_RISE", value_name = "N", default_value_t = 2, value_parser = number(1_u32..))]
    pub health_rise: u32,

    /// Failures in a row that take an upstream out
    #[arg(long, env = "HEALTH_FALL", value_name = "N", default_value_t = 3, value_parser = number(1_u32..))]
    pub health_fall: u32,

    /// Requests in a row that found no connection, after which an upstream is ejected at once
    #[arg(long, env = "EJECT_AFTER", value_name = "N", default_value_t = 3, value_parser = number(1_u32..))]
    pub eject_after: u32,
}

/// How often requests may be sent again.
#[derive(clap::Args, Clone, Debug)]
pub struct RetrySettings {
    /// How often one request may be sent again; 0: never
    #[arg(long, env = "RETRIES", value_name = "N", default_value_t = 2)]
    pub retries: u32,

    /// Retries allowed per hundred requests
    #[arg(long, env = "RETRY_PERCENT", value_name = "N", default_value_t = 20)]
    pub retry_percent: u32,

    /// Retries allowed per second besides
    #[arg(long, env = "RETRY_PER_SECOND", value_name = "N", default_value_t = 10)]
    pub retry_per_second: u32,
}

#[cfg(test)]
mod tests;
