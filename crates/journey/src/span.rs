//! What one program did between two moments, as a small plain value.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::stamp::{Direction, Event, Stamp};

/// Names everything that one request caused (W3C Trace Context §3.2.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TraceId(pub [u8; 16]);

/// Names one span (W3C Trace Context §3.2.2.4, there called parent-id).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SpanId(pub [u8; 8]);

macro_rules! hex_id {
    ($name:ident, $bytes:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                $name::from_hex(&text).ok_or_else(|| {
                    serde::de::Error::custom(concat!("expected ", $bytes, " bytes in hexadecimal"))
                })
            }
        }

        impl $name {
            /// Reads lower-case hexadecimal; all zeroes name nothing and are refused.
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut id = [0; $bytes];
                if text.len() != 2 * $bytes || text.bytes().any(|c| !matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
                    return None;
                }
                for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
                }
                (id != [0; $bytes]).then_some(Self(id))
            }
        }
    };
}
hex_id!(TraceId, 16);
hex_id!(SpanId, 8);

/// The `traceparent` header: which trace, which span is the parent, and whether it is recorded
/// (W3C Trace Context §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub parent: SpanId,
    /// The `sampled` flag: does the caller record this trace?
    pub sampled: bool,
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.parent, u8::from(self.sampled))
    }
}

/// Says that a text is not a valid `traceparent`; a receiver then starts a trace of its own
/// (W3C Trace Context §3.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTraceparentError;

impl fmt::Display for ParseTraceparentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a W3C traceparent")
    }
}

impl std::error::Error for ParseTraceparentError {}

impl FromStr for Traceparent {
    type Err = ParseTraceparentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut fields = text.split('-');
            let version = fields.next()?;
            let trace_id = TraceId::from_hex(fields.next()?)?;
            let parent = SpanId::from_hex(fields.next()?)?;
            let flags = fields.next()?;
            // from_str_radix takes a sign and upper case, which the specification does not.
            let is_hex = |field: &str| {
                field.len() == 2 && field.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
            };
            // Version 00 has exactly four fields; later ones may append more (§3.2.4); ff is forbidden.
            let well_formed = is_hex(version)
                && is_hex(flags)
                && version != "ff"
                && (version != "00" || fields.next().is_none());
            let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
            well_formed.then_some(Traceparent { trace_id, parent, sampled })
        };
        parse().ok_or(ParseTraceparentError)
    }
}

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

/// An attribute's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
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
    /// Its own name.
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
        }
    }

    /// Adds a fact.
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push((Cow::Borrowed(key), value.into()));
        self
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

    /// The stamp of one kind and direction, if the program took it.
    pub fn stamp(&self, direction: Direction, event: Event) -> Option<&Stamp> {
        self.stamps.iter().find(|stamp| stamp.direction == direction && stamp.event == event)
    }
}

#[cfg(test)]
mod tests;
