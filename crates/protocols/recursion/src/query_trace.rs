//! One client's query: which upstream queries it causes, how many it may cause, and what is told about them.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dnswire::{Details, Exchange, Question, SpanContext};
use hickory_proto::op::{Query, ResponseCode};
use hop::telemetry::Recorder;
use hop::{Ends, Mark, clock, trace};
use journey::{SpanId, TraceId};

/// The most upstream queries that one client's query may cause, its own and those it shares with others.
///
/// A zone can name any number of servers whose addresses have to be found first (the NXNS attack), and
/// aliases and delegations can be nested at will: the work per query needs a bound (RFC 1034 §5.3.3, "bound
/// the amount of work"). A name of any length needs ten queries at most (RFC 9156 §2.3); the rest is for
/// aliases and for servers without glue.
pub const MAX_QUERIES: u32 = 24;

/// What one client query causes.
pub struct QueryTrace {
    recorder: Recorder<Exchange>,
    trace_id: TraceId,
    span_id: SpanId,
    sent: AtomicU32,
    shared: AtomicU32,
}

impl QueryTrace {
    /// A query whose upstream queries become children of the span `span_id`.
    pub fn new(recorder: Recorder<Exchange>, trace_id: TraceId, span_id: SpanId) -> Arc<Self> {
        let (sent, shared) = (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(QueryTrace { recorder, trace_id, span_id, sent, shared })
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

    /// Records one query to a name server: the question, and when the messages passed our socket.
    pub(crate) fn record(
        &self,
        sent: &SentQuery,
        question: &Query,
        outcome: Result<ResponseCode, Cow<'static, str>>,
    ) {
        if !self.recorder.enabled() {
            return;
        }
        let context =
            SpanContext { trace: self.trace_id, span: trace::new_span_id(), parent: Some(self.span_id) };
        self.recorder.record(Exchange {
            ends: sent.ends,
            context: Some(context),
            question: Some(Question::of(question)),
            id: sent.id,
            code: outcome.as_ref().ok().copied(),
            query: sent.sent,
            response: sent.read.ok_or_else(clock::now),
            details: Details::Upstream { error: outcome.err(), resent: sent.resent },
        });
    }
}

/// What is known of an upstream query once it was sent.
pub(crate) struct SentQuery {
    pub(crate) id: u16,
    pub(crate) ends: Ends,
    /// The request's last byte; for UDP the offset is the message id.
    pub(crate) sent: Mark,
    /// The same for the response.
    pub(crate) read: Option<Mark>,
    /// How often the datagram had to be sent again.
    pub(crate) resent: u32,
}
