//! When may a request be sent again, and how often in all?
//!
//! Sending again hides a broken upstream from the user. It can also do harm, in two ways: an order
//! may be placed twice ([`is_safe`]), and when everything is slow, retries double the load that made
//! it slow ([`Budget`]).

use std::time::{Duration, Instant};

use hyper::http::request;

/// The header by which a client says that the server recognises a repetition
/// (draft-ietf-httpapi-idempotency-key-header).
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Is doing it twice the same as doing it once? So it is for idempotent methods (RFC 9110 §9.2.2),
/// and for any request that carries an `Idempotency-Key`.
///
/// This matters only once the request may have reached a server: when no connection came about,
/// anything may be sent again.
pub fn is_safe(head: &request::Parts) -> bool {
    head.method.is_idempotent() || head.headers.contains_key(IDEMPOTENCY_KEY)
}

/// How many retries all requests together may cause: a share of the requests, plus a few per second
/// so that a quiet service can retry at all.
///
/// A token bucket: every request puts a fraction of a token in, every retry takes a whole one out.
#[derive(Debug)]
pub struct Budget {
    share: f64,
    per_second: f64,
    tokens: f64,
    at: Instant,
}

impl Budget {
    /// What was saved over more than this time is lost.
    const SAVED: Duration = Duration::from_secs(10);

    /// Allows `share` retries per request (0.2: one in five) and `per_second` more.
    pub fn new(share: f64, per_second: f64, now: Instant) -> Self {
        Budget { share, per_second, tokens: per_second, at: now }
    }

    /// A request came in (not a retry).
    pub fn request(&mut self) {
        self.tokens = (self.tokens + self.share).min(self.most());
    }

    /// Takes a token for a retry, if there is one.
    pub fn withdraw(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + passed * self.per_second).min(self.most());
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }

    fn most(&self) -> f64 {
        // Whatever the rate: a hundred requests' share may be saved.
        self.per_second * Self::SAVED.as_secs_f64() + self.share * 100.0
    }
}

#[cfg(test)]
mod tests;
