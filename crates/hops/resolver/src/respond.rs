//! From the bytes of a query to the bytes of a response: the whole resolver but for its sockets.

use std::net::IpAddr;
use std::sync::Arc;

use dnswire::{
    Details, Exchange, ExtendedError, PlainQuery, Question, Received, Resolved, ResponseWriter, Section,
    SpanContext,
};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hop::telemetry::Recorder;
use hop::{Ends, Mark, Telemetry, trace};
use journey::{Transport, Value};
use parking_lot::RwLock;
use recursion::{Outcome, QueryTrace, ServerMap};
use tokio::sync::Semaphore;

use crate::resolver::Resolver;

/// How many queries may wait for something that the cache does not have. Each holds some memory, and someone
/// will send more than fit: the surplus is told so at once. What the cache knows does not count.
pub(crate) const WAITING: usize = 8_192;

/// Everything a query needs. One per process, shared by all sockets.
pub struct Responder {
    roots: Vec<IpAddr>,
    servers: ServerMap,
    resolver: RwLock<Arc<Resolver>>,
    waiting: Semaphore,
    recorder: Recorder<Exchange>,
}

/// A response, and what its span says of it.
pub struct Response {
    /// The response on the wire.
    pub bytes: Vec<u8>,
    /// The message id, the same in query and response.
    pub id: u16,
    /// The question, if one could be read.
    pub question: Option<Question>,
    /// The response code (RFC 1035 §4.1.1).
    pub code: ResponseCode,
    /// What was done for it.
    pub resolved: Resolved,
}

impl Responder {
    /// Begins with an empty cache, knowing nothing but where the root's servers are; spans go to `telemetry`.
    pub fn new(roots: Vec<IpAddr>, servers: ServerMap, telemetry: &Telemetry) -> Self {
        let resolver = RwLock::new(Arc::new(Resolver::new(roots.clone(), servers.clone())));
        let waiting = Semaphore::new(WAITING);
        // Neither UDP nor TCP has a place for a trace context.
        let recorder = telemetry.recorder();
        Responder { roots, servers, resolver, waiting, recorder }
    }

    /// Forgets everything. Queries in progress keep the old memory until they are done.
    pub fn flush(&self) {
        let empty = Resolver::new(self.roots.clone(), self.servers.clone());
        *self.resolver.write() = Arc::new(empty);
    }

    /// Begins the trace of a query that came without one: DNS has no place for it.
    pub fn query_trace(&self) -> Arc<QueryTrace> {
        QueryTrace::new(self.recorder.clone(), trace::new_trace_id(), trace::new_span_id())
    }

    /// Answers one message; `None` when the only right answer is none. `transport` decides how long the
    /// answer may be.
    pub async fn respond(
        &self,
        bytes: &[u8],
        transport: Transport,
        trace: &Arc<QueryTrace>,
    ) -> Option<Response> {
        let (mut reply, limit, ttl) = match dnswire::read(bytes) {
            Received::Silence => return None,
            Received::Fault(reply) => (*reply, usize::MAX, None),
            Received::Question(query) => {
                let limit = match transport {
                    Transport::Udp => dnswire::datagram_limit(&query),
                    Transport::Tcp => usize::from(u16::MAX),
                };
                let outcome = self.outcome(&query, trace).await;
                let ttl = outcome.ttl();
                (reply(&query, outcome), limit, ttl)
            }
        };
        // RA: recursion is available (RFC 1035 §4.1.1).
        reply.metadata.recursion_available = true;
        let bytes = dnswire::write(&reply, limit);
        let cache = match (trace.upstream_queries(), trace.shared()) {
            (0, 0) => "hit",
            (0, _) => "shared",
            _ => "miss",
        };
        let resolved = Resolved { upstream_queries: trace.upstream_queries(), cache, ttl };
        let (id, code) = (reply.id, reply.metadata.response_code);
        let question = reply.queries.first().map(Question::of);
        Some(Response { bytes, id, question, code, resolved })
    }

    /// As [`respond`](Self::respond) to a datagram, into an empty buffer, if it is a plain query and the cache has all of
    /// the answer: no task, no waiting. The bytes of what is returned are in the buffer.
    pub fn respond_from_cache(&self, bytes: &[u8], message: &mut Vec<u8>) -> Option<Response> {
        let query = PlainQuery::read(bytes).filter(PlainQuery::recursion_desired)?;
        let question = query.decode_question().filter(|question| refusal(question).is_none())?;
        // A failure has more to say than records.
        let outcome = self.resolver.read().cached(&question).filter(|outcome| outcome.reason.is_none())?;
        let mut reply = ResponseWriter::to(query, message);
        reply.recursion_available();
        let answers = outcome.answers.iter().map(|record| (Section::Answers, record));
        for (section, record) in
            answers.chain(outcome.authorities.iter().map(|record| (Section::Authorities, record)))
        {
            reply.add_record(section, record)?;
        }
        reply.finish(outcome.code, query.datagram_limit(), false);
        let resolved = Resolved { upstream_queries: 0, cache: "hit", ttl: outcome.ttl() };
        let question = self.recorder.enabled().then(|| Question::of(&question));
        Some(Response { bytes: Vec::new(), id: query.id(), question, code: outcome.code, resolved })
    }

    async fn outcome(&self, query: &Message, trace: &Arc<QueryTrace>) -> Outcome {
        let Some(question) = query.queries.first() else { return Outcome::bare(ResponseCode::FormErr) };
        if !query.recursion_desired {
            // RD=0 means: what is in the cache and no more. Unlike real resolvers this one does not tell:
            // other people's questions are none of this client's business.
            let text = "this resolver serves recursive queries (RD=1)";
            return Outcome::failed(ResponseCode::Refused, ExtendedError::NOT_AUTHORITATIVE, text);
        }
        if let Some(refusal) = refusal(question) {
            return refusal;
        }
        let resolver = Arc::clone(&self.resolver.read());
        if let Some(outcome) = resolver.cached(question) {
            return outcome;
        }
        let Ok(_permit) = self.waiting.try_acquire() else {
            let text = format!("{WAITING} queries are already waiting");
            return Outcome::failed(ResponseCode::ServFail, ExtendedError::OTHER, text);
        };
        let outcome = resolver.resolve(question, trace).await;
        if let Some(reason) = &outcome.reason {
            hop::warn_throttled!(%question, reason = %reason.text, "no answer");
        }
        outcome
    }

    /// Records the question, how it went, what the cache knew, and when the two messages passed the socket. Without a
    /// trace nobody else was queried.
    pub fn record(
        &self,
        trace: Option<&QueryTrace>,
        response: Response,
        ends: Ends,
        query: Mark,
        sent: Mark,
    ) {
        let Response { question, id, code, resolved, .. } = response;
        let context = trace.map(|of| SpanContext { trace: of.trace_id(), span: of.span_id(), parent: None });
        let (code, response, details) = (Some(code), Ok(sent), Details::Resolved(resolved));
        self.recorder.record(Exchange { ends, context, question, id, code, query, response, details });
    }
}

impl Response {
    /// What a span says of it.
    pub fn attributes(&self) -> Vec<(&'static str, Value)> {
        let (_, mut attributes) = dnswire::describe(self.question.as_ref(), self.id, Some(self.code));
        attributes.extend(self.resolved.attributes());
        attributes
    }
}

/// What no name server is queried for: other classes, whole zones (RFC 5936 is between name servers),
/// and types that are no data but belong to messages (RFC 6895 §3.1).
fn refusal(question: &Query) -> Option<Outcome> {
    match question.query_type {
        _ if question.query_class != DNSClass::IN => Some(Outcome::bare(ResponseCode::Refused)),
        RecordType::AXFR | RecordType::IXFR => Some(Outcome::bare(ResponseCode::Refused)),
        RecordType::OPT | RecordType::TSIG | RecordType::ZERO => Some(Outcome::bare(ResponseCode::FormErr)),
        _ => None,
    }
}

fn reply(query: &Message, outcome: Outcome) -> Message {
    let mut reply = dnswire::reply_to(query);
    reply.metadata.response_code = outcome.code;
    reply.answers = outcome.answers;
    reply.authorities = outcome.authorities;
    if let Some(mut reason) = outcome.reason {
        reason.text = reason.text.chars().take(200).collect();
        reason.add_to(&mut reply);
    }
    reply
}
