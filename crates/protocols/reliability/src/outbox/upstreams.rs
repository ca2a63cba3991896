//! With which connections messages are published.

use kafka_client::Producer;
use redis_client::Client;

/// A request's own connections, or those of the background.
#[derive(Clone, Copy)]
pub struct Upstreams<'a> {
    /// Where the outboxes are.
    pub redis: &'a Client,
    /// Where messages go.
    pub kafka: &'a Producer,
}
