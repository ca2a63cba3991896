//! The TLS handshake, from the server's side: what is said, what it costs, and when.
//!
//! TLS 1.3 (RFC 8446 §2), one round trip before the client may send its request:
//!
//! ```text
//! client                                        server
//!   ClientHello: versions, ciphers, a key share,
//!                the name it wants (SNI), ALPN  ──►  Wake: the hello has been read
//!                                                    chooses, makes its own key share, and from
//!                                                    here on both can encrypt; signs the handshake
//!                                                    with the certificate's private key: that
//!                                                    signature is the expensive part
//!   ◄──  ServerHello, certificate, signature, Finished      Tx: the server's flight leaves
//!   checks the certificate; Finished, and at once
//!   its first request                           ──►  handshake done; two session tickets follow
//! ```
//!
//! The key exchange is X25519MLKEM768 with whoever speaks it, browsers do, and else X25519: see `tlscrypto`.
//!
//! TLS 1.2 (RFC 5246 §7.3) needs a second round trip: keys are exchanged only after the hellos, so
//! the server's *last* flight is the one the client waits for.
//!
//! **Resumption** skips certificate and signature: the client shows a ticket from an earlier
//! connection, which only this server can decrypt (RFC 8446 §2.2). TLS 1.2 clients may use a ticket
//! too (RFC 5077) or a session id, kept in a cache here.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::ServerSessionMemoryCache;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;

use hop::{Stamped, Telemetry};
use tlscrypto::accept;

pub use tlscrypto::Certificates;

/// TLS 1.2 sessions remembered for clients without tickets.
const SESSIONS: usize = 4096;

/// Does handshakes. How they are timed, and how the certificate is replaced meanwhile, is in `tlscrypto`.
#[derive(Clone)]
pub struct Terminator {
    config: Arc<ServerConfig>,
    limit: Duration,
    telemetry: Telemetry,
}

impl Terminator {
    /// With these certificates; a handshake may take `limit`.
    ///
    /// # Errors
    /// The machine gives no randomness for the ticket keys.
    pub fn new(
        certificates: Arc<Certificates>,
        limit: Duration,
        telemetry: Telemetry,
    ) -> anyhow::Result<Self> {
        let mut config = tlscrypto::server_config(certificates).context("choose TLS versions")?;
        // Ticket keys live in memory, are replaced every six hours and forgotten after twelve.
        config.ticketer = ring::Ticketer::new().context("make keys for session tickets")?;
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        Ok(Terminator { config: Arc::new(config), limit, telemetry })
    }

    /// # Errors
    /// The client is silent for too long, does not speak TLS, has nothing in common with us, or does
    /// not trust the certificate. It has been told by a TLS alert where one makes sense.
    pub async fn handshake<S>(&self, stream: Stamped<S>) -> io::Result<TlsStream<Stamped<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = accept(Arc::clone(&self.config), stream, &self.telemetry);
        tokio::time::timeout(self.limit, handshake)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
