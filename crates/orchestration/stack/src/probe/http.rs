//! One request on a connection of its own, read byte by byte: what is no HTTP is to be shown as it came.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::exchange::{Heard, LIMIT, connect, exchange, quoted};
use super::refusal::Refusal;

/// How long the body of an answer may take.
const BODY_LIMIT: Duration = Duration::from_millis(100);

/// A request, and what its answer has to be.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET /healthz`.
    pub(crate) line: String,
    pub(crate) host: String,
    pub(crate) bearer: Option<String>,
    /// JSON, if there is one.
    pub(crate) body: String,
    pub(crate) wanted: Wanted,
}

/// The same over TLS.
#[derive(Clone, Debug)]
pub(crate) struct Https {
    /// The authority that must have signed the certificate.
    pub(crate) ca: PathBuf,
    pub(crate) request: Request,
}

/// What an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Any HTTP, unless it says that the program does not work: who knows no health path says 404.
    Http,
    /// 2xx.
    Success,
}

impl Wanted {
    fn fits(self, status: u16) -> bool {
        match self {
            // 501 and 505: it works, but does not do *this*.
            Wanted::Http => status < 500 || matches!(status, 501 | 505),
            Wanted::Success => (200..300).contains(&status),
        }
    }

    fn said(self) -> &'static str {
        match self {
            Wanted::Http => "HTTP/1.1 and a status below 500 (404 will do)",
            Wanted::Success => "HTTP/1.1 and status 200",
        }
    }
}

impl Request {
    pub(super) async fn run(&self, at: SocketAddr) -> Result<(), Refusal> {
        let mut stream = connect(&self.sent(""), at).await?;
        self.run_on(&mut stream, "", at).await
    }

    fn sent(&self, over: &str) -> String {
        format!("{}{over}", self.line)
    }

    async fn run_on(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        over: &str,
        at: SocketAddr,
    ) -> Result<(), Refusal> {
        let mut heard = exchange(stream, self.text().as_bytes(), LIMIT, has_head).await;
        let status = status(&heard.bytes);
        if status.is_some() {
            // What it says is worth a moment; and what is closed before it is read would be a reset to the program.
            heard.bytes.extend(exchange(stream, b"", BODY_LIMIT, |_| false).await.bytes);
        }
        if status.is_some_and(|status| self.wanted.fits(status)) {
            return Ok(());
        }
        Err(Refusal {
            sent: format!("{} at {at}", self.sent(over)),
            answered: shown(&heard),
            wanted: self.wanted.said().to_owned(),
        })
    }

    /// Not to be recorded: no journey begins here.
    fn text(&self) -> String {
        let Request { line, host, bearer, body, .. } = self;
        let (trace, span) = (hop::trace::new_trace_id(), hop::trace::new_span_id());
        let token = bearer.as_ref().map(|token| format!("authorization: Bearer {token}\r\n"));
        let body = match &body[..] {
            "" => "\r\n".to_owned(),
            body => {
                format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            }
        };
        format!(
            "{line} HTTP/1.1\r\nhost: {host}\r\ntraceparent: 00-{trace}-{span}-00\r\n{}connection: close\r\n{body}",
            token.unwrap_or_default()
        )
    }
}

impl Https {
    pub(super) async fn run(&self, at: SocketAddr) -> Result<(), Refusal> {
        let sent = self.request.sent(" over TLS");
        let refused = |answered: String| Refusal {
            sent: format!("{sent} at {at}"),
            answered,
            wanted: format!("TLS 1.2 or 1.3, and with TLS_CERT for {}", self.request.host),
        };
        let (config, name) = self.client().map_err(|error| refused(format!("{error:#}")))?;
        // First by hand, so that what is no TLS can be shown.
        let mut hello = Vec::new();
        let begun = ClientConnection::new(Arc::clone(&config), name.clone());
        let mut begun = begun.map_err(|error| refused(error.to_string()))?;
        let _ = begun.write_tls(&mut hello);
        let heard = exchange(&mut connect(&sent, at).await?, &hello, LIMIT, |_| true).await;
        // The type of a record: an alert or a handshake message (RFC 8446 §5.1).
        if !matches!(heard.bytes.first(), Some(21 | 22)) {
            return Err(refused(heard.is_no("TLS")));
        }
        let stream = connect(&sent, at).await?;
        let shake = tokio::time::timeout(LIMIT, TlsConnector::from(config).connect(name, stream));
        let mut stream = match shake.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(refused(format!("the handshake failed: {error}"))),
            Err(_) => return Err(refused(format!("no handshake within {LIMIT:?}"))),
        };
        self.request.run_on(&mut stream, " over TLS", at).await
    }

    fn client(&self) -> anyhow::Result<(Arc<ClientConfig>, ServerName<'static>)> {
        let config = tlscrypto::client_config(&self.ca, rustls::ALL_VERSIONS, b"http/1.1")?;
        Ok((Arc::new(config), ServerName::try_from(self.request.host.clone())?))
    }
}

fn has_head(bytes: &[u8]) -> bool {
    // What does not begin like HTTP will not become it.
    let begins = bytes.starts_with(&b"HTTP/"[..bytes.len().min(5)]);
    !begins || head_end(bytes).is_some()
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The status of a status line (RFC 9112 §4).
fn status(bytes: &[u8]) -> Option<u16> {
    let line = bytes.strip_prefix(b"HTTP/1.")?.get(1..)?.strip_prefix(b" ")?;
    let digits = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The status line and the beginning of the body, or whatever came.
fn shown(heard: &Heard) -> String {
    let (Some(_), Some(end)) = (status(&heard.bytes), head_end(&heard.bytes)) else {
        return heard.is_no("HTTP");
    };
    let head = String::from_utf8_lossy(&heard.bytes[..end]);
    let line = head.lines().next().unwrap_or_default().trim_start_matches(|letter| letter != ' ').trim();
    match &heard.bytes[end..] {
        [] => format!("{line}, without a body"),
        body => format!("{line}: {}", quoted(body)),
    }
}
