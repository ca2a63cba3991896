//! What a request's time was spent on.
//!
//! The Kafka protocol has no place for a `traceparent`, so a request gets a trace of its own. Who puts the journey
//! together joins it to the client's span by connection and byte offset: a record says when the request's last byte
//! was read and when the response's last byte was written.

use hop::telemetry::{Ids, Record, Short};
use hop::{Ends, Mark, Operation};
use journey::semconv::{attribute, name};
use journey::{Flow, Kind, PartKind, Span};
use kafka_protocol::messages::ApiKey;

use crate::apis::Call;
use crate::appender::Times;

/// A request, from its last byte read.
#[derive(Debug)]
pub struct Begun {
    api: ApiKey,
    topic: Option<Short>,
    read: Mark,
    /// How many bytes it has.
    size: u64,
}

impl Begun {
    /// Begins when the request's last byte was read.
    pub fn new(call: &Call, read: Mark, size: u64) -> Self {
        Begun { api: call.api, topic: call.topic().map(Short::from), read, size }
    }

    /// The response's last byte was `written`, or there is none.
    pub fn end(self, ends: Ends, written: Option<Mark>, times: Option<Times>) -> Served {
        Served { begun: self, ends, written, times }
    }
}

/// A request whose response is on its way.
pub struct Served {
    begun: Begun,
    ends: Ends,
    written: Option<Mark>,
    times: Option<Times>,
}

/// The protocol's word for a request.
fn word(api: ApiKey) -> &'static str {
    match api {
        ApiKey::Produce => "Produce",
        ApiKey::Fetch => "Fetch",
        ApiKey::ListOffsets => "ListOffsets",
        ApiKey::Metadata => "Metadata",
        ApiKey::FindCoordinator => "FindCoordinator",
        ApiKey::ApiVersions => "ApiVersions",
        ApiKey::CreateTopics => "CreateTopics",
        ApiKey::InitProducerId => "InitProducerId",
        // No other is served (see `apis`).
        _ => "_OTHER",
    }
}

impl Record for Served {
    fn times(&self) -> (u64, u64) {
        let read = self.begun.read.at;
        let synced = self.times.map(|times| times.synced);
        (read, self.written.map(|mark| mark.at).or(synced).unwrap_or(read))
    }

    fn flows(&self) -> [Option<Flow>; 2] {
        [Some(self.ends.flow()), None]
    }

    fn operation(&self) -> Option<(Operation, &str)> {
        Some((Operation::Message, word(self.begun.api)))
    }

    fn spans(&self, ids: Ids) -> Vec<Span> {
        let Begun { api, topic, read, size } = &self.begun;
        let word = word(*api);
        let title =
            topic.as_ref().map_or_else(|| word.to_owned(), |topic| format!("{word} {}", topic.as_str()));
        let (start, end) = self.times();
        let mut span = Span::new(ids.trace(), ids.span(0), None, Kind::Server, title, (start, end))
            .with(attribute::MESSAGING_SYSTEM, "kafka")
            .with(attribute::MESSAGING_OPERATION_NAME, word)
            .with(attribute::READ_SIZE, *size);
        // OpenTelemetry's general words, where there is one.
        match api {
            ApiKey::Produce => span = span.with(attribute::MESSAGING_OPERATION_TYPE, "send"),
            ApiKey::Fetch => span = span.with(attribute::MESSAGING_OPERATION_TYPE, "receive"),
            _ => {}
        }
        if let Some(topic) = topic {
            span = span.with(attribute::MESSAGING_DESTINATION_NAME, topic.as_str().to_owned());
        }
        span.stamps.extend(self.ends.read_stamps(*read));
        span.stamps.extend(self.written.map(|mark| self.ends.write_stamp(mark)));
        // `parse` begins where the request does, and `respond` ends where it ends: nothing is left out.
        let parts = self.times.map(|Times { queued, taken, written, synced }| {
            [
                (PartKind::Own, "parse", start, queued),
                (PartKind::Wait, name::QUEUE, queued, taken),
                (PartKind::Own, "append", taken, written),
                (PartKind::Wait, name::FSYNC, written, synced),
                (PartKind::Own, "respond", synced, end),
            ]
        });
        let parts = parts.into_iter().flatten().enumerate().map(|(at, (kind, name, from, to))| {
            let (id, times) = (ids.span(at + 1), (from, to.max(from)));
            let span = Span::new(ids.trace(), id, Some(ids.span(0)), Kind::Internal, name, times);
            if kind == PartKind::Own { span } else { span.part(kind) }
        });
        std::iter::once(span).chain(parts).collect()
    }
}
