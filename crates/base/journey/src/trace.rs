//! The names of a request's trace and of the spans in it, and the header that carries them (W3C Trace Context).

use std::fmt;
use std::str::FromStr;

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
    /// Made by whoever began the trace.
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

#[cfg(test)]
mod tests;
