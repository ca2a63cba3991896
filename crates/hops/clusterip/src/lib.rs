//! A Kubernetes ClusterIP Service: one stable address in front of pods that come and go.
//!
//! What this hop teaches: **a Service chooses per connection, not per request.** It works at layer 4:
//! it sees a TCP connection begin, picks one ready pod, and from then on moves bytes that it does not
//! understand. An HTTP client that keeps its connection alive therefore stays *pinned* to one pod,
//! however many requests it sends; ten pods behind a Service do not help a client that has one
//! connection. Spreading requests takes someone who can read them: the layer-7 ingress or load
//! balancer in front, or a client with a pool of connections.
//!
//! In a real cluster there is no such process: kube-proxy writes the same rules into the kernel
//! (iptables, nftables or IPVS), which rewrites the address of each connection's packets. Here the
//! rules run in user space, as kube-proxy's own first mode did, so that they can be read, stepped
//! through and timed. The price is visible in the measurements: two sockets instead of one, and a
//! wake-up in each direction.
//!
//! Read in this order:
//!
//! | module | answers |
//! |---|---|
//! | [`balance`] | which pod gets the next connection? |
//! | [`endpoints`] | which pods are there to choose from, and how does that change while running? |
//! | [`relay`] | how do bytes get across, both ways, without being kept or changed? |
//! | `drain` | when may a connection be closed whose bytes nobody here understands? |
//! | [`silence`] | when is a connection given up on which nothing happens? |
//! | [`server`] | one connection from accept to end, and whose fault it is when it fails |
//! | [`admin`] | how does the control plane tell the Service about its pods? |
//! | [`config`] | flags and environment |

pub mod admin;
pub mod balance;
pub mod config;
mod drain;
pub mod endpoints;
pub mod relay;
pub mod server;
pub mod silence;
