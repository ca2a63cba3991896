//! The TLS handshake, from the server's side: what is said, what it costs, and when.
//!
//! TLS 1.3 (RFC 8446 §2), one round trip before the client may send its request:
//!
//! ```text
//! client                                        server (this file)
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

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::{Mutex, RwLock};
use rustls::crypto::ring;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};
use tlscrypto::negotiated::{cipher, group, version};
use tlscrypto::pem::certified_key;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use hop::{Mark, Stamped, Stamps, Telemetry, clock, trace};
use journey::semconv::{attribute, name};
use journey::{Kind, Span};

/// TLS 1.2 sessions remembered for clients without tickets.
const SESSIONS: usize = 4096;

/// The certificate of the moment; it can be replaced while connections run.
#[derive(Debug)]
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads a certificate chain and its private key, both PEM.
    ///
    /// # Errors
    /// A file is missing or broken, or the key is not the certificate's.
    pub fn load(certificate: &Path, key: &Path) -> anyhow::Result<Arc<Self>> {
        let current = RwLock::new(Arc::new(certified_key(certificate, key)?));
        Ok(Arc::new(Certificates { certificate: certificate.to_owned(), key: key.to_owned(), current }))
    }

    /// Reads both files again. New handshakes use the new certificate; connections that exist have no
    /// more use for the old one and go on.
    ///
    /// # Errors
    /// As [`Certificates::load`]; the old certificate then stays in service.
    pub fn reload(&self) -> anyhow::Result<()> {
        let new = Arc::new(certified_key(&self.certificate, &self.key)?);
        *self.current.write() = new;
        Ok(())
    }
}

impl ResolvesServerCert for Certificates {
    /// Whatever name the client wants: this balancer has one certificate.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

/// Does handshakes.
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

    /// One handshake: TLS on top of a connection.
    ///
    /// # Errors
    /// The client is silent for too long, does not speak TLS, has nothing in common with us, or does
    /// not trust the certificate. It has been told by a TLS alert where one makes sense.
    pub async fn handshake<S>(&self, stream: Stamped<S>) -> std::io::Result<TlsStream<Stamped<S>>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let shake = self.shake(stream);
        tokio::time::timeout(self.limit, shake)
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }

    async fn shake<S>(&self, stream: Stamped<S>) -> std::io::Result<TlsStream<Stamped<S>>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let stamps = stream.stamps();
        // The acceptor stops exactly between reading the ClientHello and answering it: what was read
        // last is the hello's last byte.
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = stamps.last_read();

        // The first thing written from here on is the server's flight: note where it ended. Later
        // is too late: by the time the handshake is done, session tickets have followed it.
        let flight = Arc::new(Mutex::new(None));
        let note = Arc::clone(&flight);
        stamps.after_flush(move |mark| {
            note.lock().get_or_insert(mark);
        });
        let stream = start.into_stream(Arc::clone(&self.config)).await?;

        if self.telemetry.enabled() {
            let flight = *flight.lock();
            let session = stream.get_ref().1;
            let answered = match flight {
                Some(flight) if first_flight_is_last(session) => flight,
                _ => stamps.last_write(),
            };
            self.report(&stamps, session, hello, answered);
        }
        Ok(stream)
    }

    /// Tells the lab about a handshake. No header can carry a trace id yet, so the span has one of
    /// its own; it is joined to the client's by flow and offset.
    fn report(&self, stamps: &Stamps, session: &ServerConnection, hello: Mark, answered: Mark) {
        let flow = stamps.flow();
        let (trace_id, span_id) = (trace::new_trace_id(), trace::new_span_id());
        let times = (stamps.opened(), clock::now());
        let mut span = Span::new(trace_id, span_id, None, Kind::Server, name::TLS_HANDSHAKE, times)
            .with(attribute::TLS_PROTOCOL_VERSION, version(session))
            .with(attribute::TLS_CIPHER, cipher(session))
            .with(attribute::TLS_CURVE, group(session))
            .with(attribute::TLS_RESUMED, session.handshake_kind() == Some(HandshakeKind::Resumed))
            .with(attribute::NETWORK_PEER_ADDRESS, flow.client.ip().to_string())
            .with(attribute::NETWORK_PEER_PORT, flow.client.port());
        if let Some(name) = session.server_name() {
            span = span.with(attribute::TLS_CLIENT_SERVER_NAME, name.to_owned());
        }
        if let Some(protocol) = session.alpn_protocol() {
            span = span.with(attribute::TLS_NEXT_PROTOCOL, String::from_utf8_lossy(protocol).into_owned());
        }
        span.stamps = stamps.read_stamps(hello).chain([stamps.write_stamp(answered)]).collect();
        // What this program itself did: from the hello to its answer. The rest was waiting for the
        // client. With TLS 1.2 the client's turn lies in between, so there is no such interval.
        if first_flight_is_last(session) {
            let parent = Some(span_id);
            let times = (hello.at, answered.at);
            let own = Span::new(
                trace_id,
                trace::new_span_id(),
                parent,
                Kind::Internal,
                "answer ClientHello",
                times,
            );
            self.telemetry.emit(own);
        }
        self.telemetry.emit(span);
    }
}

/// Is the server's first flight the one that completes the handshake for the client? Not when
/// TLS 1.2 starts from nothing, nor when the client had to send a second hello (RFC 8446 §4.1.4).
fn first_flight_is_last(session: &ServerConnection) -> bool {
    match session.handshake_kind() {
        Some(HandshakeKind::Full) => session.protocol_version() == Some(ProtocolVersion::TLSv1_3),
        // A resumed TLS 1.2 handshake is as short as TLS 1.3: the server finishes first (RFC 5246 §7.3).
        Some(HandshakeKind::Resumed) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
