//! One client's query on its way: which questions it causes, and what is told about them.
//!
//! The recursor between the client's query and the questions knows nothing of this. A task-local
//! value, set around its work, connects the two ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::{DnsResponse, Message};
use hop::{Mark, Telemetry, clock, trace};
use journey::semconv::attribute;
use journey::{Direction, Flow, Kind, Span, SpanId, TraceId, Transport};

use dnswire::name_of;

tokio::task_local! {
    /// The client's query that is being worked on.
    static TRIP: Arc<Trip>;
}

/// What one client query causes: the questions asked on its behalf.
pub struct Trip {
    telemetry: Telemetry,
    trace_id: TraceId,
    span_id: SpanId,
    questions: AtomicU32,
    failure: Mutex<Option<String>>,
}

impl Trip {
    /// A trip whose questions become children of the span `span_id`.
    pub fn new(telemetry: Telemetry, trace_id: TraceId, span_id: SpanId) -> Arc<Self> {
        Arc::new(Trip {
            telemetry,
            trace_id,
            span_id,
            questions: AtomicU32::new(0),
            failure: Mutex::default(),
        })
    }

    /// The trace that the client's query began or belongs to.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span of the client's query.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// How many questions went to name servers; 0 means that the cache knew.
    pub fn questions(&self) -> u32 {
        self.questions.load(Ordering::Relaxed)
    }

    /// What went wrong last, with the name server it went wrong with: when in the end there is no
    /// answer, this says whose fault it is.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers that asking `server` failed.
    pub fn note_failure(&self, server: String, error: &NetError) {
        let text = match error {
            NetError::Io(error) => format!("name server {server}: {error}"),
            other => format!("name server {server}: {other}"),
        };
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    /// Runs `work` such that the questions it asks belong to this trip.
    pub async fn run<F: Future>(self: &Arc<Self>, work: F) -> F::Output {
        TRIP.scope(Arc::clone(self), work).await
    }

    /// The trip on whose behalf the running code asks, if any.
    pub fn current() -> Option<Arc<Trip>> {
        TRIP.try_with(Arc::clone).ok()
    }

    /// Counts one question.
    pub fn count(&self) {
        self.questions.fetch_add(1, Ordering::Relaxed);
    }

    /// Reports one question: who was asked what, and when the messages passed our socket.
    pub fn report(&self, asked: &Asked, request: &Message, outcome: &Result<DnsResponse, NetError>) {
        if !self.telemetry.enabled() {
            return;
        }
        let (kind, name) = match request.queries.first() {
            Some(question) => (question.query_type.to_string(), question.name.to_ascii()),
            None => return,
        };
        let end = asked.read.map_or_else(clock::now, |read| read.at);
        let span_id = trace::new_span_id();
        let title = format!("{kind} {name}");
        let times = (asked.sent.at, end);
        let mut span = Span::new(self.trace_id, span_id, Some(self.span_id), Kind::Client, title, times)
            .with(attribute::DNS_QUESTION_NAME, name)
            .with(attribute::DNS_QUESTION_TYPE, kind)
            .with(attribute::DNS_ID, request.id)
            .with(attribute::SERVER_ADDRESS, asked.flow.server.ip().to_string())
            .with(attribute::SERVER_PORT, asked.flow.server.port())
            .with(
                attribute::NETWORK_TRANSPORT,
                if asked.flow.transport == Transport::Udp { "udp" } else { "tcp" },
            );
        match outcome {
            Ok(response) => {
                span = span.with(attribute::DNS_RESPONSE_CODE, name_of(response.response_code));
            }
            Err(error) => span = span.with(attribute::ERROR_TYPE, error.to_string()),
        }
        if asked.resent > 0 {
            span = span.with(attribute::DNS_RESEND_COUNT, i64::from(asked.resent));
        }
        span.stamps.push(asked.sent.sent(asked.flow, Direction::Request));
        let read = asked.read.map(|read| read.received(asked.flow, Direction::Response));
        span.stamps.extend(read.into_iter().flatten());
        self.telemetry.emit(span);
    }
}

/// What is known of a question once it was sent.
pub struct Asked {
    /// Between which sockets.
    pub flow: Flow,
    /// The request's last byte; for UDP the offset is the message id.
    pub sent: Mark,
    /// The same for the response.
    pub read: Option<Mark>,
    /// How often it had to be sent again.
    pub resent: u32,
}
