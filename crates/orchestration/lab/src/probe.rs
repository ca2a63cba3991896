//! The browser: hop 0 of every journey.
//!
//! It has what a browser has (a stub resolver with a cache, a TLS session cache, kept connections)
//! and names everything it does, so that time between its own spans is nobody's: *unaccounted*.

mod apart;
mod connect;
mod keys;
mod stub;

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::header::{self, HeaderMap};
use hyper::{Method, Request, StatusCode};
use journey::semconv::{attribute, name};
use journey::{Kind, PartKind, Span, Stage, TraceId, Traceparent};

use crate::target::Target;
pub use apart::Apart;
pub(crate) use connect::Tls;
use connect::{Connection, MarkedBody};
use stub::Stub;

/// The browser's name in every report.
pub const BROWSER: &str = "browser";
/// The chapter's request.
pub const BODY: &str = r#"{"productId":"PROD-123","quantity":1}"#;
/// A journey that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// So many connections are tried for one request.
const ATTEMPTS: u32 = 3;

/// What the browser asks.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The body, and its media type if there is one.
    pub body: Bytes,
    /// More headers; they replace the browser's own of the same name.
    pub headers: HeaderMap,
    /// Is the request recorded? Without, only its total is known.
    pub sampled: bool,
}

impl Ask {
    /// `POST /cart/items`, as in the chapter.
    pub fn add_item(product: &str, quantity: u32) -> Self {
        let body = serde_json::json!({ "productId": product, "quantity": quantity }).to_string();
        Ask { method: Method::POST, path: "/cart/items".to_owned(), body: Bytes::from(body), ..Ask::cart() }
    }

    /// `GET /cart`.
    pub fn cart() -> Self {
        Ask {
            method: Method::GET,
            path: "/cart".to_owned(),
            body: Bytes::new(),
            headers: HeaderMap::new(),
            sampled: true,
        }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The journey's name in the collector.
    pub trace_id: TraceId,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// From nothing (or from when it was due) to the last byte, by the monotonic clock, in nanoseconds.
    pub total_ns: u64,
    /// Likewise, but without the time for which it was overdue when the browser began.
    pub service_ns: u64,
    /// How often the browser, having written, had to wait for the peer until the response was complete:
    /// round trips on its connection, those of a handshake included.
    pub turns: u32,
    /// What the browser did; give it to the collector.
    pub spans: Vec<Span>,
}

/// A browser with its caches. A new one is cold.
pub struct Browser {
    target: Target,
    tls: connect::Tls,
    stub: Stub,
    connection: Option<Connection>,
    keys: Option<keys::Keys>,
}

/// Collects the browser's own spans of one journey.
struct Recorder {
    trace_id: TraceId,
    root: journey::SpanId,
    spans: Vec<Span>,
}

impl Recorder {
    fn span(
        &mut self,
        kind: Kind,
        name: impl Into<std::borrow::Cow<'static, str>>,
        times: (u64, u64),
    ) -> Span {
        let mut span =
            Span::new(self.trace_id, hop::trace::new_span_id(), Some(self.root), kind, name, times);
        span.hop = BROWSER.into();
        span
    }

    fn did(&mut self, name: &'static str, from: u64) {
        let span = self.span(Kind::Internal, name, (from, hop::clock::now()));
        self.spans.push(span);
    }
}

impl Browser {
    /// A browser without memory: no cached names, no sessions, no connections.
    ///
    /// # Errors
    /// The lab's CA cannot be read.
    pub fn new(target: Target) -> anyhow::Result<Self> {
        let tls = connect::Tls::trusting(&target.ca, None)?;
        let stub = Stub::new(target.resolver);
        Ok(Browser { target, tls, stub, connection: None, keys: None })
    }

    /// From the next connection on, writes the TLS sessions' keys to a file, as browsers do for Wireshark.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_keys(&mut self, file: &std::path::Path) -> anyhow::Result<()> {
        self.keys = Some(keys::Keys::create(file)?);
        self.forget()
    }

    /// Closes connections and forgets cached names and sessions.
    ///
    /// # Errors
    /// As [`Browser::new`].
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.connection = None;
        self.stub = Stub::new(self.target.resolver);
        self.tls = connect::Tls::trusting(&self.target.ca, self.keys.as_ref())?;
        Ok(())
    }

    /// Sends a request through the whole stack and times every step of its own.
    ///
    /// # Errors
    /// Says which step failed and what to look at; an HTTP error status is an answer, not an error.
    pub async fn ask(&mut self, ask: &Ask) -> anyhow::Result<Answer> {
        self.ask_due(ask, None).await
    }

    /// As [`Browser::ask`], but the journey began when it was due, at a moment that has passed: what it
    /// waited since is a part of it.
    ///
    /// # Errors
    /// As [`Browser::ask`].
    pub async fn ask_due(&mut self, ask: &Ask, due: Option<Instant>) -> anyhow::Result<Answer> {
        match tokio::time::timeout(LIMIT, self.ask_again(ask, due)).await {
            Ok(answer) => {
                if answer.is_err() {
                    self.connection = None;
                }
                answer
            }
            Err(_) => {
                self.connection = None;
                bail!("no answer within {LIMIT:?}: `lab status` shows which hop is not well")
            }
        }
    }

    /// A kept connection may end just when it is used. A request that the server did not process may be sent
    /// again on a new one, whatever its method (RFC 9113 §6.8, §8.7); from outside, that was a wait.
    async fn ask_again(&mut self, ask: &Ask, due: Option<Instant>) -> anyhow::Result<Answer> {
        let begun = hop::clock::monotonic();
        let mut answer = self.ask_unlimited(ask, due).await;
        for _ in 1..ATTEMPTS {
            if !answer.as_ref().is_err_and(connect::was_not_processed) {
                break;
            }
            self.connection = None;
            answer = self.ask_unlimited(ask, due.or(Some(begun))).await;
        }
        answer
    }

    async fn ask_unlimited(&mut self, ask: &Ask, due: Option<Instant>) -> anyhow::Result<Answer> {
        let mut recorder = Recorder {
            trace_id: hop::trace::new_trace_id(),
            root: hop::trace::new_span_id(),
            spans: Vec::with_capacity(8),
        };
        let (bracket, begun) = hop::clock::both();
        let overdue = due.map_or(Duration::ZERO, |due| bracket.saturating_duration_since(due));
        let start = begun.saturating_sub(nanoseconds(overdue));
        if due.is_some() {
            let span = recorder.span(Kind::Internal, name::SEND_QUEUE, (start, begun));
            recorder.spans.push(span.part(PartKind::Wait));
        }
        self.be_connected(&mut recorder).await?;
        let request_begun = hop::clock::now();
        let span_id = hop::trace::new_span_id();
        let connection = self.connection.as_mut().context("a connection that was just made")?;
        let (before_sent, before_read) = (connection.stamps.last_write(), connection.stamps.last_read());
        let before_turns = if connection.used { connection.stamps.turns() } else { 0 };
        let (body, sent) = MarkedBody::new(ask.body.clone(), connection.stamps.clone());
        let parent = Traceparent { trace_id: recorder.trace_id, parent: span_id, sampled: ask.sampled };
        let request = self.target.request(ask, parent, body)?;
        let asked = || {
            format!(
                "ask the lb at {} for {}: it broke off, so it is the lb that is not well (`lab status`)",
                connection.stamps.flow().server,
                ask.path
            )
        };
        let response = connection.sender.send_request(request).await.with_context(asked)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.with_context(asked)?.to_bytes();
        let (closed, end) = hop::clock::both();
        let service_ns = nanoseconds(closed.saturating_duration_since(bracket));
        let total_ns = service_ns + nanoseconds(overdue);
        let (sent, read) = (sent.mark(), connection.stamps.last_read());

        let name = format!("{} {}", ask.method, ask.path);
        let mut span = recorder
            .span(Kind::Client, name.clone(), (request_begun, end))
            .with(attribute::HTTP_RESPONSE_STATUS_CODE, head.status.as_u16())
            .with(attribute::HTTP_REQUEST_SIZE, sent.offset - before_sent.offset)
            .with(attribute::HTTP_RESPONSE_SIZE, read.offset - before_read.offset)
            .with(attribute::CONNECTION_REUSED, connection.used);
        span.span_id = span_id;
        span.stamps.push(connection.stamps.write_stamp(sent));
        span.stamps.extend(connection.stamps.read_stamps(read));
        recorder.spans.push(span);
        connection.used = true;
        let turns = connection.stamps.turns() - before_turns;

        let mut root = Span::new(recorder.trace_id, recorder.root, None, Kind::Internal, name, (start, end))
            .with(attribute::TOTAL_NS, total_ns);
        root.hop = BROWSER.into();
        recorder.spans.push(root);
        Ok(Answer {
            trace_id: recorder.trace_id,
            status: head.status,
            headers: head.headers,
            body,
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
        recorder.did("connection pool", from);
        if usable {
            return Ok(());
        }
        let from = hop::clock::now();
        let cached = self.stub.cached(&self.target.host);
        let lookup = recorder.span(Kind::Internal, "stub cache", (from, hop::clock::now()));
        recorder.spans.push(lookup.stage(Stage::Dns));
        let ip = match cached {
            Some(ip) => ip,
            None => self.stub.ask(&self.target.host, recorder).await?,
        };
        let address = std::net::SocketAddr::new(ip, self.target.port);
        let listening = self.target.hops.iter().any(|hop| hop.listen.contains(&address));
        let connection = connect::connect(&self.tls, &self.target.host, address, recorder).await;
        self.connection = Some(connection.with_context(|| {
            let host = &self.target.host;
            if listening {
                format!("{host} is {address}")
            } else {
                format!(
                    "{host} is {address} by DNS, but no hop of this lab listens there: \
                     give the lb that address in lab.toml, or change the A record in its zone file"
                )
            }
        })?);
        Ok(())
    }
}

impl Target {
    fn request(
        &self,
        ask: &Ask,
        parent: Traceparent,
        body: MarkedBody,
    ) -> anyhow::Result<Request<MarkedBody>> {
        let uri = format!("https://{}:{}{}", self.host, self.port, ask.path);
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(uri)
            .header(header::USER_AGENT, concat!("request-journey-lab/", env!("CARGO_PKG_VERSION")))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(hop::trace::TRACEPARENT, parent.to_string());
        if !ask.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let mut request = request.body(body).context("build the request")?;
        for (name, value) in &ask.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
