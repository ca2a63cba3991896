//! Hop 0, the user's browser: everything that happens before a request is under way, and the first stamp of every
//! journey.
//!
//! What this hop teaches: **a request is the last thing that happens.** Before it, a name is resolved (a stub
//! resolver queries a caching one), a TCP connection is made (a round trip), TLS shakes hands (another, with TLS 1.3),
//! HTTP/2 says hello. The second request finds all of that done: names are cached for their TTL, connections are kept,
//! TLS sessions can be resumed. Every step is a span, so that time between the browser's own spans is nobody's:
//! *unaccounted*.
//!
//! Read first:
//!
//! | file | minutes | what it says |
//! |---|---|---|
//! | `stub.rs` | 5 min | what a resolver's response means, and when it is believed |
//! | `connect.rs` | 4 min | TCP, TLS, HTTP, one after the other |
//! | `browser.rs` | 6 min | which of these steps a request needs, and when it is sent again |
//!
//! Then `exchange` and `body` (one request and its response, and when its last byte left), `sender` (HTTP/1.1 or
//! HTTP/2), `recorder` (the spans of a journey that is under way).
//!
//! As a program (`arguments`, `cli`, `steps`) it is a client that shows its steps: `cargo run -p browser -- --help`.
//! It is the only hop that others link: whoever sends the request takes its first stamp, so `measure` drives this library.

#![warn(missing_docs)]

pub mod arguments;
mod body;
mod browser;
pub mod cli;
mod config;
mod connect;
mod exchange;
mod recorder;
mod request;
mod sender;
pub mod steps;
mod stub;

pub use browser::Browser;
pub use config::{Config, HttpVersion};
pub use recorder::BROWSER;
pub use request::{Request, Response};
