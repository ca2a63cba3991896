//! HTTP as every hop speaks it.
//!
//! * [`server`]: connections in, one [`Exchange`] per request: its trace, its stamps, its spans.
//! * [`client`]: pooled HTTP/1.1 connections out, with the same stamps.
//! * [`plain`]: HTTP/1.1 without stamps and spans, for what is no part of a journey.
//! * [`validate`]: what no hop takes.
//! * [`interim`]: what is said before a response, on its way to the client.
//! * [`response`]: responses in text and JSON; [`content_type`]: what the content of a request is.
//! * [`attributes`]: what spans say of requests and responses.
//! * [`problem`]: errors as RFC 9457 problem JSON that say whose fault it is.
//! * [`forward`]: what a proxy must change in the headers it passes on.
//! * [`workers`]: how many requests are worked on at once, and who waits.
//! * [`settings`]: what servers and clients may be told by flags and environment.

pub mod attributes;
mod body;
pub mod client;
pub mod content_type;
pub mod exchange;
pub mod forward;
pub mod interim;
pub mod plain;
pub mod problem;
pub mod response;
pub mod server;
pub mod settings;
pub mod validate;
pub mod workers;

pub use body::{Body, BoxError, collect, empty, full};
pub use client::Client;
pub use exchange::Exchange;
pub use exchange::deferred::{Causes, Deferred, deferred};
pub use interim::Interim;
pub use problem::{Fault, Problem};
pub use response::{HandlerResult, json, text};
