//! `Idempotency-Key`: a request that is sent again lands once (draft-ietf-httpapi-idempotency-key-header).
//!
//! A client that gets no response can't know whether its request landed, so it sends it again with the same key. The
//! first request with a key writes a record in Redis before it does anything; the record becomes the response in the
//! same transaction that changes the state. So whatever dies when: either the record holds the response and the state
//! is changed, or neither.
//!
//! | the record | means for a request with that key |
//! |---|---|
//! | none | do it |
//! | of another request | 422: a key belongs to one request |
//! | a response | the same response, and nothing is done |
//! | in progress, for less than [`LEASE`] | 409: try again in a moment |
//! | in progress, for longer | take it over: whoever began it is dead, or will find that it lost |
//!
//! A key belongs to one owner and lives for 24 hours. Responses that blame the caller are kept too; when we are to blame,
//! the record goes, and the next attempt starts afresh.

use std::time::Duration;

use hop::clock;
use hop::http::{Body, Exchange, Fault, Problem, content_type, response};
use hop::upstream::Failure;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use redis_client::{Client, Pipeline, Reply, Text as _, unexpected};
use serde::{Deserialize, Serialize};

/// How long a request has its key to itself, in milliseconds. What is safe does not depend on it.
pub const LEASE: u64 = 3_000;
/// How long Redis keeps a record: 24 hours.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The longest key. A UUID has 36 characters.
const LONGEST: usize = 128;

/// What is written down about a request.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    /// What was requested (the draft's "idempotency fingerprint"): the same key with something else is a mistake of the
    /// client.
    #[serde(rename = "wanted")]
    fingerprint: String,
    state: State,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// `by` differs for each attempt; `until` is in milliseconds since the Unix epoch.
    InProgress { by: String, until: u64 },
    #[serde(rename = "answered")]
    Responded(SavedResponse),
}

/// A response that can be given again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedResponse {
    /// The HTTP status code.
    pub status: u16,
    /// The header `Location`, if there is one.
    pub location: Option<String>,
    /// The body, JSON.
    pub body: String,
}

impl SavedResponse {
    /// What the client gets, the first time and each time after it.
    pub fn response(&self) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let media_type = if self.status < 400 { content_type::JSON } else { content_type::PROBLEM_JSON };
        let mut response = response::of_type(media_type, status, self.body.clone());
        if let Some(Ok(location)) = self.location.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

/// A request that is ours to do.
#[derive(Debug, PartialEq)]
pub struct Claim {
    key: String,
    /// The record while the request is in progress: as long as it is this very text, it is ours.
    text: String,
    fingerprint: String,
}

/// What is to be done about a request with a key.
#[derive(Debug, PartialEq)]
pub enum Claimed {
    /// Nobody else has it: it is to be handled now.
    Ours(Claim),
    /// It was handled before, with this response.
    Done(SavedResponse),
}

impl Claim {
    /// Claims the request with this fingerprint for whoever calls this.
    ///
    /// # Errors
    /// 422 for a key that belongs to another request, 409 while someone is at it, 503 without Redis.
    pub async fn acquire(
        redis: &Client,
        owner: &str,
        key: &str,
        fingerprint: &str,
    ) -> Result<Claimed, Box<Problem>> {
        let _timed = Exchange::current().timed("idempotency");
        let claim = Claim::new(format!("idempotency:{owner}:{key}"), fingerprint);
        let found = claim.write(redis).await.map_err(not_claimed)?;
        if found == claim.text {
            return Ok(Claimed::Ours(claim));
        }
        let record: Record = serde_json::from_str(&found).map_err(|error| {
            let detail = format!("the record of this Idempotency-Key makes no sense: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Fault::Ours, "idempotency-record-broken", detail)
        })?;
        if record.fingerprint != fingerprint {
            let detail =
                "this Idempotency-Key was used for another request: each request needs a key of its own";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(refused(status, "idempotency-key-reused", detail).into());
        }
        match record.state {
            State::Responded(response) => Ok(Claimed::Done(response)),
            State::InProgress { until, .. } if until > clock::now() / 1_000_000 => Err(in_progress()),
            State::InProgress { .. } => {
                let taken = redis.compare_and_set(&claim.key, &found, Some((&claim.text, LIFETIME))).await;
                if taken.map_err(not_claimed)? { Ok(Claimed::Ours(claim)) } else { Err(in_progress()) }
            }
        }
    }

    fn new(key: String, fingerprint: &str) -> Self {
        let by = format!("{:032x}", rand::random::<u128>());
        let until = clock::now() / 1_000_000 + LEASE;
        let state = State::InProgress { by, until };
        let text = text(&Record { fingerprint: fingerprint.to_owned(), state });
        Claim { key, text, fingerprint: fingerprint.to_owned() }
    }

    /// Writes the record, unless there is one, and says which there is now.
    async fn write(&self, redis: &Client) -> Result<String, Failure> {
        let lifetime = LIFETIME.as_millis().to_string();
        let mut commands = Pipeline::new("SET");
        commands.add(["SET", &self.key, &self.text, "NX", "PX", &lifetime]).add(["GET", &self.key]);
        let found = redis.run(&commands).await?.pop();
        found.as_ref().and_then(Reply::text).map(str::to_owned).ok_or_else(|| unexpected(&found))
    }

    /// The record's key, for a transaction to watch.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Is the record still ours? `record` is the reply to `GET` of its key.
    pub fn is_ours(&self, record: &Reply) -> bool {
        record.text() == Some(&self.text)
    }

    /// Adds to a transaction that the record holds the response (one command).
    pub fn save(&self, change: &mut Pipeline, response: &SavedResponse) {
        let lifetime = LIFETIME.as_millis().to_string();
        change.add(["SET", &self.key, &self.responded(response), "PX", &lifetime]);
    }

    /// The request was refused: the record keeps that if the caller is to blame, and else it goes, so that the next
    /// attempt finds none. A record that is not ours any more is left alone.
    pub async fn refuse(&self, redis: &Client, problem: &Problem, hop: &str) {
        let record = (problem.fault == Fault::Client).then(|| {
            let problem = problem.clone().at(hop);
            let body = serde_json::to_string(&problem).unwrap_or_default();
            self.responded(&SavedResponse { status: problem.status, location: None, body })
        });
        let new = record.as_deref().map(|record| (record, LIFETIME));
        if let Err(failure) = redis.compare_and_set(&self.key, &self.text, new).await {
            // Its lease ends by itself.
            hop::warn_throttled!("settle an idempotency key: {}", failure.describe());
        }
    }

    fn responded(&self, response: &SavedResponse) -> String {
        let state = State::Responded(response.clone());
        text(&Record { fingerprint: self.fingerprint.clone(), state })
    }
}

/// The key of a request, if it has one: a string as in RFC 8941 §3.3.3 (`"…"`), or, as many clients send it, without the
/// quotes.
///
/// # Errors
/// 400 when there are several, or one that is empty, too long, or has other characters.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Box<Problem>> {
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
    Err(refused(StatusCode::BAD_REQUEST, "bad-idempotency-key", detail).into())
}

fn text(record: &Record) -> String {
    serde_json::to_string(record).unwrap_or_default()
}

fn refused(status: StatusCode, kind: &str, detail: impl Into<String>) -> Problem {
    Problem::new(status, Fault::Client, kind, detail).field("Idempotency-Key")
}

/// Someone else is at this very request.
fn in_progress() -> Box<Problem> {
    let detail = "a request with this Idempotency-Key is in progress: send it again in a moment";
    refused(StatusCode::CONFLICT, "request-in-progress", detail).retry_after(1).into()
}

fn not_claimed(failure: Failure) -> Box<Problem> {
    hop::warn_throttled!("claim an idempotency key: {}", failure.describe());
    failure.problem("Nothing was done: try again, with the same key").retry_after(1).into()
}

#[cfg(test)]
mod tests;
