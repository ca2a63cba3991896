//! The hybrid key exchange X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem, group 0x11EC): safe as long as one of the two is.
//!
//! Whoever records a handshake today could break X25519 once there is a quantum computer for it. ML-KEM-768 (FIPS 203)
//! is believed to withstand one, but is young. So both are done, and the secret is made of both. It costs bytes: the
//! client sends 1216 instead of 32 for it, the server 1120. Not every key exchange is symmetric: with ML-KEM the client
//! sends a public key, and the server a secret that it has encrypted to it.
//!
//! | | first | then |
//! |---|---|---|
//! | client's share | encapsulation key, 1184 bytes | X25519, 32 bytes |
//! | server's share | ciphertext, 1088 bytes | X25519, 32 bytes |
//! | secret | ML-KEM's, 32 bytes | X25519's, 32 bytes |

use ml_kem::kem::{Decapsulate as _, Encapsulate as _, Kem as _, KeyExport as _};
use ml_kem::ml_kem_768::{Ciphertext, DecapsulationKey, EncapsulationKey};
use ml_kem::{Key, MlKem768};
use rustls::crypto::ring::kx_group;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};

/// The group, for rustls.
pub static X25519MLKEM768: &dyn SupportedKxGroup = &Hybrid;

/// The client's share, in bytes.
pub const CLIENT_SHARE: usize = ENCAPSULATION_KEY + X25519;
/// The server's share, in bytes.
pub const SERVER_SHARE: usize = CIPHERTEXT + X25519;
/// FIPS 203, table 3.
const ENCAPSULATION_KEY: usize = 1184;
const CIPHERTEXT: usize = 1088;
/// RFC 7748 §6.1.
const X25519: usize = 32;

#[derive(Debug)]
struct Hybrid;

impl SupportedKxGroup for Hybrid {
    /// The client's key share, sent with the ClientHello.
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let classical = kx_group::X25519.start()?;
        let (key, encapsulation_key) = MlKem768::generate_keypair_from_rng(&mut rand::rng());
        let share = [&encapsulation_key.to_bytes()[..], classical.pub_key()].concat();
        Ok(Box::new(Client { classical, key, share }))
    }

    /// The server's part, all of it.
    fn start_and_complete(&self, client: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (encapsulation_key, classical) = split::<CLIENT_SHARE, ENCAPSULATION_KEY>(client)?;
        // FIPS 203 §7.2: a key whose numbers are out of range is refused.
        let key = Key::<EncapsulationKey>::try_from(encapsulation_key).map_err(|_| INVALID)?;
        let key = EncapsulationKey::new(&key).map_err(|_| INVALID)?;
        let classical = kx_group::X25519.start_and_complete(classical)?;
        let (ciphertext, secret) = key.encapsulate_with_rng(&mut rand::rng());
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: [&ciphertext[..], &classical.pub_key].concat(),
            secret: joined(&secret, &classical.secret),
        })
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    /// Older versions have no room for a response that differs from the request.
    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// A client that waits for the server's share.
struct Client {
    classical: Box<dyn ActiveKeyExchange>,
    key: DecapsulationKey,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Client {
    fn complete(self: Box<Self>, server: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, classical) = split::<SERVER_SHARE, CIPHERTEXT>(server)?;
        let classical = self.classical.complete(classical)?;
        // FIPS 203 §6.3: a ciphertext that was not made for this key gives a secret that nobody else has, and the
        // handshake fails at the first encrypted byte.
        let secret = self.key.decapsulate(&Ciphertext::try_from(ciphertext).map_err(|_| INVALID)?);
        Ok(joined(&secret, &classical))
    }

    /// The same X25519 key is offered by itself, too: a server that does not speak the hybrid group takes it without
    /// demanding another ClientHello.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.classical.group(), self.classical.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, server: &[u8]) -> Result<SharedSecret, Error> {
        self.classical.complete(server)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

const INVALID: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

/// A share of exactly `WHOLE` bytes, whose first `FIRST` are ML-KEM's.
fn split<const WHOLE: usize, const FIRST: usize>(share: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    if share.len() == WHOLE { Ok(share.split_at(FIRST)) } else { Err(INVALID) }
}

fn joined(post_quantum: &[u8], classical: &SharedSecret) -> SharedSecret {
    SharedSecret::from([post_quantum, classical.secret_bytes()].concat())
}

#[cfg(test)]
mod tests;
