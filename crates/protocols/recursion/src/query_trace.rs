//! One client's query: which upstream queries it causes, how many it may cause, and what is told about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hickory_proto::op::{Query, ResponseCode};
use hop::{Mark, Telemetry, clock, trace};
use journey::semconv::attribute;
use journey::{Direction, Flow, Kind, Span, SpanId, TraceId};

/// The most upstream queries that one client's query may cause, its own and those it shares with others.
///
/// A zone can name any number of servers whose addresses have to be found first (the NXNS attack), and
/// aliases and delegations can be nested at will: the work per query needs a bound (RFC 1034 §5.3.3, "bound
/// the amount of work"). A name of any length needs ten queries at most (RFC 9156 §2.3); the rest is for
/// aliases and for servers without glue.
pub const MAX_QUERIES: u32 = 24;

/// What one client query causes.
pub struct QueryTrace {
    telemetry: Telemetry,
    trace_id: TraceId,
    span_id: SpanId,
    sent: AtomicU32,
    shared: AtomicU32,
}

impl QueryTrace {
    /// A query whose upstream queries become children of the span `span_id`.
    pub fn new(telemetry: Telemetry, trace_id: TraceId, span_id: SpanId) -> Arc<Self> {
        let (sent, shared) = (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(QueryTrace { telemetry, trace_id, span_id, sent, shared })
    }

    /// The trace that the client's query began or belongs to.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span of the client's query.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// How many queries went to name servers for this one.
    pub fn upstream_queries(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How often this query waited for the response to another one's.
    pub fn shared(&self) -> u32 {
        self.shared.load(Ordering::Relaxed)
    }

    /// May one more query be sent?
    pub fn may_query(&self) -> bool {
        self.upstream_queries() + self.shared() < MAX_QUERIES
    }

    pub(crate) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that another query was waited for.
    pub fn count_shared(&self) {
        self.shared.fetch_add(1, Ordering::Relaxed);
    }

    /// Reports one query to a name server: the question, and when the messages passed our socket.
    pub(crate) fn report(&self, query: &SentQuery, question: &Query, outcome: Result<ResponseCode, &str>) {
        if !self.telemetry.enabled() {
            return;
        }
        let (title, attributes) = dnswire::describe(Some(question), query.id, outcome.ok());
        let times = (query.sent.at, query.read.map_or_else(clock::now, |read| read.at));
        let span_id = trace::new_span_id();
        let mut span = Span::new(self.trace_id, span_id, Some(self.span_id), Kind::Client, title, times)
            .with(attribute::SERVER_ADDRESS, query.flow.server.ip().to_string())
            .with(attribute::SERVER_PORT, query.flow.server.port())
            .with(attribute::NETWORK_TRANSPORT, query.flow.transport.as_str());
        span.attributes.extend(attributes.into_iter().map(|(key, value)| (key.into(), value)));
        if let Err(error) = outcome {
            span = span.with(attribute::ERROR_TYPE, error.to_owned());
        }
        if query.resent > 0 {
            span = span.with(attribute::DNS_RESEND_COUNT, i64::from(query.resent));
        }
        span.stamps.push(query.sent.sent(query.flow, Direction::Request));
        let read = query.read.map(|read| read.received(query.flow, Direction::Response));
        span.stamps.extend(read.into_iter().flatten());
        self.telemetry.emit(span);
    }
}

/// What is known of an upstream query once it was sent.
pub(crate) struct SentQuery {
    pub(crate) id: u16,
    pub(crate) flow: Flow,
    /// The request's last byte; for UDP the offset is the message id.
    pub(crate) sent: Mark,
    /// The same for the response.
    pub(crate) read: Option<Mark>,
    /// How often the datagram had to be sent again.
    pub(crate) resent: u32,
}
