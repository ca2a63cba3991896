//! The load balancer, spoken to only over the wire, by a real TLS client, with real upstreams.

mod http;
mod spans;
mod support;
mod tls;
mod upstreams;
