//! What the operator says: flags, or environment variables of the same meaning.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

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
    #[arg(long, env = "INVENTORY_URL", value_name = "URL", default_value = "http://127.96.50.101:8080")]
    pub inventory_url: InventoryUrl,

    /// Where carts are kept: redis://ip:port, or with login and database redis://user:password@ip:port/2
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "redis://127.96.50.110:6379"
    )]
    pub redis_url: RedisUrl,

    /// Where events go: kafka://ip:port, or with a topic of your choice kafka://ip:port/topic
    #[arg(long, env = "KAFKA_URL", value_name = "URL", default_value = "kafka://127.96.50.120:9092")]
    pub kafka_url: KafkaUrl,

    /// The public key that tokens are verified with: a PEM file, elliptic curve P-256
    #[arg(long, env = "JWT_PUBLIC_KEY", value_name = "FILE")]
    pub jwt_public_key: PathBuf,

    /// Requests worked on at once; Tomcat's maxThreads has the same default
    #[arg(long, env = "WORKERS", value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: u16,

    /// Requests that wait for a worker before more are refused with 503; compare Tomcat's acceptCount
    #[arg(long, env = "QUEUE", value_name = "N", default_value_t = 100)]
    pub queue: u16,

    /// Connections to Redis; a request that finds none free waits for one
    #[arg(long, env = "REDIS_CONNECTIONS", value_name = "N", default_value_t = 32,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub redis_connections: u16,

    /// Connections to Kafka's brokers; a request that finds none free waits for one
    #[arg(long, env = "KAFKA_CONNECTIONS", value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub kafka_connections: u16,

    /// How long the inventory may take to begin its answer, in milliseconds
    #[arg(long, env = "INVENTORY_TIMEOUT_MS", value_name = "MS", default_value_t = 2_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub inventory_timeout_ms: u64,

    /// How long Redis may take for each step (a free connection, a handshake, an answer), in milliseconds
    #[arg(long, env = "REDIS_TIMEOUT_MS", value_name = "MS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub redis_timeout_ms: u64,

    /// How long Kafka may take for each step, in milliseconds
    #[arg(long, env = "KAFKA_TIMEOUT_MS", value_name = "MS", default_value_t = 5_000,
          value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub kafka_timeout_ms: u64,

    /// Units held in the inventory for so long belong to no request any more: they are given back unless
    /// they went into a cart. In milliseconds, and longer than a request may take
    #[arg(long, env = "SETTLE_AFTER_MS", value_name = "MS", default_value_t = 30_000,
          value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub settle_after_ms: u64,

    /// What every hop understands.
    #[command(flatten)]
    pub common: hop::Common,
}

/// `http://ip:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryUrl(pub SocketAddr);

impl FromStr for InventoryUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix('/').unwrap_or(rest).parse().ok())
            .map(InventoryUrl)
            .ok_or_else(|| "expected http://IP:PORT, such as http://127.96.50.101:8080".to_owned())
    }
}

/// Which Redis, and how to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// The server.
    pub address: SocketAddr,
    /// For `AUTH`; Redis before 6 knows no users.
    pub user: Option<String>,
    /// For `AUTH`.
    pub password: Option<String>,
    /// For `SELECT`.
    pub database: u32,
}

/// The password stays out of logs.
impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis://{}/{}", self.address, self.database)
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let rest = text.strip_prefix("redis://")?;
            let (login, rest) =
                rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
            let (address, database) = rest.split_once('/').unwrap_or((rest, ""));
            let (user, password) = match login {
                None => (None, None),
                Some(login) => {
                    let (user, password) = login.split_once(':')?;
                    (Some(decoded(user)?).filter(|user| !user.is_empty()), Some(decoded(password)?))
                }
            };
            let database = if database.is_empty() { 0 } else { database.parse().ok()? };
            Some(RedisUrl { address: address.parse().ok()?, user, password, database })
        };
        // The text is not repeated: it may hold a password.
        parse().ok_or_else(|| "expected redis://[[user]:password@]IP:PORT[/database]".to_owned())
    }
}

/// Undoes percent-encoding (RFC 3986 §2.1), so that a password may contain any character.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

/// Which Kafka, and which topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaUrl {
    /// A broker that knows the others.
    pub bootstrap: SocketAddr,
    /// Where the cart's events go.
    pub topic: String,
}

impl FromStr for KafkaUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let rest = text.strip_prefix("kafka://")?;
            let (address, topic) = rest.split_once('/').unwrap_or((rest, ""));
            let topic = if topic.is_empty() { "cart-events" } else { topic };
            // Kafka's own rule for names of topics.
            let legal = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
            let named = topic.len() <= 249 && topic.bytes().all(legal) && topic != "." && topic != "..";
            named.then_some(KafkaUrl { bootstrap: address.parse().ok()?, topic: topic.to_owned() })
        };
        parse().ok_or_else(|| {
            "expected kafka://IP:PORT[/topic]; a topic has letters, digits, dots, - and _".to_owned()
        })
    }
}

#[cfg(test)]
mod tests;
