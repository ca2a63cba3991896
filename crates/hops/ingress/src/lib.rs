//! A Kubernetes Ingress controller: one way into the cluster, and a table of rules that says which
//! Service each request belongs to.
//!
//! What this hop teaches: routing on layer 7. The load balancer before it chooses among *equal*
//! servers; the Ingress chooses among *different* ones, so it has to understand the request: its
//! host and its path. Behind it, a Service's address (a ClusterIP) hides the pods. Begin with three files:
//!
//! | file | minutes | what one learns there |
//! |---|---|---|
//! | [`routes.rs`](mod@routes) | 8 min | which rule matches a host and a path, and which one wins? |
//! | [`forward.rs`](mod@forward) | 4 min | what happens to a request on its way through? |
//! | [`server.rs`](mod@server) | 1 min | sockets, limits, drain |
//!
//! [`config`] has the flags and the environment.

pub mod config;
pub mod forward;
pub mod routes;
pub mod server;
