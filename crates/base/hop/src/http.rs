//! HTTP as every hop speaks it.
//!
//! * [`server`]: connections in, one [`Exchange`] per request: its trace, its stamps, its spans.
//! * [`ahead`]: responses off the upstream before their readers take them.
//! * [`client`]: pooled HTTP/1.1 connections out, with the same stamps.
//! * [`acceptable`]: what no hop takes.
//! * [`interim`]: what is said before a response, on its way to the client.
//! * [`problem`]: errors as RFC 9457 problem JSON that say whose fault it is.
//! * [`forward`]: what a proxy must change in the headers it passes on.

pub mod acceptable;
pub mod ahead;
pub mod client;
pub mod exchange;
pub mod forward;
pub mod interim;
pub mod problem;
pub mod server;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};

pub use client::Client;
pub use exchange::Exchange;
pub use interim::Interim;
pub use problem::{Fault, Problem};

/// Any error, on its way into a problem or a broken body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Any body.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body of known bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
