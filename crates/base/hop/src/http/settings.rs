//! What servers and clients of HTTP may be told by flags and environment. Flatten them into a hop's own settings; a
//! hop that wants another default says so with `mut_arg`.

use std::time::Duration;

use hyper::http::uri::PathAndQuery;

use super::client::ClientLimits;
use super::server::{Limits, MinRate};
use crate::settings::{milliseconds, number};

/// What a client may cost a server.
#[derive(clap::Args, Clone, Debug)]
pub struct ServerSettings {
    /// Connections at once; more wait in the kernel's queue
    #[arg(long, env = "MAX_CONNECTIONS", value_name = "N", default_value_t = 4096, value_parser = number(1_usize..))]
    pub max_connections: usize,

    /// Requests answered at once; more get 503
    #[arg(long, env = "MAX_REQUESTS", value_name = "N", default_value_t = 4096, value_parser = number(1_usize..))]
    pub max_requests: usize,

    // Below 8 KiB hyper cannot even hold an ordinary head (RFC 9112 §3 recommends 8000 for the first line).
    /// The longest request head, in bytes (at least 8192); a proxy inside allows more than the one before it, which adds to it
    #[arg(long, env = "MAX_HEAD", value_name = "BYTES", default_value_t = 128 << 10, value_parser = number(8192_usize..))]
    pub max_head: usize,

    /// How long a client may take to send a request's head
    #[arg(long = "head-timeout-ms", env = "HEAD_TIMEOUT_MS", value_name = "MS", default_value = "60000", value_parser = milliseconds(1..))]
    pub head_timeout: Duration,

    /// How long a client may send nothing more of a body (then 408), or take nothing more of a response (then it is reset)
    #[arg(long = "stall-timeout-ms", env = "STALL_TIMEOUT_MS", value_name = "MS", default_value = "10000", value_parser = milliseconds(1..))]
    pub stall_timeout: Duration,

    /// Bytes per second that a body must make on average, after that time; slower ones end in the same way
    #[arg(long, env = "BODY_RATE", value_name = "BYTES", default_value_t = 500, value_parser = number(1_u64..))]
    pub body_rate: u64,

    /// Requests at once that go on before their bodies are whole (over 64 KiB, gRPC, Expect); more wait, and one connection gets an eighth
    #[arg(long, env = "STREAMING_REQUESTS", value_name = "N", default_value_t = 128, value_parser = number(1_usize..))]
    pub streaming_requests: usize,

    /// How long a request may take altogether, up to the response's head; then 504
    #[arg(long = "request-timeout-ms", env = "REQUEST_TIMEOUT_MS", value_name = "MS", default_value = "30000", value_parser = milliseconds(1..))]
    pub request_timeout: Duration,
}

impl ServerSettings {
    /// As a server wants them.
    pub fn limits(&self) -> Limits {
        Limits {
            requests: self.max_requests,
            connections: self.max_connections,
            request_time: self.request_timeout,
            head_time: self.head_timeout,
            head_bytes: self.max_head,
            min_rate: self.min_rate(),
            streaming: self.streaming_requests,
            ..Limits::default()
        }
    }

    /// How slowly bodies may pass.
    pub fn min_rate(&self) -> MinRate {
        MinRate { stall: self.stall_timeout, rate: self.body_rate }
    }
}

/// What an upstream may cost a client.
#[derive(clap::Args, Clone, Debug)]
pub struct ClientSettings {
    /// How long connecting to an upstream may take
    #[arg(long = "connect-timeout-ms", env = "CONNECT_TIMEOUT_MS", value_name = "MS", default_value = "1000", value_parser = milliseconds(1..))]
    pub connect_timeout: Duration,

    /// How long an upstream may take to begin its response; then 504
    #[arg(long = "response-timeout-ms", env = "RESPONSE_TIMEOUT_MS", value_name = "MS", default_value = "20000", value_parser = milliseconds(1..))]
    pub response_timeout: Duration,
}

impl ClientSettings {
    /// As a client wants them.
    pub fn limits(&self) -> ClientLimits {
        ClientLimits {
            connect: self.connect_timeout,
            response: self.response_timeout,
            ..ClientLimits::default()
        }
    }
}

/// The path of a request, as an argument.
///
/// # Errors
/// It does not begin with a slash, or is none (RFC 3986 §3.3).
pub fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && text.parse::<PathAndQuery>().is_ok();
    is_path.then(|| text.to_owned()).ok_or_else(|| "expected a path such as /healthz".to_owned())
}
