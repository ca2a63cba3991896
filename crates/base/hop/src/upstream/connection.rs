//! One request at a time on one stamped connection.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use journey::Span;
use journey::semconv::{attribute, name};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::failure::Failure;
use crate::clock;
use crate::http::Exchange;
use crate::stamped::Stamped;

/// The longest response in bytes, unless [`Connection::with_longest_response`] says otherwise.
const LONGEST: usize = 8 << 20;

/// A connection that carries one request at a time. What it does is part of [`Exchange::current`].
pub struct Connection {
    system: &'static str,
    to: SocketAddr,
    stream: Stamped<TcpStream>,
    input: BytesMut,
    longest: usize,
    used: bool,
}

impl AsRef<Connection> for Connection {
    fn as_ref(&self) -> &Connection {
        self
    }
}

impl Connection {
    /// Connects to the upstream `system`; that is a span of its own, because most requests do without.
    ///
    /// # Errors
    /// [`Failure::Connect`].
    pub async fn open(system: &'static str, to: SocketAddr, limit: Duration) -> Result<Self, Failure> {
        let exchange = Exchange::current();
        let begun = clock::now();
        let connected = tokio::time::timeout(limit, Stamped::connect_timed(to))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let ended = clock::now();
        exchange.waited(ended.saturating_sub(begun));
        let (stream, handshake) = connected.map_err(|source| {
            exchange.record_wait(name::CONNECT, begun, ended);
            Failure::Connect { system, to, source }
        })?;
        exchange.record_connect(&handshake);
        Ok(Connection { system, to, stream, input: BytesMut::new(), longest: LONGEST, used: false })
    }

    /// Allows responses of so many bytes; an upstream that sends more is not who we think.
    pub fn with_longest_response(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// The upstream's address.
    pub fn address(&self) -> SocketAddr {
        self.to
    }

    /// Is it still open, with nothing to read? Anything else, while no request is open, is the other side's farewell.
    pub fn is_usable(&self) -> bool {
        // The kernel knows: what the runtime has of the socket may be older than the farewell.
        self.input.is_empty() && !self.stream.stamps().is_unusable_for_a_request()
    }

    /// Sends a request in one write and reads until `decode` has its response; `decode` returns `None` as long as
    /// bytes are missing, and must take exactly what it used.
    ///
    /// Completes `span` (times, stamps, peer) and hands it back with the response, so that the caller can add what
    /// the response says; a failed request is recorded here.
    ///
    /// # Errors
    /// [`Failure::Timeout`] after `limit`, [`Failure::Broken`], or [`Failure::Refused`] when `decode` cannot make
    /// sense of the response. The connection is then in doubt: drop it.
    pub async fn request<T>(
        &mut self,
        mut span: Span,
        limit: Duration,
        request: &[u8],
        decode: impl FnMut(&mut BytesMut) -> Result<Option<T>, String> + Send,
    ) -> Result<(T, Span), Failure> {
        let exchange = Exchange::current();
        let stamps = self.stream.stamps();
        let reused = std::mem::replace(&mut self.used, true);
        let before = stamps.last_write();
        span.start = clock::now();
        let response = tokio::time::timeout(limit, self.round_trip(request, decode))
            .await
            .unwrap_or(Err(Failure::Timeout { system: self.system, limit }));
        span.end = clock::now();
        exchange.waited(span.end.saturating_sub(span.start));
        if exchange.sampled() {
            span = span
                .with(attribute::SERVER_ADDRESS, self.to.ip().to_string())
                .with(attribute::SERVER_PORT, self.to.port())
                .with(attribute::CONNECTION_REUSED, reused);
            let written = stamps.last_write();
            if written != before {
                span.stamps.push(stamps.write_stamp(written));
            }
        }
        match response {
            Ok(response) => {
                if exchange.sampled() {
                    let read = stamps.last_read();
                    span.end = read.at;
                    span.stamps.extend(stamps.read_stamps(read));
                }
                Ok((response, span))
            }
            Err(failure) => {
                exchange.emit(
                    span.with(attribute::ERROR_TYPE, failure.kind())
                        .with(attribute::ERROR_MESSAGE, failure.describe()),
                );
                Err(failure)
            }
        }
    }

    async fn round_trip<T>(
        &mut self,
        request: &[u8],
        mut decode: impl FnMut(&mut BytesMut) -> Result<Option<T>, String>,
    ) -> Result<T, Failure> {
        let system = self.system;
        let broken = |source| Failure::Broken { system, source };
        let refused = |text| Failure::Refused { system, text };
        self.stream.write_all(request).await.map_err(broken)?;
        loop {
            // Without this the buffer would grow by 64 bytes, and each would be a system call of its own.
            self.input.reserve(4096);
            if self.stream.read_buf(&mut self.input).await.map_err(broken)? == 0 {
                return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
            match decode(&mut self.input).map_err(refused)? {
                Some(_) if !self.input.is_empty() => {
                    return Err(refused("more bytes than one response has".to_owned()));
                }
                Some(response) => return Ok(response),
                None if self.input.len() > self.longest => {
                    return Err(refused(format!("more than {} bytes", self.longest)));
                }
                None => {}
            }
        }
    }
}
