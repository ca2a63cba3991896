//! With which cryptography do the TLS endpoints here work? The load balancer, the resolver's DNS over HTTPS and the
//! browser take it from [`provider`], so that all agree.
//!
//! | module | answers |
//! |---|---|
//! | `hybrid` | how do two key exchanges become one? |
//! | `acceptor` | when does which part of a server's handshake pass? |
//! | `certificates` | how is a certificate replaced while connections run? |
//! | [`pem`] | what is in certificate and key files? |
//! | `client`, `server` | what does a browser trust and offer? what does an HTTPS server? |
//! | [`negotiated`] | what did a handshake agree on? |

#![warn(missing_docs)]

use rustls::crypto::{CryptoProvider, ring};

mod acceptor;
mod certificates;
mod client;
mod hybrid;
pub mod negotiated;
pub mod pem;
mod server;

pub use acceptor::accept;
pub use certificates::Certificates;
pub use client::client_config;
pub use hybrid::{CLIENT_SHARE, SERVER_SHARE, X25519MLKEM768};
pub use server::server_config;

/// ring's algorithms, and before its key exchange groups the hybrid one that browsers prefer: whoever speaks it gets
/// it, and whoever does not finds X25519 as ever (its share is in the same ClientHello).
pub fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.kx_groups.insert(0, X25519MLKEM768);
    provider
}
