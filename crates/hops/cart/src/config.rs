//! What the operator says: flags, or environment variables of the same meaning.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hop::settings::{milliseconds, number};
use kafka_client::Topic;

const ABOUT: &str = "\
The lab's cart service: HTTP/1.1 and JSON in front of an inventory, a Redis and a Kafka.

A 201 means that the item is in the cart and its event in the log, both acknowledged.";

const AFTER: &str = "\
Requests, each with Authorization: Bearer <a JWT signed with ES256>:
  POST   /cart/items       {\"productId\":\"PROD-123\",\"quantity\":1}
  GET    /cart
  DELETE /cart/items/ITEM-123

A POST with an Idempotency-Key can be sent again: it lands once, and is answered the same each time.

The answer's Server-Timing says what the time went into: curl -i shows it.";

/// The settings of one cart pod.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "cart", version, about = ABOUT, after_help = AFTER)]
pub struct Settings {
    /// Where HTTP is served; port 0 takes any free one
    #[arg(long, env = "LISTEN", value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// The inventory service
    #[arg(long, env = "INVENTORY_URL", value_name = "URL", default_value = "http://127.96.50.101:8080", value_parser = http_url)]
    pub inventory_url: SocketAddr,

    /// Where carts are kept: redis://ip:port, or with login and database redis://user:password@ip:port/2
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "redis://127.96.50.110:6379"
    )]
    pub redis_url: redis_client::Url,

    /// Where events go: kafka://ip:port, or with a topic of your choice kafka://ip:port/topic
    #[arg(long, env = "KAFKA_URL", value_name = "URL", default_value = "kafka://127.96.50.120:9092", value_parser = kafka_url)]
    pub kafka_url: Topic,

    /// The public key that tokens are verified with: a PEM file, elliptic curve P-256
    #[arg(long, env = "JWT_PUBLIC_KEY", value_name = "FILE")]
    pub jwt_public_key: PathBuf,

    /// Requests worked on at once; Tomcat's maxThreads has the same default
    #[arg(long, env = "WORKERS", value_name = "N", default_value_t = 200, value_parser = number(1_u16..))]
    pub workers: u16,

    /// Requests that wait for a worker before more are refused with 503; compare Tomcat's acceptCount
    #[arg(long, env = "QUEUE", value_name = "N", default_value_t = 100)]
    pub queue: u16,

    /// Connections to Redis; a request that finds none free waits for one
    #[arg(long, env = "REDIS_CONNECTIONS", value_name = "N", default_value_t = 32, value_parser = number(1_u16..))]
    pub redis_connections: u16,

    /// Connections to Kafka's brokers; a request that finds none free waits for one
    #[arg(long, env = "KAFKA_CONNECTIONS", value_name = "N", default_value_t = 16, value_parser = number(1_u16..))]
    pub kafka_connections: u16,

    /// How long the inventory may take to begin its answer, in milliseconds
    #[arg(long = "inventory-timeout-ms", env = "INVENTORY_TIMEOUT_MS", value_name = "MS", default_value = "2000", value_parser = milliseconds(1..))]
    pub inventory_timeout: Duration,

    /// How long Redis may take for each step (a free connection, a handshake, an answer), in milliseconds
    #[arg(long = "redis-timeout-ms", env = "REDIS_TIMEOUT_MS", value_name = "MS", default_value = "1000", value_parser = milliseconds(1..))]
    pub redis_timeout: Duration,

    /// How long Kafka may take for each step, in milliseconds
    #[arg(long = "kafka-timeout-ms", env = "KAFKA_TIMEOUT_MS", value_name = "MS", default_value = "5000", value_parser = milliseconds(1..=600_000))]
    pub kafka_timeout: Duration,

    /// Units held in the inventory for so long belong to no request any more: they are given back unless
    /// they went into a cart. In milliseconds, and longer than a request may take
    #[arg(long = "settle-after-ms", env = "SETTLE_AFTER_MS", value_name = "MS", default_value = "30000", value_parser = milliseconds(1..=3_600_000))]
    pub settle_after: Duration,

    #[command(flatten)]
    pub common: hop::Common,
}

fn http_url(text: &str) -> Result<SocketAddr, String> {
    let address = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    address
        .and_then(|address| address.parse().ok())
        .ok_or_else(|| "expected http://IP:PORT, such as http://127.96.50.101:8080".to_owned())
}

/// Where the cart's events go, with the topic that is meant where the URL names none.
fn kafka_url(text: &str) -> Result<Topic, String> {
    Topic::parse(text, "cart-events")
}

#[cfg(test)]
mod tests;
