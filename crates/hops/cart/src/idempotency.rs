//! `Idempotency-Key`: a request that is sent again lands once (draft-ietf-httpapi-idempotency-key-header).
//!
//! A client that gets no answer can't know whether its request landed, so it sends it again with the same
//! key. The first request with a key writes a record in Redis before it does anything; the record becomes
//! the answer in the same transaction that changes the cart. So whatever dies when: either the record holds
//! the answer and the cart is changed, or neither.
//!
//! | the record | means for a request with that key |
//! |---|---|
//! | none | do it |
//! | of another request | 422: a key belongs to one request |
//! | an answer | the same answer, and nothing is done |
//! | in progress, for less than [`LEASE`] | 409: ask again in a moment |
//! | in progress, for longer | take it over: whoever began it is dead, or will find that it lost |
//!
//! A key belongs to one customer (`sub`) and lives for 24 hours. Answers that blame the caller are kept too;
//! when we are to blame, the record goes, and the next attempt starts afresh.

use hop::clock;
use hop::http::{Body, Exchange, Fault, Problem, full};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::auth::Customer;
use crate::redis::Redis;
use crate::refusal::Refusal;
use crate::wire::Failure;

/// How long a request has its key to itself, in milliseconds. What is safe does not depend on it.
pub const LEASE: u64 = 3_000;
/// The longest key. A UUID has 36 characters.
const LONGEST: usize = 128;

/// What is written down about a request.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    /// What it asked for: the same key with something else is a mistake of the client.
    wanted: String,
    state: State,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// `by` differs for each attempt; `until` is in milliseconds since the Unix epoch.
    InProgress {
        by: String,
        until: u64,
    },
    Answered(Answer),
}

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header `Location`, if there is one.
    pub location: Option<String>,
    /// The body, JSON.
    pub body: String,
}

impl Answer {
    /// What the client gets, the first time and each time after it.
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(full(self.body.clone()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let json = if self.status < 400 { "application/json" } else { "application/problem+json" };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(json));
        if let Some(Ok(location)) = self.location.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

/// A request that is ours to do.
#[derive(Debug, PartialEq)]
pub struct Claim {
    /// The record's key in Redis.
    pub key: String,
    /// The record while the request is in progress: as long as it is this very text, it is ours.
    pub text: String,
    wanted: String,
}

/// What is to be done about a request with a key.
#[derive(Debug, PartialEq)]
pub enum Claimed {
    /// Do it.
    Ours(Claim),
    /// It has been done.
    Answered(Answer),
}

impl Claim {
    /// How long Redis keeps a record, in milliseconds: 24 hours.
    pub const LIFETIME: &'static str = "86400000";

    fn new(key: String, wanted: &str) -> Self {
        let by = format!("{:032x}", rand::random::<u128>());
        let until = clock::now() / 1_000_000 + LEASE;
        let text = text(&Record { wanted: wanted.to_owned(), state: State::InProgress { by, until } });
        Claim { key, text, wanted: wanted.to_owned() }
    }

    /// Claims the request `wanted` for whoever calls this.
    ///
    /// # Errors
    /// 422 for a key that belongs to another request, 409 while someone is at it, 503 without Redis.
    pub async fn stake(
        redis: &Redis,
        exchange: &Exchange,
        customer: &Customer,
        key: &str,
        wanted: &str,
    ) -> Result<Claimed, Refusal> {
        let claim = Claim::new(format!("idempotency:{}:{key}", customer.as_str()), wanted);
        let found = redis.record(exchange, &claim).await.map_err(not_claimed)?;
        if found == claim.text {
            return Ok(Claimed::Ours(claim));
        }
        let record: Record = serde_json::from_str(&found).map_err(|error| {
            let detail = format!("the record of this Idempotency-Key makes no sense: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Fault::Ours, "idempotency-record-broken", detail)
        })?;
        if record.wanted != wanted {
            let detail =
                "this Idempotency-Key was used for another request: each request needs a key of its own";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Refusal::client(status, "idempotency-key-reused", "Idempotency-Key", detail));
        }
        match record.state {
            State::Answered(answer) => Ok(Claimed::Answered(answer)),
            State::InProgress { until, .. } if until > clock::now() / 1_000_000 => Err(in_progress()),
            State::InProgress { .. } => {
                let taken = redis.replace(exchange, &claim.key, &found, Some(&claim.text)).await;
                if taken.map_err(not_claimed)? { Ok(Claimed::Ours(claim)) } else { Err(in_progress()) }
            }
        }
    }

    /// The record that holds the answer.
    pub fn answered(&self, answer: &Answer) -> String {
        text(&Record { wanted: self.wanted.clone(), state: State::Answered(answer.clone()) })
    }

    /// The request was refused: the record keeps that if the caller is to blame, and else it goes, so that
    /// the next attempt finds none. A record that is not ours any more is left alone.
    pub async fn refused(&self, redis: &Redis, exchange: &Exchange, refusal: &Refusal, hop: &str) {
        let answer = (refusal.problem.fault == Fault::Client).then(|| {
            let problem = refusal.problem.clone().at(hop);
            let body = serde_json::to_string(&problem).unwrap_or_default();
            self.answered(&Answer { status: problem.status, location: None, body })
        });
        if let Err(failure) = redis.replace(exchange, &self.key, &self.text, answer.as_deref()).await {
            // Its lease ends by itself.
            hop::warn_throttled!("settle an idempotency key: {}", failure.describe());
        }
    }
}

/// The key of a request, if it has one: a string as in RFC 8941 §3.3.3 (`"…"`), or, as many clients send
/// it, without the quotes.
///
/// # Errors
/// 400 when there are several, or one that is empty, too long, or has other characters.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(first) = given.next() else { return Ok(None) };
    let text = first.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let legal = |c: u8| c.is_ascii_graphic() && c != b'"' && c != b'\\';
    if (1..=LONGEST).contains(&text.len()) && text.bytes().all(legal) && given.next().is_none() {
        return Ok(Some(text.to_owned()));
    }
    let detail =
        format!("Idempotency-Key must be one text of 1 to {LONGEST} visible characters, such as a UUID");
    Err(Refusal::client(StatusCode::BAD_REQUEST, "bad-idempotency-key", "Idempotency-Key", detail))
}

fn text(record: &Record) -> String {
    serde_json::to_string(record).unwrap_or_default()
}

/// Someone else is at this very request.
fn in_progress() -> Refusal {
    let detail = "a request with this Idempotency-Key is in progress: send it again in a moment";
    Refusal::client(StatusCode::CONFLICT, "request-in-progress", "Idempotency-Key", detail).retry_after(1)
}

fn not_claimed(failure: Failure) -> Refusal {
    hop::warn_throttled!("claim an idempotency key: {}", failure.describe());
    Refusal::from(failure.problem("Nothing was added: try again, with the same key")).retry_after(1)
}

#[cfg(test)]
mod tests;
