//! The browser: caches, one kept connection, and the journey of each request through both.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use journey::semconv::{attribute, name};
use journey::{Kind, PartKind, Span, Stage};
use rustls::KeyLog;

use crate::config::Config;
use crate::connect::{Connection, connect};
use crate::exchange::{exchange, was_not_processed};
use crate::key_log::KeyFile;
use crate::recorder::{BROWSER, Recorder};
use crate::request::{Request, Response};
use crate::stub::Stub;
use crate::tls::Tls;

/// A journey that takes longer has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// So many connections are tried for one request.
const ATTEMPTS: u32 = 3;

/// A browser with its caches. A new one is cold.
pub struct Browser {
    config: Config,
    tls: Tls,
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
        let tls = Tls::trusting(&config.ca, None)?;
        let stub = Stub::new(config.resolver);
        Ok(Browser { config, tls, stub, connection: None, keys: None })
    }

    /// From the next connection on, writes the TLS sessions' keys to a file, as browsers do for Wireshark. Whoever can
    /// read it can read what was captured.
    ///
    /// # Errors
    /// As [`Browser::new`].
    pub fn write_keys(&mut self, file: File) -> anyhow::Result<()> {
        self.keys = Some(Arc::new(KeyFile::new(file)));
        self.forget()
    }

    /// Closes connections and forgets cached names and sessions.
    ///
    /// # Errors
    /// As [`Browser::new`].
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.connection = None;
        self.stub = Stub::new(self.config.resolver);
        self.tls = Tls::trusting(&self.config.ca, self.keys.clone())?;
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
        let response = limited.unwrap_or_else(|_| {
            Err(anyhow!("no response within {LIMIT:?}: `lab status` shows which hop is not well"))
        });
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
        let mut recorder = Recorder::new();
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
        let cached = self.stub.cached(&self.config.host);
        let lookup = recorder.span(Kind::Internal, "stub cache", (from, hop::clock::now()));
        recorder.spans.push(lookup.stage(Stage::Dns));
        let ip = match cached {
            Some(ip) => ip,
            None => self.stub.lookup(&self.config.host, recorder).await?,
        };
        let address = SocketAddr::new(ip, self.config.port);
        let connection = connect(&self.tls, &self.config.host, address, recorder).await;
        self.connection = Some(connection.with_context(|| self.config.resolved_to(address))?);
        Ok(())
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
