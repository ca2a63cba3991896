//! A handshake from the server's side, and when what of it passed.

use std::io;
use std::sync::Arc;

use hop::{Mark, Stamped, Stamps, Telemetry, clock, trace};
use journey::semconv::{attribute, name};
use journey::{Kind, Span};
use parking_lot::Mutex;
use rustls::server::Acceptor;
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::negotiated::{cipher, group, version};

/// One handshake: TLS on top of a connection; a span of its own where there is telemetry.
///
/// # Errors
/// The client does not speak TLS, has nothing in common with us, or does not trust the certificate. It has been told by a
/// TLS alert where one makes sense.
pub async fn accept<S>(
    config: Arc<ServerConfig>,
    stream: Stamped<S>,
    telemetry: &Telemetry,
) -> io::Result<TlsStream<Stamped<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stamps = stream.stamps();
    // The acceptor stops exactly between reading the ClientHello and responding: what was read
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
    let stream = start.into_stream(config).await?;

    if telemetry.enabled() {
        let flight = *flight.lock();
        let session = stream.get_ref().1;
        let responded = match flight {
            Some(flight) if first_flight_is_last(session) => flight,
            _ => stamps.last_write(),
        };
        report(telemetry, &stamps, session, hello, responded);
    }
    Ok(stream)
}

/// Reports a handshake. No header can carry a trace id yet, so the span has one of
/// its own; it is joined to the client's by flow and offset.
fn report(telemetry: &Telemetry, stamps: &Stamps, session: &ServerConnection, hello: Mark, responded: Mark) {
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
    span.stamps = stamps.read_stamps(hello).chain([stamps.write_stamp(responded)]).collect();
    // What this program itself did: from the hello to its response. The rest was waiting for the
    // client. With TLS 1.2 the client's turn lies in between, so there is no such interval.
    if first_flight_is_last(session) {
        let parent = Some(span_id);
        let times = (hello.at, responded.at);
        let own = Span::new(trace_id, trace::new_span_id(), parent, Kind::Internal, "ServerHello", times);
        telemetry.emit(own);
    }
    telemetry.emit(span);
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
