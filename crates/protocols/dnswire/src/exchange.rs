//! One query and its response as a plain value, and the span that it becomes when somebody asks: the same from name
//! servers and resolvers.
//!
//! DNS carries no trace context, so nobody knows which exchange belongs to a request that is recorded. Whoever puts the
//! journey together joins it to its cause by flow and message id.

use std::borrow::Cow;

use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::BinDecodable as _;
use hop::telemetry::{Ids, Record, Short};
use hop::{Ends, Mark, Operation, Side};
use journey::semconv::attribute;
use journey::{Flow, Kind, Span, SpanId, TraceId, Value};

use crate::message::{HEADER, name_of};
use crate::wire_name::{end_of_name, to_wire};

/// A span's title, such as `A api.myshop.com.`, and its attributes.
pub type Description = (String, Vec<(&'static str, Value)>);

/// What was asked: the name as messages carry it, and the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    name: Short,
    kind: RecordType,
}

impl Question {
    /// The one question of a message; `None` if it has none, or more.
    pub fn of_message(message: &[u8]) -> Option<Self> {
        message.get(4..6).filter(|count| *count == [0, 1])?;
        let end = end_of_name(message, HEADER)?;
        let kind = message.get(end..)?.first_chunk::<2>()?;
        Some(Question { name: Short::new(&message[HEADER..end]), kind: u16::from_be_bytes(*kind).into() })
    }

    /// A question that is decoded already.
    pub fn of(query: &Query) -> Self {
        Question { name: Short::new(&to_wire(&query.name)), kind: query.query_type }
    }

    fn name(&self) -> String {
        Name::from_bytes(self.name.as_bytes()).map_or_else(|_| "?".to_owned(), |name| name.to_ascii())
    }
}

/// Describes a message by its id and its question (`?` when none could be read), and by how it went, if it did.
pub fn describe(question: Option<&Question>, id: u16, code: Option<ResponseCode>) -> Description {
    let (kind, name) = match question {
        Some(question) => (question.kind.to_string(), question.name()),
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

/// One query and its response, as one of the two programs saw them pass.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its sockets. A server answers a query, a client sends one.
    pub ends: Ends,
    /// Where it belongs, if it is known.
    pub context: Option<SpanContext>,
    /// What was asked, if that could be read.
    pub question: Option<Question>,
    /// The message id, the same in query and response.
    pub id: u16,
    /// How it went, if there was a response.
    pub code: Option<ResponseCode>,
    /// The query's last byte; in a datagram, where bytes are not counted, its offset is the message id.
    pub query: Mark,
    /// The response's last byte, or when it was no longer waited for (nanoseconds since the Unix epoch).
    pub response: Result<Mark, u64>,
    /// What else there is to say.
    pub details: Details,
}

/// Where in a trace it belongs (OpenTelemetry: SpanContext, and the parent).
#[derive(Clone, Copy, Debug)]
pub struct SpanContext {
    /// The trace, which the other exchanges of the same query share.
    pub trace: TraceId,
    /// This exchange's span.
    pub span: SpanId,
    /// The span of the query that caused it.
    pub parent: Option<SpanId>,
}

/// What only some can say of an exchange.
#[derive(Clone, Debug)]
pub enum Details {
    /// Nothing: a name server answered.
    None,
    /// A resolver answered.
    Resolved(Resolved),
    /// A resolver asked a name server.
    Upstream {
        /// Why there was no response.
        error: Option<Cow<'static, str>>,
        /// How often the datagram had to be sent again.
        resent: u32,
    },
}

/// What a resolver did for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Resolved {
    /// How many queries went to name servers for it.
    pub upstream_queries: u32,
    /// What the cache had to do with it: `hit`, `miss`, or `shared` when another query's recursion was waited for.
    pub cache: &'static str,
    /// For how many seconds the answer may still be kept.
    pub ttl: Option<u32>,
}

impl Resolved {
    /// The same as attributes.
    pub fn attributes(self) -> impl Iterator<Item = (&'static str, Value)> {
        let fixed = [
            (attribute::DNS_UPSTREAM_QUERIES, i64::from(self.upstream_queries).into()),
            (attribute::DNS_CACHE, self.cache.into()),
        ];
        fixed.into_iter().chain(self.ttl.map(|ttl| (attribute::DNS_ANSWER_TTL, i64::from(ttl).into())))
    }
}

impl Exchange {
    fn kind(&self) -> Kind {
        match self.ends.side() {
            Side::Server => Kind::Server,
            Side::Client => Kind::Client,
        }
    }
}

/// When a server read a query from a datagram and when it sent its response (nanoseconds since the Unix epoch): their offsets
/// are the message id.
pub fn datagram_marks(id: u16, read: Mark, sent: u64) -> [Mark; 2] {
    let offset = u64::from(id);
    [Mark { offset, ..read }, Mark { offset, at: sent, ..Mark::default() }]
}

impl Record for Exchange {
    fn times(&self) -> (u64, u64) {
        (self.query.at, self.response.map_or_else(|given_up| given_up, |mark| mark.at))
    }

    fn flows(&self) -> [Option<Flow>; 2] {
        [Some(self.ends.flow()), None]
    }

    fn operation(&self) -> Option<(Operation, &str)> {
        let kind = self.question.as_ref().map_or("?", |question| question.kind.into());
        (self.kind() == Kind::Server).then_some((Operation::Query, kind))
    }

    fn trace(&self) -> Option<TraceId> {
        self.context.map(|context| context.trace)
    }

    fn spans(&self, ids: Ids) -> Vec<Span> {
        let alone = SpanContext { trace: ids.trace(), span: ids.span(0), parent: None };
        let SpanContext { trace, span, parent } = self.context.unwrap_or(alone);
        let (title, attributes) = describe(self.question.as_ref(), self.id, self.code);
        let mut span = Span::new(trace, span, parent, self.kind(), title, self.times());
        span.attributes.extend(attributes.into_iter().map(|(key, value)| (key.into(), value)));
        match &self.details {
            Details::None => {}
            Details::Resolved(resolved) => {
                span.attributes.extend(resolved.attributes().map(|(key, value)| (key.into(), value)));
            }
            Details::Upstream { error, resent } => {
                let server = self.ends.flow().server;
                span = span
                    .with(attribute::SERVER_ADDRESS, server.ip().to_string())
                    .with(attribute::SERVER_PORT, server.port());
                if let Some(error) = error {
                    span = span.with(attribute::ERROR_TYPE, error.to_string());
                }
                if *resent > 0 {
                    span = span.with(attribute::DNS_RESEND_COUNT, i64::from(*resent));
                }
            }
        }
        span = span.with(attribute::NETWORK_TRANSPORT, self.ends.flow().transport.as_str());
        let response = self.response.ok();
        match self.ends.side() {
            Side::Server => {
                span.stamps.extend(self.ends.read_stamps(self.query));
                span.stamps.extend(response.map(|mark| self.ends.write_stamp(mark)));
            }
            Side::Client => {
                span.stamps.push(self.ends.write_stamp(self.query));
                span.stamps.extend(response.into_iter().flat_map(|mark| self.ends.read_stamps(mark)));
            }
        }
        vec![span]
    }
}
