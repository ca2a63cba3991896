//! What every hop of the lab does identically, so that a hop's own crate holds only what it teaches.
//!
//! Not a hop but the frame of all: nobody has to read it to understand one. Who wants to begins with three files:
//!
//! | file | minutes | what one sees there |
//! |---|---|---|
//! | [`start.rs`](mod@start) | 5 min | how a process begins and ends: logs, sockets, signals, drain, exit code |
//! | [`stamped.rs`](mod@stamped) | 5 min | how a socket remembers when which byte passed |
//! | [`http/exchange.rs`](http::exchange) | 10 min | what is known of one request, and how it becomes a span |
//!
//! The chapters, each a folder or a file:
//!
//! | chapter | answers |
//! |---|---|
//! | [`mod@start`], [`settings`], [`log`] | how does a process begin and end, what is it told, what does it say about itself? |
//! | [`listen`], [`accept`] | how is a port bound or taken over? the one accept loop, with its limit and its drain |
//! | [`stamped`] | when did which byte pass this socket? |
//! | [`datagrams`] | how do many datagrams pass in one system call? |
//! | [`telemetry`], [`otlp`], [`trace`], `metrics` | where do spans go, in which form, and what is counted? |
//! | [`http::server`] | a request's way in: limits, protection, bodies with a pace, HTTP/1.1 and HTTP/2 |
//! | [`http::client`] | a request's way out: pooled connections with the same stamps |
//! | [`upstream`] | the same over other protocols than HTTP: one request at a time, and who gets a connection |
//! | [`http::forward`] | what a proxy changes, refuses, holds and passes on |
//! | [`http`] | what all of these share: the [`Exchange`](http::Exchange), problems, bodies, responses |
//! | [`admin`] | is it alive, is it ready, who may change something? |
//! | [`files`] | files that are whole after a power cut, and folders that belong to one process |
//! | [`clock`], [`wait`], [`pace`] | the only places that read a clock, wait for a condition or for a moment |

#![warn(missing_docs)]

pub mod accept;
pub mod admin;
pub mod clock;
pub mod datagrams;
pub mod files;
pub mod http;
pub mod listen;
pub mod log;
mod metrics;
pub mod otlp;
pub mod pace;
pub mod settings;
pub mod stamped;
pub mod start;
pub mod telemetry;
pub mod trace;
pub mod upstream;
pub mod wait;

pub use admin::Admin;
pub use metrics::Operation;
pub use settings::Common;
pub use stamped::{Ends, Mark, Side, Stamped, Stamps};
pub use start::{Hop, start};
pub use telemetry::Telemetry;
pub use tokio_util::sync::CancellationToken;
