//! What a Service is told: its address, its pods, and how to choose among them.

use std::net::SocketAddr;
use std::time::Duration;

use hop::settings::{milliseconds, number};

use crate::balance::{Balance, Mode};
use crate::idle_timeout::Timeouts;

/// A Kubernetes ClusterIP Service: one address in front of many pods, at layer 4.
///
/// Each new TCP connection is given to one of the endpoints; its bytes are passed on untouched, in
/// both directions, until it ends. So a client that keeps its connection alive stays with one pod.
#[derive(clap::Parser, Clone, Debug)]
#[command(version, after_help = EXAMPLE)]
pub struct Settings {
    /// The Service's own address (in Kubernetes: clusterIP and port)
    #[arg(long, env = "LISTEN", value_name = "IP:PORT", default_value = "127.96.50.100:8080")]
    pub listen: SocketAddr,

    /// The ready pods, separated by commas; none yet when empty (in Kubernetes: the EndpointSlice)
    #[arg(long, env = "ENDPOINTS", value_name = "IP:PORT,…", default_value = "", value_parser = parse_endpoints)]
    pub endpoints: EndpointList,

    /// How an endpoint is chosen for a new connection
    #[arg(long, env = "MODE", default_value = "random", value_enum)]
    pub mode: Mode,

    /// MODE=client-ip: how long a client stays with its endpoint after its last new connection
    /// (in Kubernetes: sessionAffinityConfig.clientIP.timeoutSeconds, at most one day)
    #[arg(long, env = "AFFINITY_SECONDS", value_name = "S", default_value_t = 10_800,
          value_parser = number(1_u64..=86_400))]
    pub affinity_seconds: u64,

    /// How long an endpoint may take to accept a connection
    #[arg(long = "connect-timeout-ms", env = "CONNECT_TIMEOUT_MS", value_name = "MS", default_value = "1000",
          value_parser = milliseconds(1..=300_000))]
    pub connect_timeout: Duration,

    /// How long no byte may pass in either direction (conntrack-tcp-timeout-established of kube-proxy)
    #[arg(long = "established-timeout-ms", env = "ESTABLISHED_TIMEOUT_MS", value_name = "MS", default_value = "86400000",
          value_parser = milliseconds(1..=31_536_000_000))]
    pub established_timeout: Duration,

    /// The same once one side has said everything (conntrack-tcp-timeout-close-wait of kube-proxy)
    #[arg(long = "close-wait-timeout-ms", env = "CLOSE_WAIT_TIMEOUT_MS", value_name = "MS", default_value = "3600000",
          value_parser = milliseconds(1..=31_536_000_000))]
    pub close_wait_timeout: Duration,

    /// Connections at once; more wait in the kernel's queue. Each takes two file descriptors,
    /// of which a process commonly has 1024 (ulimit -n)
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "N", default_value_t = 500,
          value_parser = number(1_usize..=1_000_000))]
    pub max_connections: usize,

    #[command(flatten)]
    pub common: hop::Common,
}

const EXAMPLE: &str = "\
By hand, with two pods that say who they are:
  echo open-sesame >/tmp/secret; mkdir -p /tmp/a /tmp/b; echo pod-a >/tmp/a/index.html; echo pod-b >/tmp/b/index.html
  python3 -m http.server -b 127.0.0.1 -d /tmp/a 20001 &
  python3 -m http.server -b 127.0.0.1 -d /tmp/b 20002 &
  clusterip --listen 127.0.0.1:20000 --endpoints 127.0.0.1:20001,127.0.0.1:20002 \\
            --mode round-robin --admin 127.0.0.1:20009 --admin-secret-file /tmp/secret &
  curl 127.0.0.1:20000; curl 127.0.0.1:20000      # two connections: pod-a, pod-b
  curl 127.0.0.1:20009/endpoints                  # who has how many
  curl -X PUT -H 'Authorization: Bearer open-sesame' -d '[\"127.0.0.1:20002\"]' 127.0.0.1:20009/endpoints   # pod-a is no longer ready
  curl 127.0.0.1:20000                            # pod-b, from now on";

impl Settings {
    /// The choice that these settings mean.
    pub fn balance(&self) -> Balance {
        Balance::new(self.mode, Duration::from_secs(self.affinity_seconds))
    }

    pub fn timeouts(&self) -> Timeouts {
        Timeouts { established: self.established_timeout, close_wait: self.close_wait_timeout }
    }
}

/// The endpoints as they were written; an empty text is an empty list, not one broken address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointList(pub Vec<SocketAddr>);

fn parse_endpoints(text: &str) -> Result<EndpointList, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let parse = |part: &str| {
        part.parse().map_err(|_| format!("{part:?}: expected IP:PORT, such as 127.244.1.15:8080"))
    };
    parts.map(parse).collect::<Result<_, _>>().map(EndpointList)
}

#[cfg(test)]
mod tests;
