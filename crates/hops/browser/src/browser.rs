//! The browser: caches, one kept connection, and the journey of each request through both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use journey::semconv::{attribute, name};
use journey::{Kind, PartKind, Span, Stage};
use rustls::{ClientConfig, KeyLog};

use crate::config::Config;
use crate::connect::{Connection, connect};
use crate::exchange::{exchange, was_not_processed};
use crate::recorder::{BROWSER, Recorder};
use crate::request::{Request, Response};
use crate::stub::Stub;

/// A journey that takes longer has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// So many connections are tried for one request.
const ATTEMPTS: u32 = 3;

/// A browser with its caches. A new one is cold.
pub struct Browser {
    config: Config,
    tls: Arc<ClientConfig>,
    stub: Stub,
    connection: Option<Connection>,
    keys: Option<Arc<dyn KeyLog>>,
}

impl Browser {
    /// A browser without memory: no cached names, no sessions, no connections.
    ///
    /// # Errors
    /// The certificate authority cannot be read.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let tls = tls(&config, None)?;
        let stub = Stub::new(config.resolver);
        Ok(Browser { config, tls, stub, connection: None, keys: None })
    }

    /// From the next connection on, logs the TLS sessions' keys, as browsers do for Wireshark. Whoever has them can read
    /// what was captured.
    ///
    /// # Errors
    /// As [`Browser::new`].
    pub fn log_keys(&mut self, keys: Arc<dyn KeyLog>) -> anyhow::Result<()> {
        self.keys = Some(keys);
        self.forget()
    }

    /// Closes connections and forgets cached names and sessions.
    ///
    /// # Errors
    /// As [`Browser::new`].
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.connection = None;
        self.stub = Stub::new(self.config.resolver);
        self.tls = tls(&self.config, self.keys.clone())?;
        Ok(())
    }

    /// Sends a request through the whole stack and times every step of its own.
    ///
    /// # Errors
    /// Says which step failed and what to look at; an HTTP error status is a response, not an error.
    pub async fn send(&mut self, request: &Request) -> anyhow::Result<Response> {
        self.send_due(request, None).await
    }

    /// As [`Browser::send`], but the journey began when it was due, at a moment that has passed: what it
    /// waited since is a part of it.
    ///
    /// # Errors
    /// As [`Browser::send`].
    pub async fn send_due(&mut self, request: &Request, due: Option<Instant>) -> anyhow::Result<Response> {
        let limited = tokio::time::timeout(LIMIT, self.send_with_retries(request, due)).await;
        let response = limited.unwrap_or_else(|_| Err(anyhow!("no response within {LIMIT:?}")));
        if response.is_err() {
            self.connection = None;
        }
        response
    }

    /// A kept connection may end just when it is used. A request that the server did not process may be sent
    /// again on a new one, whatever its method (RFC 9113 §6.8, §8.7); from outside, that was a wait.
    async fn send_with_retries(
        &mut self,
        request: &Request,
        due: Option<Instant>,
    ) -> anyhow::Result<Response> {
        let begun = hop::clock::monotonic();
        let mut response = self.attempt(request, due).await;
        for _ in 1..ATTEMPTS {
            if !response.as_ref().is_err_and(was_not_processed) {
                break;
            }
            self.connection = None;
            response = self.attempt(request, due.or(Some(begun))).await;
        }
        response
    }

    async fn attempt(&mut self, request: &Request, due: Option<Instant>) -> anyhow::Result<Response> {
        let mut recorder = Recorder::new(request.trace_id);
        let (bracket, begun) = hop::clock::both();
        let overdue = due.map_or(Duration::ZERO, |due| bracket.saturating_duration_since(due));
        let start = begun.saturating_sub(nanoseconds(overdue));
        if due.is_some() {
            let span = recorder.span(Kind::Internal, name::SEND_QUEUE, (start, begun));
            recorder.spans.push(span.part(PartKind::Wait));
        }
        self.be_connected(&mut recorder).await?;
        let connection = self.connection.as_mut().context("a connection that was just made")?;
        let before_turns = if connection.used { connection.stamps.turns() } else { 0 };
        let received = exchange(&self.config, connection, request, &mut recorder).await?;
        let service_ns = nanoseconds(received.closed.saturating_duration_since(bracket));
        let total_ns = service_ns + nanoseconds(overdue);
        let turns = connection.stamps.turns() - before_turns;

        let name = format!("{} {}", request.method, request.path);
        let times = (start, received.end);
        let mut root = Span::new(recorder.trace_id, recorder.root, None, Kind::Internal, name, times)
            .with(attribute::TOTAL_NS, total_ns);
        root.hop = BROWSER.into();
        recorder.spans.push(root);
        Ok(Response {
            trace_id: recorder.trace_id,
            status: received.head.status,
            headers: received.head.headers,
            body: received.body,
            total_ns,
            service_ns,
            first_byte_ns: nanoseconds(received.first_byte.saturating_duration_since(bracket)),
            turns,
            spans: recorder.spans,
        })
    }

    /// Looks the name up and connects, unless a usable connection is there.
    async fn be_connected(&mut self, recorder: &mut Recorder) -> anyhow::Result<()> {
        let from = hop::clock::now();
        let usable = self.connection.as_ref().is_some_and(|connection| !connection.sender.is_closed());
        recorder.worked("connection pool", from);
        if usable {
            return Ok(());
        }
        let from = hop::clock::now();
        // An address needs no name server.
        let literal = self.config.host.parse().ok();
        let cached = literal.or_else(|| self.stub.cached(&self.config.host));
        let lookup = recorder.span(Kind::Internal, "stub cache", (from, hop::clock::now()));
        recorder.spans.push(lookup.stage(Stage::Dns));
        let ip = match cached {
            Some(ip) => ip,
            None => self.stub.lookup(&self.config.host, recorder).await?,
        };
        let address = SocketAddr::new(ip, self.config.port);
        let connection = connect(&self.tls, &self.config, address, recorder).await;
        self.connection = Some(connection.with_context(|| self.config.resolved_to(address))?);
        Ok(())
    }
}

/// Tickets of sessions that can be resumed are kept in it: a new one has none.
fn tls(config: &Config, keys: Option<Arc<dyn KeyLog>>) -> anyhow::Result<Arc<ClientConfig>> {
    let mut tls = tlscrypto::client_config(&config.ca, rustls::DEFAULT_VERSIONS, config.http.alpn())?;
    if let Some(keys) = keys {
        tls.key_log = keys;
    }
    Ok(Arc::new(tls))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
