//! One exchange on one connection: bytes out, bytes in, and exactly when.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use hop::http::{Exchange, Fault, Problem};
use hop::{Stamped, clock};
use hyper::StatusCode;
use journey::Span;
use journey::semconv::{attribute, name};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// No answer we ask for is larger; a neighbour that sends more is not who we think.
const ANSWER_LIMIT: usize = 8 << 20;

/// Why Redis or Kafka gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// All connections are in use. Nothing was sent.
    #[error("no connection to {system} became free within {limit:?}")]
    NoConnectionFree {
        /// `redis` or `kafka`.
        system: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// No connection. Nothing was sent.
    #[error("connect to {system} at {to}")]
    Connect {
        /// `redis` or `kafka`.
        system: &'static str,
        /// Where it should be.
        to: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// No complete answer in time: whether the request took effect is unknown.
    #[error("{system} did not answer within {limit:?}")]
    Timeout {
        /// `redis` or `kafka`.
        system: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection broke: whether the request took effect is unknown.
    #[error("exchange with {system}")]
    Broken {
        /// `redis` or `kafka`.
        system: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// It answered something that makes no sense, or that leaves open what was done.
    #[error("{system} answered: {text}")]
    Refused {
        /// `redis` or `kafka`.
        system: &'static str,
        /// Its words.
        text: String,
    },
    /// It answered that it did nothing.
    #[error("{system} answered: {text}")]
    NotDone {
        /// `redis` or `kafka`.
        system: &'static str,
        /// Its words.
        text: String,
    },
}

impl Failure {
    /// Is it certain that the request had no effect, so that it can be sent again?
    pub fn had_no_effect(&self) -> bool {
        matches!(self, Failure::NoConnectionFree { .. } | Failure::Connect { .. } | Failure::NotDone { .. })
    }

    /// `redis` or `kafka`.
    pub fn system(&self) -> &'static str {
        match self {
            Failure::NoConnectionFree { system, .. }
            | Failure::Connect { system, .. }
            | Failure::Timeout { system, .. }
            | Failure::Broken { system, .. }
            | Failure::Refused { system, .. }
            | Failure::NotDone { system, .. } => system,
        }
    }

    /// One word for the kind of failure, for statistics.
    pub fn kind(&self) -> &'static str {
        match self {
            Failure::NoConnectionFree { .. } => "no_connection_free",
            Failure::Connect { .. } => "connect",
            Failure::Timeout { .. } => "timeout",
            Failure::Broken { .. } => "broken",
            Failure::Refused { .. } => "refused",
            Failure::NotDone { .. } => "not_done",
        }
    }

    /// What happened and why, in one line.
    pub fn describe(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// The answer to the caller: 503, with what the failure means for the request in `meaning`.
    pub fn problem(&self, meaning: &str) -> Problem {
        let fault =
            if matches!(self, Failure::NoConnectionFree { .. }) { Fault::Ours } else { Fault::Upstream };
        let kind = format!("{}-unavailable", self.system());
        let detail = format!("{}. {meaning}", self.describe());
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, fault, &kind, detail)
    }
}

/// A connection that carries one exchange at a time.
pub struct Wire {
    system: &'static str,
    to: SocketAddr,
    stream: Stamped<TcpStream>,
    input: BytesMut,
    used: bool,
}

impl AsRef<Wire> for Wire {
    fn as_ref(&self) -> &Wire {
        self
    }
}

impl Wire {
    /// Connects; that is a span of its own, because most requests do without.
    ///
    /// # Errors
    /// [`Failure::Connect`].
    pub async fn open(
        system: &'static str,
        to: SocketAddr,
        exchange: &Exchange,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let begun = clock::now();
        let stream = tokio::time::timeout(limit, Stamped::connect(to))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let ended = clock::now();
        exchange.waited(ended.saturating_sub(begun));
        exchange.record_wait(name::CONNECT, begun, ended);
        let stream = stream.map_err(|source| Failure::Connect { system, to, source })?;
        Ok(Wire { system, to, stream, input: BytesMut::new(), used: false })
    }

    /// Whom it was made to.
    pub fn address(&self) -> SocketAddr {
        self.to
    }

    /// Is it still open, with nothing to read? Anything else, while no question is open, is the other
    /// side's farewell.
    pub fn is_usable(&self) -> bool {
        // The kernel is asked: what the runtime knows of the socket may be older than the farewell.
        self.input.is_empty() && !self.stream.stamps().is_unusable_for_a_request()
    }

    /// Sends a request in one write and reads until `read` has its answer; `read` says none as long as
    /// bytes are missing, and must take exactly what it used.
    ///
    /// Completes `span` (times, stamps, whom) and hands it back with the answer, so that the caller can add
    /// what the answer says; a failed exchange is recorded here.
    ///
    /// # Errors
    /// [`Failure::Timeout`], [`Failure::Broken`], or [`Failure::Refused`] when `read` cannot make sense of
    /// the answer. The connection is then in doubt: drop it.
    pub async fn ask<T>(
        &mut self,
        exchange: &Exchange,
        mut span: Span,
        limit: Duration,
        request: &[u8],
        read: impl FnMut(&mut BytesMut) -> Result<Option<T>, String> + Send,
    ) -> Result<(T, Span), Failure> {
        let stamps = self.stream.stamps();
        let reused = std::mem::replace(&mut self.used, true);
        let before = stamps.last_write();
        span.start = clock::now();
        let answer = tokio::time::timeout(limit, self.talk(request, read))
            .await
            .unwrap_or(Err(Failure::Timeout { system: self.system, limit }));
        span.end = clock::now();
        exchange.waited(span.end.saturating_sub(span.start));
        if exchange.sampled() {
            span = span
                .with(attribute::SERVER_ADDRESS, self.to.ip().to_string())
                .with(attribute::SERVER_PORT, self.to.port())
                .with(attribute::CONNECTION_REUSED, reused);
            let requested = stamps.last_write();
            if requested != before {
                span.stamps.push(stamps.write_stamp(requested));
            }
        }
        match answer {
            Ok(answer) => {
                if exchange.sampled() {
                    let answered = stamps.last_read();
                    span.end = answered.at;
                    span.stamps.extend(stamps.read_stamps(answered));
                }
                Ok((answer, span))
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

    async fn talk<T>(
        &mut self,
        request: &[u8],
        mut read: impl FnMut(&mut BytesMut) -> Result<Option<T>, String>,
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
            match read(&mut self.input).map_err(refused)? {
                Some(_) if !self.input.is_empty() => {
                    return Err(refused("more bytes than were asked for".to_owned()));
                }
                Some(answer) => return Ok(answer),
                None if self.input.len() > ANSWER_LIMIT => {
                    return Err(refused(format!("more than {ANSWER_LIMIT} bytes")));
                }
                None => {}
            }
        }
    }
}
