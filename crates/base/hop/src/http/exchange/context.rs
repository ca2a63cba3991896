//! Which trace a request belongs to, and what those are told that it causes (W3C Trace Context).

use std::borrow::Cow;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use journey::semconv::attribute;
use journey::{Flow, Kind, Span, SpanId, TraceId, Traceparent, Value};

use crate::telemetry::Decision;
use crate::{Telemetry, trace};

const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

pub(super) struct Context {
    /// What the caller sent, if it did.
    pub(super) caller: Option<Traceparent>,
    /// What other tracing systems on the way have added (`tracestate`, §3.3): passed on as it came.
    state: Vec<HeaderValue>,
    pub(super) trace_id: TraceId,
    /// Of the SERVER span, which everything that this exchange sends has for its parent.
    pub(super) span_id: SpanId,
    /// Are its spans recorded?
    pub(super) sampled: bool,
    /// So many requests before it were not, because there were too many.
    passed_over: u64,
}

impl Context {
    /// The caller's trace, or a new one.
    pub(super) fn of(telemetry: &Telemetry, headers: &HeaderMap) -> Self {
        let caller = trace::extract(headers);
        let state = caller.map(|_| headers.get_all(TRACESTATE).iter().cloned().collect());
        let Decision { sampled, passed_over } = telemetry.samples(caller.as_ref());
        Context {
            caller,
            state: state.unwrap_or_default(),
            trace_id: caller.map_or_else(trace::new_trace_id, |caller| caller.trace_id),
            span_id: trace::new_span_id(),
            sampled,
            passed_over,
        }
    }

    /// Of a trace that begins here, and is recorded.
    pub(super) fn root() -> Self {
        let (trace_id, span_id) = (trace::new_trace_id(), trace::new_span_id());
        Context { caller: None, state: Vec::new(), trace_id, span_id, sampled: true, passed_over: 0 }
    }

    /// Of a trace that nobody records.
    pub(super) fn unrecorded() -> Self {
        let (trace_id, parent) = (trace::new_trace_id(), trace::new_span_id());
        let caller = Some(Traceparent { trace_id, parent, sampled: false });
        let span_id = trace::new_span_id();
        Context { caller, state: Vec::new(), trace_id, span_id, sampled: false, passed_over: 0 }
    }

    /// What this program does not record, it passes on as it came: a parent that nobody ever reports
    /// would break the trace (W3C Trace Context §4.3, "forwarding").
    pub(super) fn traceparent(&self, child: SpanId) -> Traceparent {
        match self.caller {
            Some(caller) if !self.sampled => caller,
            _ => Traceparent { trace_id: self.trace_id, parent: child, sampled: self.sampled },
        }
    }

    /// Puts the trace into the headers of a request.
    pub(super) fn propagate(&self, headers: &mut HeaderMap, child: SpanId, enabled: bool) {
        if self.caller.is_none() {
            if !enabled {
                // No trace, and no say in whether the next program begins one.
                return;
            }
            // It belonged to a trace that was not understood (§3.3.1.3).
            headers.remove(TRACESTATE);
        } else if !headers.contains_key(TRACESTATE) {
            // A request that this program made itself, for the sake of the one that it handles.
            headers.extend(self.state.iter().cloned().map(|state| (TRACESTATE, state)));
        }
        if let Ok(value) = HeaderValue::from_str(&self.traceparent(child).to_string()) {
            headers.insert(trace::TRACEPARENT, value);
        }
    }

    /// The span of the request itself; times in nanoseconds since the Unix epoch.
    pub(super) fn server_span(
        &self,
        name: Cow<'static, str>,
        attributes: Vec<(Cow<'static, str>, Value)>,
        times: (u64, u64),
        flow: Flow,
    ) -> Span {
        let parent = self.caller.map(|caller| caller.parent);
        let mut span = Span::new(self.trace_id, self.span_id, parent, Kind::Server, name, times);
        span.attributes = attributes;
        if self.passed_over > 0 {
            span = span.with(attribute::PASSED_OVER, self.passed_over);
        }
        span.with(attribute::NETWORK_PEER_ADDRESS, flow.client.ip().to_string())
            .with(attribute::NETWORK_PEER_PORT, flow.client.port())
    }
}
