//! What spans say of DNS messages, the same from name servers, resolvers and clients.

use hickory_proto::op::{Query, ResponseCode};
use hop::Mark;
use journey::semconv::attribute;
use journey::{Direction, Flow, Kind, Span, SpanId, Stamp, TraceId, Value};

use crate::message::name_of;

/// A span's title, such as `A api.myshop.com.`, and its attributes.
pub type Description = (String, Vec<(&'static str, Value)>);

/// Describes a message by its id and its question (`?` when none could be read), and by how it went, if it did.
pub fn describe(question: Option<&Query>, id: u16, code: Option<ResponseCode>) -> Description {
    let (kind, name) = match question {
        Some(question) => (question.query_type.to_string(), question.name.to_ascii()),
        None => ("?".to_owned(), "?".to_owned()),
    };
    let title = format!("{kind} {name}");
    let mut attributes = vec![
        (attribute::DNS_QUESTION_NAME, name.into()),
        (attribute::DNS_QUESTION_TYPE, kind.into()),
        (attribute::DNS_ID, id.into()),
    ];
    attributes.extend(code.map(|code| (attribute::DNS_RESPONSE_CODE, name_of(code).into())));
    (title, attributes)
}

/// The span of a server for one query, with the stamps of both messages. It has no parent: DNS carries no trace id;
/// the lab joins it to its cause by flow and message id.
pub fn server_span(
    ids: (TraceId, SpanId),
    (title, attributes): Description,
    times: (u64, u64),
    stamps: Vec<Stamp>,
) -> Span {
    let mut span = Span::new(ids.0, ids.1, None, Kind::Server, title, times);
    span.attributes.extend(attributes.into_iter().map(|(key, value)| (key.into(), value)));
    if let Some(stamp) = stamps.first() {
        span = span.with(attribute::NETWORK_TRANSPORT, stamp.flow.transport.as_str());
    }
    span.stamps = stamps;
    span
}

/// The stamps of a server that read a query from a datagram and sent its response at `sent` (nanoseconds since the
/// Unix epoch): their offsets are the message id.
pub fn datagram_stamps(flow: Flow, id: u16, read: Mark, sent: u64) -> Vec<Stamp> {
    let offset = u64::from(id);
    let (read, sent) = (Mark { offset, ..read }, Mark { offset, at: sent, ..Mark::default() });
    read.received(flow, Direction::Request).chain([sent.sent(flow, Direction::Response)]).collect()
}
