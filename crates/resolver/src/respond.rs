//! From the bytes of a query to the bytes of a response: the whole resolver but for its sockets.

use std::sync::Arc;

use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::opt::EdnsOption;
use hop::{Telemetry, trace};
use journey::semconv::attribute;
use journey::{Kind, Span, Stamp, Transport};
use tokio::sync::Semaphore;

use crate::iterate::{Outcome, Reason, Walker};
use crate::trip::Trip;
use dnswire::Received;

/// How many queries are worked on at once. Each holds a few sockets and some memory, and someone
/// will send more than there is room for: the surplus is told so at once.
const QUERIES: usize = 512;
/// The EDNS option of an Extended DNS Error (RFC 8914 §2).
const EXTENDED_ERROR: u16 = 15;

/// Everything a query needs. One per process, shared by all sockets.
pub struct Resolver {
    walker: Walker,
    places: Semaphore,
    telemetry: Telemetry,
}

/// A response, and what is told about it.
pub struct Response {
    /// What to send.
    pub bytes: Vec<u8>,
    /// The message id, the same in query and response.
    pub id: u16,
    /// The question, if one could be read.
    pub question: Option<Query>,
    /// How it went.
    pub code: ResponseCode,
    /// For how many seconds the answer may still be kept.
    pub ttl: Option<u32>,
    /// How many questions went to name servers for it; 0 means that the cache knew.
    pub questions: u32,
}

impl Resolver {
    /// A resolver around a walker; spans go to `telemetry`.
    pub fn new(walker: Walker, telemetry: Telemetry) -> Self {
        Resolver { walker, places: Semaphore::new(QUERIES), telemetry }
    }

    /// The part that walks and remembers.
    pub fn walker(&self) -> &Walker {
        &self.walker
    }

    /// Begins a trip for a query that came without a trace: DNS has no place for one.
    pub fn trip(&self) -> Arc<Trip> {
        Trip::new(self.telemetry.clone(), trace::new_trace_id(), trace::new_span_id())
    }

    /// Answers one message; `None` when the only right answer is none. `transport` decides how long
    /// the answer may be.
    pub async fn respond(&self, bytes: &[u8], transport: Transport, trip: &Arc<Trip>) -> Option<Response> {
        let (mut reply, limit, ttl) = match dnswire::read(bytes) {
            Received::Silence => return None,
            Received::Fault(reply) => (*reply, usize::MAX, None),
            Received::Question(query) => {
                let limit = match transport {
                    Transport::Udp => dnswire::datagram_limit(&query),
                    Transport::Tcp => usize::from(u16::MAX),
                };
                let outcome = self.outcome(&query, trip).await;
                let ttl = outcome.ttl();
                (reply(&query, outcome), limit, ttl)
            }
        };
        // RA: "I do ask others for you" (RFC 1035 §4.1.1).
        reply.metadata.recursion_available = true;
        let bytes = dnswire::write(&reply, limit);
        let code = reply.metadata.response_code;
        Some(Response {
            bytes,
            id: reply.id,
            question: reply.queries.pop(),
            code,
            ttl,
            questions: trip.questions(),
        })
    }

    async fn outcome(&self, query: &Message, trip: &Arc<Trip>) -> Outcome {
        if !query.recursion_desired {
            // RD=0 asks for what is in the cache and no more. Unlike real resolvers this one does not
            // tell: other people's questions are none of the asker's business. 20 is "Not Authoritative".
            return Outcome::failed(
                ResponseCode::Refused,
                20,
                "this resolver serves recursive queries (RD=1)",
            );
        }
        let Some(question) = query.queries.first() else {
            return Outcome::failed(ResponseCode::FormErr, 0, "");
        };
        let Ok(_place) = self.places.try_acquire() else {
            let text = format!("{QUERIES} queries are already being worked on");
            return Outcome::failed(ResponseCode::ServFail, 23, text);
        };
        let dnssec_ok = query.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        let mut outcome = trip.run(self.walker.resolve(question, dnssec_ok)).await;
        if let Some(reason) = &mut outcome.reason {
            // The walk's own error is often a mere "nobody left to ask": the last failure says more.
            reason.text = trip.failure().unwrap_or_else(|| std::mem::take(&mut reason.text));
            hop::warn_throttled!(%question, reason = %reason.text, "no answer");
        }
        outcome
    }

    /// Tells the lab what was asked, how it went, what the cache knew, and when the two messages
    /// passed the socket.
    pub fn report(&self, trip: &Trip, response: &Response, times: (u64, u64), stamps: Vec<Stamp>) {
        if !self.telemetry.enabled() {
            return;
        }
        let (title, facts) = response.facts();
        let (trace, span) = (trip.trace_id(), trip.span_id());
        let udp = stamps.first().is_some_and(|stamp| stamp.flow.transport == Transport::Udp);
        let mut span = Span::new(trace, span, None, Kind::Server, title, times)
            .with(attribute::NETWORK_TRANSPORT, if udp { "udp" } else { "tcp" });
        span.attributes.extend(facts.into_iter().map(|(key, value)| (key.into(), value)));
        span.stamps = stamps;
        self.telemetry.emit(span);
    }
}

impl Response {
    /// The title and the facts of this exchange's span.
    pub fn facts(&self) -> (String, Vec<(&'static str, journey::Value)>) {
        let (kind, name) = match &self.question {
            Some(question) => (question.query_type.to_string(), question.name.to_ascii()),
            None => ("?".to_owned(), "?".to_owned()),
        };
        let title = format!("{kind} {name}");
        let mut facts = vec![
            (attribute::DNS_QUESTION_NAME, name.into()),
            (attribute::DNS_QUESTION_TYPE, kind.into()),
            (attribute::DNS_RESPONSE_CODE, dnswire::name_of(self.code).into()),
            (attribute::DNS_ID, self.id.into()),
            (attribute::DNS_UPSTREAM_QUERIES, i64::from(self.questions).into()),
            (attribute::DNS_CACHE, if self.questions == 0 { "hit" } else { "miss" }.into()),
        ];
        facts.extend(self.ttl.map(|ttl| (attribute::DNS_ANSWER_TTL, i64::from(ttl).into())));
        (title, facts)
    }
}

fn reply(query: &Message, outcome: Outcome) -> Message {
    let mut reply = dnswire::reply_to(query);
    reply.metadata.response_code = outcome.code;
    reply.answers = outcome.answers;
    reply.authorities = outcome.authorities;
    if let (Some(edns), Some(Reason { code, text })) = (&mut reply.edns, outcome.reason) {
        let text: String = text.chars().take(200).collect();
        let option = [&code.to_be_bytes(), text.as_bytes()].concat();
        edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_ERROR, option));
    }
    reply
}
