//! Recursion: how a name is found from the root down, and whom one believes on the way (RFC 1034 §5.3.3).
//!
//! A [`Recursor`] finds what a question comes to by querying name servers. It listens on no socket, and
//! decides neither how long anything is remembered nor how many clients may wait: a resolver does that, and
//! hands in its [`Cache`].
//!
//! ```no_run
//! # async fn example(cache: std::sync::Arc<dyn recursion::Cache>, telemetry: hop::Telemetry) {
//! use hickory_proto::rr::{Name, RecordType};
//! use recursion::{QueryTrace, Recursor, ServerMap};
//!
//! let servers = ServerMap::new(5300, "127.0.0.1".parse().unwrap());
//! let recursor = Recursor::new(vec!["127.0.53.1".parse().unwrap()], servers, cache);
//! let trace = QueryTrace::new(telemetry.recorder(), hop::trace::new_trace_id(), hop::trace::new_span_id());
//! let name = Name::from_ascii("api.myshop.com.").unwrap();
//! let outcome = recursor.resolve(name, RecordType::A, trace).await;
//! println!("{} {:?}", outcome.code, outcome.answers);
//! # }
//! ```
//!
//! Read in this order:
//!
//! | module | answers |
//! |---|---|
//! | `iterate` | how does one get from the root to the records? |
//! | `bailiwick` | what does a response mean, and how much of it may be believed? |
//! | `zone_servers` | which of a zone's servers is queried, and what if it does not respond? |
//! | `minimise` | how much of the name does each server learn? |
//! | [`alias`], `chain` | which names stand for others, and where does that end? |
//! | [`cache`](Cache), [`outcome`](Outcome) | what is found out about a name, and what does a question come to? |
//! | `servers`, `health` | what is known of single name servers, and which queries are with them? |
//! | `upstream`, [`server_map`](ServerMap) | one query to one name server: what goes over the wire, and what can go wrong? |
//! | [`coalesce`](Coalesce) | what if many want the same at once? |
//! | [`query_trace`](QueryTrace) | what did one client's query cost? |
//!
//! It does not validate DNSSEC: the lab's zones are not signed.

#![warn(missing_docs)]

pub mod alias;
mod bailiwick;
mod cache;
mod chain;
mod coalesce;
mod health;
mod iterate;
mod minimise;
mod outcome;
mod query_trace;
mod server_map;
mod servers;
mod upstream;
mod zone_servers;

pub use cache::{Cache, Delegation, End, FAILURE, Finding, NameServer};
pub use coalesce::{Coalesce, Done};
pub use iterate::Recursor;
pub use outcome::Outcome;
pub use query_trace::{MAX_QUERIES, QueryTrace};
pub use server_map::ServerMap;
