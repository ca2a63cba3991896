//! What a request's time was spent on.
//!
//! The Kafka protocol has no place for a `traceparent`, so a request gets a trace of its own. Who
//! puts the journey together joins it to the client's span by connection and byte offset: this span
//! says when the request's last byte was read and when the response's last byte was written.

use hop::trace::{new_span_id, new_trace_id};
use hop::{Mark, Stamps, Telemetry};
use journey::semconv::{attribute, name};
use journey::{Kind, PartKind, Span};
use kafka_protocol::messages::ApiKey;

use crate::apis::Call;
use crate::appender::Times;

/// A request whose response is on its way.
#[derive(Debug)]
pub struct RequestSpan {
    api: ApiKey,
    topic: Option<String>,
    read: Mark,
}

impl RequestSpan {
    /// Begins when the request's last byte was read.
    pub fn begin(call: &Call, read: Mark) -> Self {
        RequestSpan { api: call.api, topic: call.topic().map(str::to_owned), read }
    }

    /// Ends when the response's last byte was `written`, or without a response.
    pub fn end(self, telemetry: &Telemetry, stamps: &Stamps, written: Option<Mark>, times: Option<Times>) {
        let (trace, id) = (new_trace_id(), new_span_id());
        let end = written.map(|mark| mark.at).or(times.map(|times| times.synced)).unwrap_or(self.read.at);
        let name = match &self.topic {
            Some(topic) => format!("{:?} {topic}", self.api),
            None => format!("{:?}", self.api),
        };
        let mut span = Span::new(trace, id, None, Kind::Server, name, (self.read.at, end))
            .with(attribute::MESSAGING_SYSTEM, "kafka")
            .with(attribute::MESSAGING_OPERATION_NAME, format!("{:?}", self.api));
        // OpenTelemetry's general words, where there is one.
        match self.api {
            ApiKey::Produce => span = span.with(attribute::MESSAGING_OPERATION_TYPE, "send"),
            ApiKey::Fetch => span = span.with(attribute::MESSAGING_OPERATION_TYPE, "receive"),
            _ => {}
        }
        if let Some(topic) = self.topic {
            span = span.with(attribute::MESSAGING_DESTINATION_NAME, topic);
        }
        span.stamps.extend(stamps.read_stamps(self.read));
        span.stamps.extend(written.map(|mark| stamps.write_stamp(mark)));
        telemetry.emit(span);
        // `parse` begins where the request does, and `answer` ends where it ends: nothing is left out.
        if let Some(Times { queued, taken, written, synced }) = times {
            let parts = [
                (PartKind::Own, "parse", self.read.at, queued),
                (PartKind::Wait, name::QUEUE, queued, taken),
                (PartKind::Own, "append", taken, written),
                (PartKind::Wait, name::FSYNC, written, synced),
                (PartKind::Own, "answer", synced, end),
            ];
            for (kind, name, from, to) in parts {
                let times = (from, to.max(from));
                let span = Span::new(trace, new_span_id(), Some(id), Kind::Internal, name, times);
                telemetry.emit(if kind == PartKind::Own { span } else { span.part(kind) });
            }
        }
    }
}
