//! A caching recursive resolver, such as an internet provider runs for its customers. A browser sends
//! it one query; it queries the root, then the server the root names, and so on down to one that
//! knows. Then it remembers, and the next customer's query costs one round trip.
//!
//! What this hop teaches: a *cold* name costs several queries to name servers, a *warm* one none; and what
//! decides between them is a number in a zone file, the TTL.
//!
//! Read first, 15 minutes in all:
//!
//! 1. `respond.rs` (5 minutes): from the bytes of a query to the bytes of its response.
//! 2. `cache.rs` (6 minutes): what is remembered of names, and for how long.
//! 3. `resolver.rs` (4 minutes): when a recursion starts, who shares it, and how many run at once.
//!
//! How a recursion finds a name from the root down is a library of its own, `recursion`; begin there with
//! `iterate.rs`.
//!
//! | module | answers |
//! |---|---|
//! | [`respond`] | bytes in, bytes out, and what is reported of it |
//! | `cache` | what is remembered of names? |
//! | [`resolver`] | what do all questions share, and how many may be worked on? |
//! | [`server`], [`doh`] | UDP and TCP; HTTPS |
//! | [`config`] | flags and environment |
//! | crate `recursion` | how is a name found from the root down, and whom does one believe on the way? |
//! | crate `dnswire` | what do the bytes look like, and what if they do not fit? |
//!
//! It does not validate DNSSEC: the lab's zones are not signed.

mod cache;
pub mod config;
pub mod doh;
pub mod resolver;
pub mod respond;
pub mod server;
