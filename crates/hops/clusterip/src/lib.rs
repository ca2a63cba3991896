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
//! Begin with three files:
//!
//! | file | minutes | what one learns there |
//! |---|---|---|
//! | [`balance.rs`](mod@balance) | 3 min | which pod gets the next connection? |
//! | [`endpoints.rs`](mod@endpoints) | 4 min | which pods are there to choose from, and how does that change while running? |
//! | [`proxy.rs`](mod@proxy) | 6 min | how do bytes get across, both ways, without being kept or changed? |
//!
//! and go on with what is around them:
//!
//! | module | answers |
//! |---|---|
//! | [`server`] | one connection from accept to end, and whose fault it is when it fails |
//! | `drain`, [`idle_timeout`] | when is a connection closed whose bytes nobody here understands? |
//! | [`admin`], [`config`] | how does the control plane tell the Service about its pods? flags and environment |

pub mod admin;
pub mod balance;
pub mod config;
mod drain;
pub mod endpoints;
pub mod idle_timeout;
pub mod proxy;
pub mod server;
