//! A flight recorder: what this program did last, in memory, until somebody asks (as the JDK's Flight Recorder and Go's
//! `trace.FlightRecorder`).
//!
//! A layer-4 proxy, a name server, a store or a broker sees no trace context, so it cannot know which exchange belongs
//! to a request that is recorded. To send a span for each would cost the collector more than the requests cost the
//! programs. So each exchange is kept as a plain value, the oldest is overwritten, and a span is made only of what the
//! collector asks for by `POST /exchanges` at `ADMIN`: it knows from the spans of others which flows a request took.
//!
//! Without a limit of exchanges to keep (`FLIGHT_RECORDER=0`, the default by hand), each is sent as spans at once: so
//! any collector gets them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use journey::Span;

use super::sink::Sink;
use crate::http::{Body, full, text};
use crate::otlp;

mod ids;
mod query;
mod record;
mod ring;

pub use ids::Ids;
pub use query::{KEPT_SINCE, PATH, Query};
pub use record::Record;
pub(super) use ring::{Ring, Source};

/// Where a program's exchanges go. Cheap to clone.
pub struct Recorder<R>(To<R>);

enum To<R> {
    Nowhere,
    Ring(Arc<Ring<R>>),
    /// Spans at once, for tests and for collectors that do not ask.
    Sent(Arc<Sink>, Arc<Numbers>),
}

impl<R> Clone for Recorder<R> {
    fn clone(&self) -> Self {
        Recorder(match &self.0 {
            To::Nowhere => To::Nowhere,
            To::Ring(ring) => To::Ring(Arc::clone(ring)),
            To::Sent(sink, numbers) => To::Sent(Arc::clone(sink), Arc::clone(numbers)),
        })
    }
}

impl<R: Record> Recorder<R> {
    pub(super) fn nowhere() -> Self {
        Recorder(To::Nowhere)
    }

    pub(super) fn ring(ring: Arc<Ring<R>>) -> Self {
        Recorder(To::Ring(ring))
    }

    pub(super) fn sent(sink: Arc<Sink>) -> Self {
        Recorder(To::Sent(sink, Arc::default()))
    }

    /// Is anything recorded at all?
    pub fn enabled(&self) -> bool {
        !matches!(self.0, To::Nowhere)
    }

    /// Records what was done.
    pub fn record(&self, record: R) {
        match &self.0 {
            To::Nowhere => {}
            To::Ring(ring) => ring.push(record),
            To::Sent(sink, numbers) => {
                record.spans(numbers.next()).into_iter().for_each(|span| sink.emit(span));
            }
        }
    }
}

/// Gives each record its number.
pub(super) struct Numbers {
    seed: u128,
    next: AtomicU64,
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers { seed: rand::random(), next: AtomicU64::new(0) }
    }
}

impl Numbers {
    fn next(&self) -> Ids {
        Ids::new(self.seed, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// The response of a program that keeps what these sources have.
pub(super) fn respond(body: &Bytes, service: &str, sources: &[Arc<dyn Source>]) -> Response<Body> {
    let query = match Query::parse(body) {
        Ok(query) => query,
        Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    };
    let mut spans: Vec<Span> = Vec::new();
    let since = sources.iter().map(|source| source.answer(&query, &mut spans)).max();
    let mut response = Response::new(full(otlp::encode(service, &spans)));
    let kind = HeaderValue::from_static(otlp::CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(KEPT_SINCE, HeaderValue::from(since.unwrap_or(0)));
    response
}

#[cfg(test)]
mod tests;
