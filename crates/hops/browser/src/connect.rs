//! What happens before a request can be sent: TCP connects, TLS shakes hands, HTTP/2 begins.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use hop::{Mark, Stamped, Stamps};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use journey::semconv::{attribute, name};
use journey::{Kind, PartKind, Stage};
use parking_lot::Mutex;
use tlscrypto::negotiated;
use tokio_rustls::client::TlsStream;

use crate::body::MarkedBody;
use crate::recorder::Recorder;
use crate::tls::Tls;

/// A kept connection.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<MarkedBody>,
    pub(crate) stamps: Stamps,
    /// Has it carried a request already?
    pub(crate) used: bool,
}

/// Makes a connection, each step a span.
pub(crate) async fn connect(
    tls: &Tls,
    host: &str,
    address: SocketAddr,
    recorder: &mut Recorder,
) -> anyhow::Result<Connection> {
    let stream = tcp(address, recorder).await?;
    let stamps = stream.stamps();
    let (stream, done) = handshake(tls, host, stream, recorder).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
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
    recorder.worked("HTTP/2 preface", done);
    Ok(Connection { sender, stamps, used: false })
}

/// SYN, SYN-ACK, ACK: one round trip.
async fn tcp(address: SocketAddr, recorder: &mut Recorder) -> anyhow::Result<Stamped> {
    let begun = hop::clock::now();
    let stream = Stamped::connect(address).await.context("connect")?;
    let span = recorder.span(Kind::Internal, name::TCP_HANDSHAKE, (begun, hop::clock::now()));
    recorder.spans.push(span.part(PartKind::Leg).stage(Stage::Tcp));
    Ok(stream)
}

/// ClientHello out; ServerHello, certificate and Finished in: one more round trip with TLS 1.3 (RFC 8446 §2). The second
/// value says when it was over.
async fn handshake(
    tls: &Tls,
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
    let stream = tls.handshake(host, stream).await.context(name::TLS_HANDSHAKE)?;
    let flight = stamps.last_read();
    let done = hop::clock::now();
    let (_, session) = stream.get_ref();
    let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    let mut span = recorder
        .span(Kind::Client, name::TLS_HANDSHAKE, (begun, done))
        .stage(Stage::Tls)
        .with(attribute::TLS_CURVE, negotiated::group(session))
        .with(attribute::TLS_PROTOCOL_VERSION, negotiated::version(session))
        .with(attribute::TLS_RESUMED, resumed);
    span.stamps.push(stamps.write_stamp(*hello.lock()));
    span.stamps.extend(stamps.read_stamps(flight));
    recorder.spans.push(span);
    Ok((stream, done))
}
