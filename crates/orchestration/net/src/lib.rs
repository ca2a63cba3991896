//! A private network for a stack, as an ordinary user and without touching the host's: network namespaces, one a host,
//! joined by a switch; the hosts have the addresses and ports that the plan gives them.
//!
//! Everything is held by file descriptors and processes: when they end, however they end, the kernel removes it.
//!
//! | module | answers |
//! |---|---|
//! | [`private`] | how does this process get a network of its own, and why not? |
//! | [`namespace`] | how does a thread, and with it what it starts, get into a host's network? |
//! | [`network`] | which hosts, which addresses, who reaches whom? |
//! | `route` | how is the kernel told of a link, an address, a route, a neighbour? (rtnetlink) |
//!
//! Linux only: user and network namespaces (user_namespaces(7), network_namespaces(7)), veth(4), bridge.

#![cfg(target_os = "linux")]
#![warn(missing_docs)]

pub mod namespace;
pub mod network;
pub mod private;
mod route;

pub use namespace::Namespace;
pub use network::{Host, Network};
pub use private::Refusal;
