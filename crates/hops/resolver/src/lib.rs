//! A caching recursive resolver, such as an internet provider runs for its customers. A browser asks
//! it one question; it asks the root, then the server the root names, and so on down to one that
//! knows. Then it remembers, and the next customer's question costs one round trip.
//!
//! What this hop teaches: a *cold* name is a walk of several questions, a *warm* one is none; and what
//! decides between them is a number in a zone file, the TTL. Read in this order:
//!
//! | module | answers |
//! |---|---|
//! | `iterate` | how does one get from the root to the answer? |
//! | `zone_servers` | which of a zone's servers is asked, and what if it does not answer? |
//! | `minimise` | how much of the name does each server learn? |
//! | `bailiwick` | what does a response mean, and how much of it may be believed? |
//! | `alias`, `chain` | which names stand for others, and where does that end? |
//! | `cache`, `health` | what is remembered of names, and of name servers? |
//! | [`exchange`] | one question to one name server: what goes over the wire, and what can go wrong? |
//! | [`resolver`] | what do all questions share, and how many may be worked on? |
//! | `coalesce` | what if many ask the same at once? |
//! | [`outcome`], [`query_trace`] | what did it come to, and what did it cost? |
//! | [`respond`] | bytes in, bytes out, and what is told about it |
//! | crate `dnswire` | what do the bytes look like, and what if they do not fit? |
//! | [`server`], [`doh`] | UDP and TCP; HTTPS |
//! | [`config`] | flags and environment |
//!
//! It does not validate DNSSEC: the lab's zones are not signed.

mod alias;
mod bailiwick;
mod cache;
mod chain;
mod coalesce;
pub mod config;
pub mod doh;
pub mod exchange;
mod health;
mod iterate;
mod minimise;
pub mod outcome;
pub mod query_trace;
pub mod resolver;
pub mod respond;
pub mod server;
mod zone_servers;
