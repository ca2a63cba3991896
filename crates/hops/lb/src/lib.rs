//! The cloud load balancer: the one address that the world knows. Here TLS ends, and from here on a
//! request is readable, so that it can be sent to whichever upstream is healthy and least busy.
//!
//! What this hop teaches: what a TLS handshake costs and how it is avoided; how to choose among equal
//! servers; when sending a second time is safe. Begin with three files:
//!
//! | file | minutes | what one learns there |
//! |---|---|---|
//! | [`tls.rs`](mod@tls) | 5 min | what happens in a handshake, who proves what, how is a certificate replaced? |
//! | [`balance.rs`](mod@balance) | 3 min | which upstream gets the next request? |
//! | [`forward.rs`](mod@forward) | 5 min | the life of one request, with all of the below |
//!
//! and go on with what they use:
//!
//! | module | answers |
//! |---|---|
//! | [`health`], [`checker`] | which upstreams may get requests at all? |
//! | [`retry`] | when may a request be sent again, and how often in all? |
//! | [`upstreams`] | what is known of each upstream at this moment |
//! | [`server`], [`config`] | sockets, limits, reload, drain; flags and environment |
//!
//! Left out on purpose: slow start (an upstream that comes back gets its full share at once) and
//! encryption towards the Ingress (the cluster's network is trusted here). tower has a peak-EWMA balancer and a retry
//! budget, too: they read the clock and draw by themselves, so that no test could say what they will choose.

pub mod balance;
pub mod checker;
pub mod config;
pub mod forward;
pub mod health;
pub mod retry;
pub mod server;
pub mod tls;
pub mod upstreams;
