//! What the operator says: flags, or environment variables of the same meaning.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use hop::settings::number;
use hop::start::Misuse;

use crate::retention::Retention;

const ABOUT: &str = "\
The lab's event log: a small, durable server that speaks the Kafka protocol.

What a producer is told is on disk: batches are appended to one file per partition, and an answer
leaves only after fdatasync. Producers that wait at the same time share one fdatasync.";

const AFTER: &str = "\
Try it, with kcat:
  events --listen 127.0.0.1:9092 --data-dir /tmp/events
  kcat -b 127.0.0.1:9092 -L                                        what topics are there?
  echo '{\"productId\":\"PROD-123\"}' | kcat -b 127.0.0.1:9092 -P -t item-added -k CART-1
  kcat -b 127.0.0.1:9092 -C -t item-added -o beginning -e          read everything, then leave
  kcat -b 127.0.0.1:9092 -Q -t item-added:0:-1                     where does partition 0 end?

On disk: DATA_DIR/topics/<topic>/<partition>/<first offset>.log, record batches just as the producer
sent them (Kafka's own format, so Kafka's tools can read the files). Nothing is deleted unless
RETENTION_BYTES or RETENTION_MS says so; then whole files go, oldest first.

What it is not: Kafka. One node, so acks=all means one copy. No consumer groups and no transactions:
both are refused at once, and this log says why. No authentication, no TLS, no compaction. Who needs these uses a real Kafka; clients need no change but
the address.";

/// The settings of one event log.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "events", version, about = ABOUT, after_help = AFTER)]
pub struct Settings {
    /// Where Kafka clients connect; port 0 takes any free one
    #[arg(long, env = "LISTEN", value_name = "IP:PORT", default_value = "127.0.0.1:9092")]
    pub listen: SocketAddr,

    /// The folder that holds everything; created when absent, used by one process at a time
    #[arg(long, env = "DATA_DIR", value_name = "DIR", default_value = "data/events")]
    pub data_dir: PathBuf,

    /// The address that clients are told to use [default: what LISTEN says]
    ///
    /// A Kafka client connects to any broker it knows, requests the list of brokers from it, and connects
    /// to the addresses there. Behind a proxy (a ClusterIP, say) that must be the proxy's address.
    #[arg(long, env = "ADVERTISED", value_name = "HOST:PORT")]
    pub advertised: Option<Advertised>,

    /// Partitions of a topic that is created on first use
    #[arg(long, env = "PARTITIONS", value_name = "N", default_value_t = 3,
          value_parser = number(1_u16..=64))]
    pub partitions: u16,

    /// Bytes after which a partition's file is sealed and the next begun
    #[arg(long, env = "SEGMENT_BYTES", value_name = "BYTES", default_value_t = 64 << 20,
          value_parser = number(4096_u64..=1 << 30))]
    pub segment_bytes: u64,

    /// Bytes that a partition keeps at least; older segments are deleted [default: everything]
    #[arg(long, env = "RETENTION_BYTES", value_name = "BYTES")]
    pub retention_bytes: Option<u64>,

    /// Milliseconds that a record is kept at least; older segments are deleted [default: for ever]
    #[arg(long, env = "RETENTION_MS", value_name = "MS")]
    pub retention_ms: Option<u64>,

    /// Connections served at once; more wait until one ends
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "N", default_value_t = 256,
          value_parser = number(1_u32..=100_000))]
    pub max_connections: u32,

    /// What every hop understands.
    #[command(flatten)]
    pub common: hop::Common,
}

impl Settings {
    /// How long a log is kept, and in how large pieces.
    pub fn retention(&self) -> Retention {
        Retention {
            segment_bytes: self.segment_bytes,
            bytes: self.retention_bytes,
            age_ms: self.retention_ms,
        }
    }

    /// Refuses settings that are each right but wrong together.
    ///
    /// # Errors
    /// [`Misuse`] names the setting and what to do.
    pub fn check(&self) -> Result<(), Misuse> {
        if self.advertised.is_none() && self.listen.ip().is_unspecified() {
            return Err(Misuse(format!(
                "LISTEN is {}, which is every address of this machine and none that a client could be told: set ADVERTISED=host:port",
                self.listen
            )));
        }
        Ok(())
    }
}

/// A host and a port, as clients are told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// A name or an IP address.
    pub host: String,
    pub port: u16,
}

impl From<SocketAddr> for Advertised {
    fn from(address: SocketAddr) -> Self {
        Advertised { host: address.ip().to_string(), port: address.port() }
    }
}

impl FromStr for Advertised {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not HOST:PORT, such as 127.96.50.120:9092");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().map_err(|_| wrong())?;
        // Kafka writes the host with a 16-bit length; a DNS name has at most 253 characters (RFC 1035 §2.3.4).
        if host.is_empty() || host.len() > 253 || port == 0 {
            return Err(wrong());
        }
        Ok(Advertised { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests;
