//! With which cryptography do the TLS endpoints here work? The load balancer, the resolver's DNS over HTTPS and the
//! lab's browser ask [`provider`], so that all agree.

#![warn(missing_docs)]

use rustls::crypto::{CryptoProvider, ring};

mod hybrid;

pub use hybrid::{CLIENT_SHARE, SERVER_SHARE, X25519MLKEM768};

/// ring's algorithms, and before its key exchange groups the hybrid one that browsers prefer: whoever speaks it gets
/// it, and whoever does not finds X25519 as ever (its share is in the same ClientHello).
pub fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.kx_groups.insert(0, X25519MLKEM768);
    provider
}
