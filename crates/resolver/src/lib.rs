//! A caching recursive resolver, such as an internet provider runs for its customers. A browser asks
//! it one question; it asks the root, then the server the root names, and so on down to one that
//! knows. Then it remembers, and the next customer's question costs one round trip.
//!
//! What this hop teaches: a *cold* name is a walk of several questions, a *warm* one is none; and what
//! decides between them is a number in a zone file, the TTL. Read in this order:
//!
//! | module | answers |
//! |---|---|
//! | [`iterate`] | who walks, what is remembered, and for how long? |
//! | [`upstream`] | one question to one name server: what goes over the wire, and what can go wrong? |
//! | [`trip`] | which questions did a client's query cause, and when? |
//! | [`respond`] | bytes in, bytes out, and what is told about it |
//! | crate `dnswire` | what do the bytes look like, and what if they do not fit? |
//! | [`server`], [`doh`] | UDP and TCP; HTTPS |
//! | [`config`] | flags and environment |

pub mod config;
pub mod doh;
pub mod iterate;
pub mod respond;
pub mod server;
pub mod trip;
pub mod upstream;
