//! The browser's own spans of one journey, while it is under way.

use std::borrow::Cow;

use journey::{Kind, Span, SpanId, TraceId};

/// The browser's name in every report.
pub const BROWSER: &str = "browser";

/// Collects spans; all of them are children of one root, the journey itself.
pub(crate) struct Recorder {
    pub(crate) trace_id: TraceId,
    pub(crate) root: SpanId,
    pub(crate) spans: Vec<Span>,
}

impl Recorder {
    pub(crate) fn new(trace_id: Option<TraceId>) -> Self {
        let trace_id = trace_id.unwrap_or_else(hop::trace::new_trace_id);
        Recorder { trace_id, root: hop::trace::new_span_id(), spans: Vec::with_capacity(8) }
    }

    /// A span of the root, for the caller to complete and to put into `spans`; times in nanoseconds since the Unix
    /// epoch.
    pub(crate) fn span(&self, kind: Kind, name: impl Into<Cow<'static, str>>, times: (u64, u64)) -> Span {
        let mut span =
            Span::new(self.trace_id, hop::trace::new_span_id(), Some(self.root), kind, name, times);
        span.hop = BROWSER.into();
        span
    }

    /// Notes work of the browser itself, from then until now.
    pub(crate) fn worked(&mut self, name: &'static str, from: u64) {
        let span = self.span(Kind::Internal, name, (from, hop::clock::now()));
        self.spans.push(span);
    }
}
