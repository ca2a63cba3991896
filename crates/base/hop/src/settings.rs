//! The settings every hop understands, as flags and as environment variables.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

mod numbers;

pub use numbers::{milliseconds, number, quantity};

/// Help is no wider than a terminal that nobody has widened.
const HELP_WIDTH: usize = 80;

/// Reads this process's command line and environment; ends it when they are wrong, or when help is asked for.
pub fn parse<S: clap::Parser>() -> S {
    let matches = S::command().max_term_width(HELP_WIDTH).get_matches();
    S::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Settings that are the same for every hop. Flatten them into a hop's own.
///
/// The variables that begin with `OTEL_` are OpenTelemetry's own, so a program that replaces a hop
/// and speaks OpenTelemetry understands them without a line of lab code.
#[derive(clap::Args, Clone, Debug)]
pub struct Common {
    /// This instance's name in spans and logs, such as cart-pod-def34 [default: the role]
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME", help_heading = "Every hop")]
    pub name: Option<String>,

    /// Where /livez, /readyz and /metrics are served; nowhere when absent
    #[arg(long, env = "ADMIN", value_name = "IP:PORT", help_heading = "Every hop")]
    pub admin: Option<SocketAddr>,

    /// A file with the secret that admin requests which change something have to bring, as
    /// `Authorization: Bearer SECRET`; without it, nobody may
    #[arg(long, env = "ADMIN_SECRET_FILE", value_name = "FILE", help_heading = "Every hop")]
    pub admin_secret_file: Option<PathBuf>,

    /// Where spans go: an OTLP/HTTP collector on this machine; nowhere when absent
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", help_heading = "Every hop")]
    pub otlp_endpoint: Option<String>,

    /// The networks that are this machine's own; neither spans nor DNS queries go anywhere else
    #[arg(
        long,
        env = "LOCAL_NETWORKS",
        value_name = "CIDR,…",
        value_delimiter = ',',
        default_value = "127.0.0.0/8,::1/128",
        help_heading = "Every hop"
    )]
    pub local_networks: Vec<IpNet>,

    /// Whether a request without a traceparent is recorded: parentbased_always_on or parentbased_always_off
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER",
        value_name = "SAMPLER",
        default_value = "parentbased_always_on",
        value_parser = ["parentbased_always_on", "parentbased_always_off", "always_on", "always_off"],
        help_heading = "Every hop"
    )]
    pub sampler: String,

    /// How many requests a second without a traceparent are recorded, evenly; more are passed on as not recorded, and
    /// counted. All when absent; only with parentbased_always_on
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "N", value_parser = quantity("requests per second", 0.0..=1e6), help_heading = "Every hop")]
    pub sampler_arg: Option<f64>,

    /// How many exchanges without trace context (layer 4, DNS, RESP, Kafka) are kept in memory until a collector asks
    /// for them by POST /exchanges at ADMIN; 0: a span is sent for each
    #[arg(long, env = "FLIGHT_RECORDER", value_name = "N", default_value_t = 0, help_heading = "Every hop")]
    pub flight_recorder: usize,

    /// The longest time a span waits before it is sent, in milliseconds
    #[arg(
        long,
        env = "OTEL_BSP_SCHEDULE_DELAY",
        value_name = "MS",
        default_value_t = 200,
        help_heading = "Every hop"
    )]
    pub schedule_delay_ms: u64,

    /// Send small segments at once; with false, Nagle's algorithm holds them back while others are unacknowledged
    #[arg(
        long,
        env = "TCP_NODELAY",
        value_name = "BOOL",
        default_value_t = true,
        action = clap::ArgAction::Set,
        help_heading = "Every hop"
    )]
    pub tcp_nodelay: bool,

    /// How long running requests may take to finish after SIGTERM, in seconds
    #[arg(long, env = "DRAIN_SECONDS", value_name = "S", default_value_t = 10, help_heading = "Every hop")]
    pub drain_seconds: u64,
}

impl Common {
    /// Is this an address of [`Common::local_networks`]?
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.local_networks.iter().any(|network| network.contains(&address))
    }
}
