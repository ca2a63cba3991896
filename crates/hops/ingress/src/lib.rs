//! A Kubernetes Ingress controller: one door to the cluster, and a table of rules that says which
//! Service each request belongs to.
//!
//! What this hop teaches: routing on layer 7. The load balancer before it chooses among *equal*
//! servers; the Ingress chooses among *different* ones, so it has to understand the request: its
//! host and its path. Behind it, a Service's address (a ClusterIP) hides the pods. Read in this order:
//!
//! | module | answers |
//! |---|---|
//! | [`routes`] | which rule matches a host and a path, and which one wins? |
//! | [`forward`] | what happens to a request on its way through? |
//! | [`server`] | sockets, limits, drain |
//! | [`config`] | flags and environment |

pub mod config;
pub mod forward;
pub mod routes;
pub mod server;
