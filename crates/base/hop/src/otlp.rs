//! Spans as OTLP: the protobuf of OpenTelemetry's `trace/v1/trace.proto`, reduced to what is used.
//!
//! A stamp is a span event, as [`journey::semconv::stamp`] describes it. Programs that know nothing of
//! stamps leave them out; everything else is plain OpenTelemetry.

use std::borrow::Cow;

use journey::semconv::{attribute, stamp};
use journey::{Direction, Event, Kind, Link, Quality, Span, SpanId, Stamp, TraceId, Value};
use prost::Message;

mod encode;

pub use encode::encode;

/// The path of OTLP/HTTP for traces (OTLP specification, "OTLP/HTTP Request").
pub const TRACES_PATH: &str = "/v1/traces";
/// The media type of binary protobuf.
pub const CONTENT_TYPE: &str = "application/x-protobuf";

/// Decodes an `ExportTraceServiceRequest`; each span's `hop` is its resource's `service.name`.
///
/// Spans without valid ids are left out, as the specification demands of receivers.
///
/// # Errors
/// The bytes are not such a message.
pub fn decode(bytes: &[u8]) -> Result<Vec<Span>, prost::DecodeError> {
    let export = wire::Export::decode(bytes)?;
    let mut spans = Vec::new();
    for group in export.resource_spans {
        let service =
            group.resource.iter().flat_map(|resource| &resource.attributes).find_map(|pair| {
                match (pair.key.as_str(), from_wire_value(pair.value.clone())?) {
                    (attribute::SERVICE_NAME, Value::Text(name)) => Some(name),
                    _ => None,
                }
            });
        let service = service.unwrap_or(Cow::Borrowed("unknown_service"));
        for of_scope in group.scope_spans {
            let of_other_version =
                |scope: &wire::Scope| scope.name == stamp::SCOPE && scope.version != stamp::VERSION;
            let readable = !of_scope.scope.as_ref().is_some_and(of_other_version);
            for mut span in of_scope.spans {
                if !readable {
                    // Stamps of a meaning that is not known would be worse than none.
                    span.events.clear();
                }
                spans.extend(from_wire(span, &service));
            }
        }
    }
    Ok(spans)
}

fn from_wire_value(any: Option<wire::Any>) -> Option<Value> {
    Some(match any?.value? {
        wire::any::Value::Text(value) => Value::from(value),
        wire::any::Value::Int(value) => Value::Int(value),
        wire::any::Value::Double(value) => Value::Double(value),
        wire::any::Value::Bool(value) => Value::Bool(value),
    })
}

fn from_wire(span: wire::Span, service: &str) -> Option<Span> {
    let id = |bytes: &[u8]| Some(SpanId(bytes.try_into().ok()?)).filter(|id| *id != SpanId::default());
    let trace_id = TraceId(span.trace_id.as_slice().try_into().ok()?);
    if trace_id == TraceId::default() {
        return None;
    }
    Some(Span {
        trace_id,
        span_id: id(&span.span_id)?,
        parent: id(&span.parent_span_id),
        hop: Cow::Owned(service.to_owned()),
        kind: match span.kind {
            2 => Kind::Server,
            3 => Kind::Client,
            4 => Kind::Producer,
            5 => Kind::Consumer,
            _ => Kind::Internal,
        },
        name: Cow::Owned(span.name),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        attributes: span
            .attributes
            .into_iter()
            .filter_map(|pair| Some((Cow::Owned(pair.key), from_wire_value(pair.value)?)))
            .collect(),
        stamps: span.events.into_iter().filter_map(from_wire_event).collect(),
        links: span.links.iter().filter_map(from_wire_link).collect(),
    })
}

fn from_wire_link(link: &wire::Link) -> Option<Link> {
    let trace_id = TraceId(link.trace_id.as_slice().try_into().ok()?);
    let span_id = SpanId(link.span_id.as_slice().try_into().ok()?);
    (trace_id != TraceId::default() && span_id != SpanId::default()).then_some(Link { trace_id, span_id })
}

fn from_wire_event(event: wire::Event) -> Option<Stamp> {
    let kind = Event::named(&event.name)?;
    let (mut flow, mut direction, mut offset, mut quality) = (None, None, None, Quality::User);
    for pair in event.attributes {
        let Some(value) = from_wire_value(pair.value) else { continue };
        match (pair.key.as_str(), value) {
            (stamp::FLOW, Value::Text(value)) => flow = value.parse().ok(),
            (stamp::DIRECTION, Value::Text(value)) => direction = Direction::named(&value),
            (stamp::OFFSET, Value::Int(value)) => offset = u64::try_from(value).ok(),
            (stamp::QUALITY, Value::Text(value)) => quality = Quality::named(&value).unwrap_or(quality),
            _ => {}
        }
    }
    Some(Stamp {
        flow: flow?,
        direction: direction?,
        offset: offset?,
        event: kind,
        at: event.time_unix_nano,
        quality,
    })
}

/// The messages to decode, with the field numbers of opentelemetry-proto 1.x.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Export {
        #[prost(message, repeated, tag = "1")]
        pub(super) resource_spans: Vec<ResourceSpans>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ResourceSpans {
        #[prost(message, optional, tag = "1")]
        pub(super) resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub(super) scope_spans: Vec<ScopeSpans>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub(super) attributes: Vec<KeyValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ScopeSpans {
        #[prost(message, optional, tag = "1")]
        pub(super) scope: Option<Scope>,
        #[prost(message, repeated, tag = "2")]
        pub(super) spans: Vec<Span>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Scope {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) version: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Span {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) span_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        pub(super) parent_span_id: Vec<u8>,
        #[prost(string, tag = "5")]
        pub(super) name: String,
        #[prost(int32, tag = "6")]
        pub(super) kind: i32,
        #[prost(fixed64, tag = "7")]
        pub(super) start_time_unix_nano: u64,
        #[prost(fixed64, tag = "8")]
        pub(super) end_time_unix_nano: u64,
        #[prost(message, repeated, tag = "9")]
        pub(super) attributes: Vec<KeyValue>,
        #[prost(message, repeated, tag = "11")]
        pub(super) events: Vec<Event>,
        #[prost(message, repeated, tag = "13")]
        pub(super) links: Vec<Link>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Link {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) span_id: Vec<u8>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Event {
        #[prost(fixed64, tag = "1")]
        pub(super) time_unix_nano: u64,
        #[prost(string, tag = "2")]
        pub(super) name: String,
        #[prost(message, repeated, tag = "3")]
        pub(super) attributes: Vec<KeyValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct KeyValue {
        #[prost(string, tag = "1")]
        pub(super) key: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<Any>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Any {
        #[prost(oneof = "any::Value", tags = "1, 2, 3, 4")]
        pub(super) value: Option<any::Value>,
    }
    pub(super) mod any {
        #[derive(Clone, PartialEq, prost::Oneof)]
        pub(in super::super) enum Value {
            #[prost(string, tag = "1")]
            Text(String),
            #[prost(bool, tag = "2")]
            Bool(bool),
            #[prost(int64, tag = "3")]
            Int(i64),
            #[prost(double, tag = "4")]
            Double(f64),
        }
    }
}

#[cfg(test)]
mod tests;
