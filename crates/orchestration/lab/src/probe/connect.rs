//! TCP, TLS and HTTP/2 from the browser's side.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::Bytes;
use hop::{Mark, Stamped, Stamps};
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use journey::semconv::{attribute, name};
use journey::{Kind, PartKind, Stage};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Recorder;

/// What the browser trusts, and the sessions it can resume.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts one certificate authority and nothing else; tells the sessions' keys to `keys`.
    pub(super) fn trusting(ca: &Path, keys: Option<&super::keys::Keys>) -> anyhow::Result<Self> {
        let mut config = Self::config(ca, rustls::DEFAULT_VERSIONS)?;
        if let Some(keys) = keys {
            config.key_log = keys.sink();
        }
        Ok(Tls(Arc::new(config)))
    }

    /// Trusts the same, and speaks these versions of TLS only.
    pub(crate) fn speaking(
        ca: &Path,
        versions: &[&'static SupportedProtocolVersion],
    ) -> anyhow::Result<Self> {
        Ok(Tls(Arc::new(Self::config(ca, versions)?)))
    }

    fn config(ca: &Path, versions: &[&'static SupportedProtocolVersion]) -> anyhow::Result<ClientConfig> {
        let remedy = || format!("read the lab's certificate authority {} (`lab certs`)", ca.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).with_context(remedy)? {
            roots.add(certificate.with_context(remedy)?).with_context(remedy)?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(tlscrypto::provider()))
            .with_protocol_versions(versions)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    /// The handshake, over a connection.
    pub(crate) async fn shake_hands(&self, host: &str, stream: Stamped) -> io::Result<TlsStream<Stamped>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}

/// A kept connection.
pub(super) struct Connection {
    pub(super) sender: SendRequest<MarkedBody>,
    pub(super) stamps: Stamps,
    /// Has it carried a request already?
    pub(super) used: bool,
}

/// Makes a connection, each step a span.
pub(super) async fn connect(
    tls: &Tls,
    host: &str,
    address: SocketAddr,
    recorder: &mut Recorder,
) -> anyhow::Result<Connection> {
    let begun = hop::clock::now();
    let stream = Stamped::connect(address).await.context("connect")?;
    let stamps = stream.stamps();
    let span = recorder.span(Kind::Internal, name::TCP_HANDSHAKE, (begun, hop::clock::now()));
    recorder.spans.push(span.part(PartKind::Leg).stage(Stage::Tcp));

    let begun = hop::clock::now();
    let hello = Arc::new(Mutex::new(Mark::default()));
    let sink = Arc::clone(&hello);
    // The first flush carries exactly the ClientHello.
    stamps.after_flush(move |mark| *sink.lock().unwrap_or_else(PoisonError::into_inner) = mark);
    let stream = tls.shake_hands(host, stream).await.context(name::TLS_HANDSHAKE)?;
    let flight = stamps.last_read();
    let shaken = hop::clock::now();
    let (_, session) = stream.get_ref();
    let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or("?");
    let group = session.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
    let group = group.unwrap_or_else(|| "none".to_owned());
    let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    let negotiated = session.alpn_protocol() == Some(b"h2");
    let mut span = recorder
        .span(Kind::Client, name::TLS_HANDSHAKE, (begun, shaken))
        .stage(Stage::Tls)
        .with(attribute::TLS_CURVE, group)
        .with(attribute::TLS_PROTOCOL_VERSION, version.trim_start_matches("TLSv").replace('_', "."))
        .with(attribute::TLS_RESUMED, resumed);
    let hello = *hello.lock().unwrap_or_else(PoisonError::into_inner);
    span.stamps.push(stamps.write_stamp(hello));
    span.stamps.extend(stamps.read_stamps(flight));
    recorder.spans.push(span);
    if !negotiated {
        anyhow::bail!("{address} does not speak HTTP/2 (ALPN h2), which the lab's browser needs");
    }

    let (sender, driver) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(stream))
        .await
        .context("begin HTTP/2")?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "the browser's connection");
        }
    });
    recorder.did("HTTP/2 preface", shaken);
    Ok(Connection { sender, stamps, used: false })
}

/// Does the error say that the server did not process the request?
///
/// It was never written; or the server said GOAWAY and that this stream is none of those that it finishes,
/// or refused the stream (RFC 9113 §6.8, §8.7).
pub(super) fn was_not_processed(error: &anyhow::Error) -> bool {
    let Some(error) = error.downcast_ref::<hyper::Error>() else { return false };
    let http2 = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_canceled()
        || http2.is_some_and(|error| match error.reason() {
            Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
            Some(h2::Reason::REFUSED_STREAM) => error.is_remote(),
            _ => false,
        })
}

/// A request body that notes when its last byte left.
///
/// On HTTP/2 the last write before the response may be an acknowledgement of settings: only the
/// first flush after the body's end is the request.
pub(super) struct MarkedBody {
    bytes: Option<Bytes>,
    stamps: Stamps,
    sent: Sent,
}

/// Where [`MarkedBody`] puts what it noted.
#[derive(Clone, Default)]
pub(super) struct Sent(Arc<Mutex<Mark>>);

impl Sent {
    /// When the request's last byte left.
    pub(super) fn mark(&self) -> Mark {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MarkedBody {
    pub(super) fn new(bytes: Bytes, stamps: Stamps) -> (Self, Sent) {
        let sent = Sent::default();
        (
            MarkedBody { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()), stamps, sent: sent.clone() },
            sent,
        )
    }
}

impl Body for MarkedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl Drop for MarkedBody {
    fn drop(&mut self) {
        let sent = self.sent.clone();
        self.stamps.after_flush(move |mark| *sent.0.lock().unwrap_or_else(PoisonError::into_inner) = mark);
    }
}
