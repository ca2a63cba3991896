//! Settings, as flags and as environment variables.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use hop::settings::number;

/// Keeps carts and their outbox: a small, durable server that speaks Redis's protocol.
///
/// It is Redis-compatible and embedded; it is not Redis. It has strings, hashes, streams, expiry and
/// transactions, in RESP2 and RESP3, so that redis-cli, redis-benchmark and every Redis client work. It has
/// no Lua, no lists, sets or sorted sets, no replicas, no users. Whoever outgrows it starts a real Redis in
/// its place: nothing else changes, and a Redis 7 even loads its append-only file.
///
/// What it acknowledged, it keeps: changes are appended to DATA_DIR/appendonly.aof and flushed to the disk
/// before their replies leave, once for all connections that wait at that moment.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "store",
    version,
    after_help = "Example:\n  store --listen 127.0.0.1:6379 --data-dir ./data &\n  \
                  redis-cli -p 6379 hincrby cart:1 PROD-123 1"
)]
pub struct Settings {
    /// Where to serve the Redis protocol
    #[arg(long, env = "LISTEN", value_name = "IP:PORT", default_value = "127.0.0.1:6379")]
    pub listen: SocketAddr,

    /// The folder of the append-only file; made when absent; one process at a time
    #[arg(long, env = "DATA_DIR", value_name = "PATH")]
    pub data_dir: PathBuf,

    /// When an acknowledged change is on the disk: `always` before its reply leaves (survives power loss),
    /// `everysec` within a second (faster; survives kill -9, but power loss may cost the last second)
    #[arg(long, env = "APPENDFSYNC", value_name = "WHEN", default_value = "always")]
    pub appendfsync: Fsync,

    /// Rewrite the log when it has grown by so many percent since the last time; 0 never does by itself
    #[arg(long, env = "AUTO_REWRITE_PERCENTAGE", value_name = "PERCENT", default_value_t = 100)]
    pub rewrite_percentage: u64,

    /// Leave a log of up to so many bytes alone
    #[arg(long, env = "AUTO_REWRITE_MIN_SIZE", value_name = "BYTES", default_value_t = 64 << 20)]
    pub rewrite_min_size: u64,

    /// The most connections at once; more wait until one closes
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "N", default_value_t = 1000,
          value_parser = number(1_u32..))]
    pub max_connections: u32,

    /// Refuse commands that need more memory (Redis's OOM error) while the data takes more than so many
    /// bytes; 0 has no limit. The data is counted, not measured: leave the process half as much again, and
    /// as much again while its log is rewritten
    #[arg(long, env = "MAX_MEMORY", value_name = "BYTES", default_value_t = 0)]
    pub max_memory: u64,

    /// Close connections that said nothing for so many seconds; 0 never does
    #[arg(long, env = "TIMEOUT", value_name = "SECONDS", default_value_t = 0)]
    pub timeout: u64,

    /// What every hop understands
    #[command(flatten)]
    pub common: hop::Common,
}

/// When the log is flushed to the disk; the names are Redis's.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[value(rename_all = "lower")]
pub enum Fsync {
    /// Before the replies of each group of commands.
    Always,
    /// Once a second.
    EverySec,
}

impl fmt::Display for Fsync {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Always => "always",
            Self::EverySec => "everysec",
        })
    }
}
