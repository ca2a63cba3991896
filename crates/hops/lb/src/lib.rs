//! The cloud load balancer: the one address that the world knows. Here TLS ends, and from here on a
//! request is readable, so that it can be sent to whichever upstream is healthy and least busy.
//!
//! What this hop teaches: what a TLS handshake costs and how it is avoided; how to choose among equal
//! servers; when asking a second time is safe. Read in this order:
//!
//! | module | answers |
//! |---|---|
//! | [`tls`] | what happens in a handshake, who proves what, and how is a certificate replaced? |
//! | [`balance`] | which upstream gets the next request? |
//! | [`health`] | which upstreams may be asked at all? |
//! | [`retry`] | when may a request be sent again, and how often in all? |
//! | `untouched` | how can a body that streams through still go to another upstream? |
//! | [`forward`] | the life of one request, with all of the above |
//! | [`upstreams`] | what is known of each upstream at this moment |
//! | [`server`] | sockets, limits, reload, drain |
//! | [`config`] | flags and environment |
//!
//! Left out on purpose: slow start (an upstream that comes back gets its full share at once) and
//! encryption towards the Ingress (the cluster's network is trusted here).

pub mod balance;
pub mod config;
pub mod forward;
pub mod health;
pub mod retry;
pub mod server;
pub mod tls;
mod untouched;
pub mod upstreams;
