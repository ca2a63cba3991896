//! Spans to bytes.

use journey::semconv::{attribute, stamp};
use journey::{Flow, Kind, Quality, Span, Stamp, Value};
use prost::encoding::{WireType, encode_key, encode_varint};

/// Encodes one program's spans as an `ExportTraceServiceRequest`.
///
/// Written field by field instead of through the structs that [`super::decode`] fills: those own every text,
/// and a hop that is being measured should not spend microseconds per span on copies.
pub fn encode(service: &str, spans: &[Span]) -> Vec<u8> {
    let mut writer = Writer { out: Vec::with_capacity(512 * (spans.len() + 1)), flow: None };
    writer.message(1, |resource_spans| {
        resource_spans
            .message(1, |resource| resource.attribute(1, attribute::SERVICE_NAME, Borrowed::Text(service)));
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.bytes(1, stamp::SCOPE.as_bytes());
                scope.bytes(2, stamp::VERSION.as_bytes());
            });
            for span in spans {
                scope_spans.message(2, |writer| writer.span(span));
            }
        });
    });
    writer.out
}

/// An attribute's value, where it lies.
enum Borrowed<'a> {
    Text(&'a str),
    Int(i64),
    Double(f64),
    Bool(bool),
}

impl<'a> From<&'a Value> for Borrowed<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Text(text) => Borrowed::Text(text),
            Value::Int(number) => Borrowed::Int(*number),
            Value::Double(number) => Borrowed::Double(*number),
            Value::Bool(truth) => Borrowed::Bool(*truth),
        }
    }
}

/// Writes protobuf: keys, varints, and messages whose length is known when they end.
struct Writer {
    out: Vec<u8>,
    /// The flow written last, as text: a span's stamps mostly share one.
    flow: Option<(Flow, String)>,
}

impl Writer {
    fn span(&mut self, span: &Span) {
        self.bytes(1, &span.trace_id.0);
        self.bytes(2, &span.span_id.0);
        if let Some(parent) = span.parent {
            self.bytes(4, &parent.0);
        }
        self.bytes(5, span.name.as_bytes());
        let kind = match span.kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
            Kind::Producer => 4,
            Kind::Consumer => 5,
        };
        self.varint(6, kind);
        self.fixed64(7, span.start);
        self.fixed64(8, span.end);
        for (key, value) in &span.attributes {
            self.attribute(9, key, value.into());
        }
        for stamp in &span.stamps {
            self.message(11, |event| event.stamp(stamp));
        }
        for link in &span.links {
            self.message(13, |writer| {
                writer.bytes(1, &link.trace_id.0);
                writer.bytes(2, &link.span_id.0);
            });
        }
    }

    fn stamp(&mut self, stamp: &Stamp) {
        self.fixed64(1, stamp.at);
        self.bytes(2, stamp.event.as_str().as_bytes());
        let flow = match self.flow.take() {
            Some((flow, text)) if flow == stamp.flow => text,
            _ => stamp.flow.to_string(),
        };
        self.attribute(3, stamp::FLOW, Borrowed::Text(&flow));
        self.flow = Some((stamp.flow, flow));
        self.attribute(3, stamp::DIRECTION, Borrowed::Text(stamp.direction.as_str()));
        let offset = i64::try_from(stamp.offset).unwrap_or(i64::MAX);
        self.attribute(3, stamp::OFFSET, Borrowed::Int(offset));
        if stamp.quality != Quality::User {
            self.attribute(3, stamp::QUALITY, Borrowed::Text(stamp.quality.as_str()));
        }
    }

    fn attribute(&mut self, tag: u32, key: &str, value: Borrowed<'_>) {
        self.message(tag, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| match value {
                Borrowed::Text(text) => any.bytes(1, text.as_bytes()),
                Borrowed::Bool(truth) => any.varint(2, u64::from(truth)),
                // Two's complement, as int64 is written.
                Borrowed::Int(number) => any.varint(3, number.cast_unsigned()),
                Borrowed::Double(number) => any.fixed64(4, number.to_bits()),
            });
        });
    }

    fn message(&mut self, tag: u32, fill: impl FnOnce(&mut Self)) {
        encode_key(tag, WireType::LengthDelimited, &mut self.out);
        let at = self.out.len();
        self.out.push(0);
        fill(self);
        let length = self.out.len() - at - 1;
        if let Some(short) = u8::try_from(length).ok().filter(|short| *short < 128) {
            self.out[at] = short;
        } else {
            // A longer length takes more than the one byte kept for it: the message moves over.
            let mut bytes = Vec::with_capacity(10);
            encode_varint(length as u64, &mut bytes);
            self.out.splice(at..=at, bytes);
        }
    }

    fn bytes(&mut self, tag: u32, bytes: &[u8]) {
        encode_key(tag, WireType::LengthDelimited, &mut self.out);
        encode_varint(bytes.len() as u64, &mut self.out);
        self.out.extend_from_slice(bytes);
    }

    fn varint(&mut self, tag: u32, number: u64) {
        encode_key(tag, WireType::Varint, &mut self.out);
        encode_varint(number, &mut self.out);
    }

    fn fixed64(&mut self, tag: u32, number: u64) {
        encode_key(tag, WireType::SixtyFourBit, &mut self.out);
        self.out.extend_from_slice(&number.to_le_bytes());
    }
}
