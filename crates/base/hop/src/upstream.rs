//! Requests over other protocols than HTTP: connections that carry one request at a time, and who may use which.
//!
//! A protocol's client (`redis-client`, `kafka-client`) encodes requests and decodes responses; here is what such
//! clients have in common. A stamp is exact only where the program that takes it owns the socket, and the usual
//! clients hide theirs behind a connection that many requests share: hence clients of our own.
//!
//! * [`Connection`]: bytes out, bytes in, and exactly when.
//! * [`Pool`]: a bounded number of connections, and a name for the time that is waited for one.
//! * [`Failure`]: why there is no response that can be used, and whether the request may be sent again.

mod connection;
mod failure;
mod pool;

pub use connection::Connection;
pub use failure::Failure;
pub use pool::{Permit, Pool};
