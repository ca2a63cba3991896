//! A caching recursive resolver, such as an internet provider runs for its customers. A browser sends
//! it one query; it queries the root, then the server the root names, and so on down to one that
//! knows. Then it remembers, and the next customer's query costs one round trip.
//!
//! What this hop teaches: a *cold* name costs several queries to name servers, a *warm* one none; and what
//! decides between them is a number in a zone file, the TTL.
//!
//! Read first, 15 minutes in all:
//!
//! | file | minutes | answers |
//! |---|---|---|
//! | [`respond`] | 4 minutes | bytes in, bytes out, and what is reported of it |
//! | `cache` | 6 minutes | what is remembered of names, and for how long? |
//! | `recursion/src/iterate.rs` | 5 minutes | how does one get from the root to the records? |
//!
//! and then, in any order:
//!
//! | module | answers |
//! |---|---|
//! | [`resolver`] | what do all questions share, and how many recursions run at once? |
//! | [`server`], [`doh`] | UDP and TCP; HTTPS |
//! | [`config`] | flags and environment |
//! | crate `recursion` | how is a name found from the root down, and whom does one believe on the way? (a library of its own) |
//! | crate `dnswire` | what do the bytes look like, and what if they do not fit? |
//!
//! It does not validate DNSSEC: the lab's zones are not signed.

mod cache;
pub mod config;
pub mod doh;
pub mod resolver;
pub mod respond;
pub mod server;
