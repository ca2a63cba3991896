//! From the bytes of a query to the bytes of a response: the whole resolver but for its sockets.

use std::net::IpAddr;
use std::sync::Arc;

use dnswire::{ExtendedError, PlainQuery, Received, ResponseWriter, Section};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hop::{Telemetry, trace};
use journey::semconv::attribute;
use journey::{Stamp, Transport};
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
    telemetry: Telemetry,
}

/// A response, and what its span says of it.
pub struct Response {
    /// The response on the wire.
    pub bytes: Vec<u8>,
    /// The message id, the same in query and response.
    pub id: u16,
    /// The question, if one could be read.
    pub question: Option<Query>,
    /// The response code (RFC 1035 §4.1.1).
    pub code: ResponseCode,
    /// For how many seconds the answer may still be kept.
    pub ttl: Option<u32>,
    /// How many queries went to name servers for it.
    pub upstream_queries: u32,
    /// What the cache had to do with it: `hit`, `miss`, or `shared` when another query's recursion was waited for.
    pub cache: &'static str,
}

impl Responder {
    /// Begins with an empty cache, knowing nothing but where the root's servers are; spans go to `telemetry`.
    pub fn new(roots: Vec<IpAddr>, servers: ServerMap, telemetry: Telemetry) -> Self {
        let resolver = RwLock::new(Arc::new(Resolver::new(roots.clone(), servers.clone())));
        let waiting = Semaphore::new(WAITING);
        // Neither UDP nor TCP has a place for a trace context.
        let telemetry = telemetry.without_context();
        Responder { roots, servers, resolver, waiting, telemetry }
    }

    /// Forgets everything. Queries in progress keep the old memory until they are done.
    pub fn flush(&self) {
        let empty = Resolver::new(self.roots.clone(), self.servers.clone());
        *self.resolver.write() = Arc::new(empty);
    }

    /// Begins the trace of a query that came without one: DNS has no place for it.
    pub fn query_trace(&self) -> Arc<QueryTrace> {
        QueryTrace::new(self.telemetry.clone(), trace::new_trace_id(), trace::new_span_id())
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
        let (id, code) = (reply.id, reply.metadata.response_code);
        Some(Response {
            bytes,
            id,
            question: reply.queries.pop(),
            code,
            ttl,
            upstream_queries: trace.upstream_queries(),
            cache,
        })
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
        Some(Response {
            bytes: Vec::new(),
            id: query.id(),
            question: Some(question),
            code: outcome.code,
            ttl: outcome.ttl(),
            upstream_queries: 0,
            cache: "hit",
        })
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

    /// As [`report`](Self::report), for a response that took no more than the cache.
    pub fn report_hit(&self, response: &Response, times: (u64, u64), stamps: impl FnOnce() -> Vec<Stamp>) {
        if self.telemetry.enabled() {
            self.report(&self.query_trace(), response, times, stamps());
        }
    }

    /// Reports the SERVER span: the question, how it went, what the cache knew, and when the two messages passed
    /// the socket.
    pub fn report(&self, trace: &QueryTrace, response: &Response, times: (u64, u64), stamps: Vec<Stamp>) {
        if !self.telemetry.enabled() {
            return;
        }
        let ids = (trace.trace_id(), trace.span_id());
        self.telemetry.emit(dnswire::server_span(ids, response.describe(), times, stamps));
    }
}

impl Response {
    /// What its span says of it.
    pub fn describe(&self) -> dnswire::Description {
        let (title, mut attributes) = dnswire::describe(self.question.as_ref(), self.id, Some(self.code));
        attributes.extend([
            (attribute::DNS_UPSTREAM_QUERIES, i64::from(self.upstream_queries).into()),
            (attribute::DNS_CACHE, self.cache.into()),
        ]);
        attributes.extend(self.ttl.map(|ttl| (attribute::DNS_ANSWER_TTL, i64::from(ttl).into())));
        (title, attributes)
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
