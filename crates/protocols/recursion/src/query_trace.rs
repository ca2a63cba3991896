//! One client's query on its way: which upstream questions it causes, how many it may cause, and what is
//! told about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dnswire::name_of;
use hickory_proto::op::{Query, ResponseCode};
use hop::{Mark, Telemetry, clock, trace};
use journey::semconv::attribute;
use journey::{Direction, Flow, Kind, Span, SpanId, TraceId, Transport};

/// The most upstream questions that one client's query may cause, its own and those it shares with others.
///
/// A zone can name any number of servers whose addresses have to be found first (the NXNS attack), and
/// aliases and delegations can be nested at will: the work per query needs a bound (RFC 1034 §5.3.3, "bound
/// the amount of work"). A name of any length needs ten questions at most (RFC 9156
/// §2.3); the rest is for aliases and for servers without glue.
pub const MOST_QUESTIONS: u32 = 24;

/// What one client query causes.
pub struct QueryTrace {
    telemetry: Telemetry,
    trace_id: TraceId,
    span_id: SpanId,
    sent: AtomicU32,
    shared: AtomicU32,
}

impl QueryTrace {
    /// A query whose upstream questions become children of the span `span_id`.
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

    /// How many questions went to name servers for this query.
    pub fn questions(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How often this query waited for what another one had already asked.
    pub fn shared(&self) -> u32 {
        self.shared.load(Ordering::Relaxed)
    }

    /// May one more question be asked?
    pub fn may_ask(&self) -> bool {
        self.questions() + self.shared() < MOST_QUESTIONS
    }

    pub(crate) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_shared(&self) {
        self.shared.fetch_add(1, Ordering::Relaxed);
    }

    /// Reports one exchange with a name server: who was asked what, and when the messages passed our socket.
    pub(crate) fn report(&self, exchange: &Sent, question: &Query, outcome: Result<ResponseCode, &str>) {
        if !self.telemetry.enabled() {
            return;
        }
        let (kind, name) = (question.query_type.to_string(), question.name.to_ascii());
        let end = exchange.read.map_or_else(clock::now, |read| read.at);
        let title = format!("{kind} {name}");
        let times = (exchange.sent.at, end);
        let span_id = trace::new_span_id();
        let mut span = Span::new(self.trace_id, span_id, Some(self.span_id), Kind::Client, title, times)
            .with(attribute::DNS_QUESTION_NAME, name)
            .with(attribute::DNS_QUESTION_TYPE, kind)
            .with(attribute::DNS_ID, exchange.id)
            .with(attribute::SERVER_ADDRESS, exchange.flow.server.ip().to_string())
            .with(attribute::SERVER_PORT, exchange.flow.server.port())
            .with(
                attribute::NETWORK_TRANSPORT,
                if exchange.flow.transport == Transport::Udp { "udp" } else { "tcp" },
            );
        span = match outcome {
            Ok(code) => span.with(attribute::DNS_RESPONSE_CODE, name_of(code)),
            Err(error) => span.with(attribute::ERROR_TYPE, error.to_owned()),
        };
        if exchange.resent > 0 {
            span = span.with(attribute::DNS_RESEND_COUNT, i64::from(exchange.resent));
        }
        span.stamps.push(exchange.sent.sent(exchange.flow, Direction::Request));
        let read = exchange.read.map(|read| read.received(exchange.flow, Direction::Response));
        span.stamps.extend(read.into_iter().flatten());
        self.telemetry.emit(span);
    }
}

/// What is known of an upstream question once it was sent.
pub(crate) struct Sent {
    /// The message id.
    pub(crate) id: u16,
    /// Between which sockets.
    pub(crate) flow: Flow,
    /// The request's last byte; for UDP the offset is the message id.
    pub(crate) sent: Mark,
    /// The same for the response.
    pub(crate) read: Option<Mark>,
    /// How often the datagram had to be sent again.
    pub(crate) resent: u32,
}
