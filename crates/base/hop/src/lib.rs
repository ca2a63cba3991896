//! What every hop of the lab does identically, so that a hop's own crate holds only what it teaches.
//!
//! | module | answers |
//! |---|---|
//! | [`mod@start`] | how does a process begin and end? (logs, runtime, signals, exit code) |
//! | [`log`] | what does a program say about itself, how often, and what if it can't? |
//! | [`listen`] | how is a port bound, and what is said when it is taken? |
//! | [`accept`] | the one accept loop, with its limit and its drain |
//! | [`stamped`] | when did which byte pass this socket? |
//! | [`telemetry`], [`otlp`] | where do spans go, and in which form? |
//! | [`http`] | how are requests answered and forwarded with `traceparent`, `Server-Timing` and problem JSON? |
//! | [`upstream`] | how is a request sent over another protocol than HTTP, and who gets a connection? |
//! | [`admin`], `metrics` | is it alive, is it ready, what are its metrics? |
//! | [`clock`], [`wait`], [`pace`] | the only places that read a clock, wait for a condition or for a moment |

#![warn(missing_docs)]

pub mod accept;
pub mod admin;
pub mod clock;
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
pub use settings::Common;
pub use stamped::{Mark, Stamped, Stamps};
pub use start::{Hop, start};
pub use telemetry::Telemetry;
pub use tokio_util::sync::CancellationToken;
