//! What one program did between two moments, as a small plain value.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;

use crate::part::{PartKind, Stage};
use crate::semconv::attribute;
use crate::stamp::{Direction, Event, Stamp, Transport};
use crate::trace::{SpanId, TraceId};

/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// The span's part in a conversation, in OpenTelemetry's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Something a program does within itself.
    Internal,
    /// It answers a request.
    Server,
    /// It makes a request.
    Client,
    /// It hands a message to a broker.
    Producer,
    /// It takes a message from a broker.
    Consumer,
}

impl Kind {
    /// Does its program send something and wait for what comes back? CLIENT, and PRODUCER, which waits for the broker's
    /// acknowledgement (OpenTelemetry's "call direction").
    pub fn is_outgoing(self) -> bool {
        matches!(self, Kind::Client | Kind::Producer)
    }

    /// Does its program handle what somebody sent? SERVER, and CONSUMER, which handles a message.
    pub fn is_incoming(self) -> bool {
        matches!(self, Kind::Server | Kind::Consumer)
    }
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string, in UTF-8.
    Text(Cow<'static, str>),
    /// A whole number.
    Int(i64),
    /// A fraction.
    Double(f64),
    /// Yes or no.
    Bool(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Int(number) => number.fmt(f),
            Value::Double(number) => number.fmt(f),
            Value::Bool(truth) => truth.fmt(f),
        }
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Value::Text(Cow::Borrowed(text))
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(Cow::Owned(text))
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}
impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Value::Int(i64::from(number))
    }
}
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}

/// What one program did between two moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The request it belongs to. Programs that see no header (layer 4, DNS, RESP, Kafka) make one
    /// up: their spans are joined by flow and offset.
    pub trace_id: TraceId,
    /// Unique within its trace.
    pub span_id: SpanId,
    /// The span that caused it, if known.
    pub parent: Option<SpanId>,
    /// The program's instance (`service.name`), such as `cart-pod-def34`. The sink fills it in.
    pub hop: Cow<'static, str>,
    /// Its part in the conversation.
    pub kind: Kind,
    /// What was done, in few words.
    pub name: Cow<'static, str>,
    /// Nanoseconds since the Unix epoch.
    pub start: u64,
    /// Nanoseconds since the Unix epoch.
    pub end: u64,
    /// Facts under OpenTelemetry's names.
    pub attributes: Vec<(Cow<'static, str>, Value)>,
    /// When its messages passed its sockets.
    pub stamps: Vec<Stamp>,
    /// What else caused it, beside its parent: each request of a batch, for instance.
    pub links: Vec<Link>,
}

/// A span of another trace (or of the same) that is a cause of this one, but not its parent: nobody there waits for it
/// (OpenTelemetry, "Links between spans").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The trace that the cause is in.
    pub trace_id: TraceId,
    /// Which of its spans is the cause.
    pub span_id: SpanId,
}

impl Span {
    /// A span with nothing but its place and times.
    pub fn new(
        trace_id: TraceId,
        span_id: SpanId,
        parent: Option<SpanId>,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
        (start, end): (u64, u64),
    ) -> Self {
        Span {
            trace_id,
            span_id,
            parent,
            hop: Cow::Borrowed(""),
            kind,
            name: name.into(),
            start,
            end,
            attributes: Vec::new(),
            stamps: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Adds an attribute.
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push((Cow::Borrowed(key), value.into()));
        self
    }

    /// Says what kind of time an INTERNAL span stands for; without it, that its program worked.
    pub fn part(self, kind: PartKind) -> Self {
        self.with(attribute::PART, kind.as_str())
    }

    /// Says which line of the time budget a client's own span belongs to.
    pub fn stage(self, stage: Stage) -> Self {
        self.with(attribute::STAGE, stage.as_str())
    }

    /// Looks a fact up.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Looks a textual fact up.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.attribute(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The traces to which it links, each once.
    pub(crate) fn linked_traces(&self) -> HashSet<TraceId> {
        self.links.iter().map(|link| link.trace_id).collect()
    }

    /// The stamp of one kind and direction, if the program took it.
    pub fn stamp(&self, direction: Direction, event: Event) -> Option<&Stamp> {
        self.stamps.iter().find(|stamp| stamp.direction == direction && stamp.event == event)
    }

    /// The address at the other end, where its attributes say it (as those of stock SDKs do).
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        let address =
            |ip: &str, port: &str| Some(SocketAddr::new(self.text(ip)?.parse().ok()?, self.whole(port)?));
        address(attribute::NETWORK_PEER_ADDRESS, attribute::NETWORK_PEER_PORT)
            .or_else(|| address(attribute::SERVER_ADDRESS, attribute::SERVER_PORT))
    }

    /// The latest moment at which it may have begun. OpenTelemetry's SDK for JavaScript begins each span at a whole
    /// millisecond, and adds to that how long the span took.
    pub(crate) fn latest_start(&self) -> u64 {
        let coarse = self.stamps.is_empty() && self.start.is_multiple_of(MILLISECOND);
        self.start + if coarse { MILLISECOND - 1 } else { 0 }
    }

    /// When it ended if it really began at `begun`: it took as long as it says.
    pub(crate) fn end_after(&self, begun: u64) -> u64 {
        self.end + begun.clamp(self.start, self.latest_start()) - self.start
    }

    /// The latest moment at which it may have ended.
    pub(crate) fn latest_end(&self) -> u64 {
        self.end_after(self.latest_start())
    }

    /// May whom it called name it as its parent? Databases' and brokers' protocols carry no trace context, or none
    /// that their servers read.
    pub(crate) fn passes_context_on(&self) -> bool {
        let headerless = |key: &str| key.starts_with("db.") || key.starts_with("messaging.");
        !self.attributes.iter().any(|(key, _)| headerless(key))
    }

    /// How often an HTTP request was sent again. A server that forwards says how often it did in all; a client's span
    /// is one try, and says which (OpenTelemetry's `http.request.resend_count`).
    pub(crate) fn retries(&self) -> u32 {
        let resent = self.whole(attribute::HTTP_REQUEST_RESEND_COUNT).unwrap_or(0);
        if self.kind.is_outgoing() { resent.min(1) } else { resent }
    }

    /// Looks a whole number up; `None` also when it does not fit.
    pub(crate) fn whole<T: TryFrom<i64>>(&self, key: &str) -> Option<T> {
        match self.attribute(key) {
            Some(Value::Int(number)) => T::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Did its message go as a datagram?
    pub(crate) fn is_datagram(&self) -> bool {
        self.stamps.first().is_some_and(|stamp| stamp.flow.transport == Transport::Udp)
    }
}
