//! What happens before a request can be sent: TCP connects, TLS shakes hands, HTTP begins.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use hop::{Mark, Stamped, Stamps};
use journey::semconv::{attribute, name};
use journey::{Kind, PartKind, Stage};
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tlscrypto::negotiated;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{Config, HttpVersion};
use crate::recorder::Recorder;
use crate::sender::Sender;

/// A kept connection.
pub(crate) struct Connection {
    pub(crate) sender: Sender,
    pub(crate) stamps: Stamps,
    /// Has it carried a request already?
    pub(crate) used: bool,
}

/// Makes a connection, each step a span.
pub(crate) async fn connect(
    tls: &Arc<ClientConfig>,
    config: &Config,
    address: SocketAddr,
    recorder: &mut Recorder,
) -> anyhow::Result<Connection> {
    let stream = tcp(address, recorder).await?;
    let stamps = stream.stamps();
    let (stream, done) = handshake(tls, &config.host, stream, recorder).await?;
    let (offered, chosen) = (config.http.alpn(), stream.get_ref().1.alpn_protocol());
    if config.http == HttpVersion::Http2 && chosen != Some(offered) {
        anyhow::bail!("{address} does not speak HTTP/2 (ALPN h2), which the lab's browser needs");
    }
    let sender = Sender::begin(config.http, stream).await?;
    if config.http == HttpVersion::Http2 {
        recorder.worked("HTTP/2 preface", done);
    }
    Ok(Connection { sender, stamps, used: false })
}

/// SYN, SYN-ACK, ACK: one round trip.
async fn tcp(address: SocketAddr, recorder: &mut Recorder) -> anyhow::Result<Stamped> {
    let (stream, handshake) = Stamped::connect_timed(address).await.context("connect")?;
    let span = recorder.span(Kind::Internal, name::TCP_HANDSHAKE, handshake.times());
    let span = handshake.describe(span.part(PartKind::Leg).stage(Stage::Tcp));
    recorder.spans.push(
        span.with(attribute::NETWORK_PEER_ADDRESS, address.ip().to_string())
            .with(attribute::NETWORK_PEER_PORT, address.port()),
    );
    Ok(stream)
}

/// ClientHello out; ServerHello, certificate and Finished in: one more round trip with TLS 1.3 (RFC 8446 §2). The second
/// value says when it was over.
async fn handshake(
    tls: &Arc<ClientConfig>,
    host: &str,
    stream: Stamped,
    recorder: &mut Recorder,
) -> anyhow::Result<(TlsStream<Stamped>, u64)> {
    let begun = hop::clock::now();
    let stamps = stream.stamps();
    let hello = Arc::new(Mutex::new(Mark::default()));
    let sink = Arc::clone(&hello);
    // The first flush carries exactly the ClientHello.
    stamps.after_flush(move |mark| *sink.lock() = mark);
    let server = ServerName::try_from(host.to_owned())?;
    let connecting = TlsConnector::from(Arc::clone(tls)).connect(server, stream);
    let stream = connecting.await.context(name::TLS_HANDSHAKE)?;
    let flight = stamps.last_read();
    let done = hop::clock::now();
    let (_, session) = stream.get_ref();
    let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    let mut span = recorder
        .span(Kind::Client, name::TLS_HANDSHAKE, (begun, done))
        .stage(Stage::Tls)
        .with(attribute::TLS_CURVE, negotiated::group(session))
        .with(attribute::TLS_CIPHER, negotiated::cipher(session))
        .with(attribute::TLS_PROTOCOL_VERSION, negotiated::version(session))
        .with(attribute::TLS_RESUMED, resumed);
    if let Some(chosen) = session.alpn_protocol() {
        span = span.with(attribute::TLS_NEXT_PROTOCOL, String::from_utf8_lossy(chosen).into_owned());
    }
    span.stamps.push(stamps.write_stamp(*hello.lock()));
    span.stamps.extend(stamps.read_stamps(flight));
    recorder.spans.push(span);
    Ok((stream, done))
}
