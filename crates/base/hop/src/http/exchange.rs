//! One request being answered: its trace, its stamps, what happened inside, and what it waited for.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use journey::semconv::attribute;
use journey::{Kind, PartKind, Span, SpanId, TraceId, Traceparent, Value};

use super::{Fault, forward};
use crate::stamped::{Mark, Side, Stamped, Stamps};
use crate::{Telemetry, clock, trace};

/// The header that shows each hop in `curl -i` and in a browser's developer tools (W3C Server Timing).
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

tokio::task_local! {
    static CURRENT: Exchange;
}

/// One request being answered. Cheap to clone.
///
/// Whatever runs for a request finds it with [`Exchange::current`]: the server sets it around each handler. A task
/// that a handler spawns is nobody's unless it is spawned with it:
///
/// ```
/// # use hop::http::Exchange;
/// # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
/// # let work = async {};
/// tokio::spawn(Exchange::current().scope(work));
/// # });
/// ```
#[derive(Clone)]
pub struct Exchange(Arc<Inner>);

struct Inner {
    telemetry: Telemetry,
    caller: Option<Traceparent>,
    trace_id: TraceId,
    span_id: SpanId,
    sampled: bool,
    stamps: Stamps,
    begun: Mark,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    name: Cow<'static, str>,
    request_end: Option<Mark>,
    /// Nanoseconds spent waiting for programs further down.
    upstream: u64,
    /// How many programs are being waited for, and since when there is one.
    waiting: (usize, u64),
    /// The rest of the request's body is being waited for.
    awaits_client: bool,
    timings: Vec<(Cow<'static, str>, u64)>,
    attributes: Vec<(Cow<'static, str>, Value)>,
}

impl Exchange {
    /// Begins an exchange for a request whose head has just been read.
    pub fn begin(telemetry: &Telemetry, headers: &HeaderMap, name: String, stamps: Stamps) -> Self {
        let caller = trace::extract(headers);
        let sampled = telemetry.samples(caller.as_ref());
        let begun = stamps.last_read();
        Exchange(Arc::new(Inner {
            telemetry: telemetry.clone(),
            caller,
            trace_id: caller.map_or_else(trace::new_trace_id, |caller| caller.trace_id),
            span_id: trace::new_span_id(),
            sampled,
            stamps,
            begun,
            state: Mutex::new(State {
                name: Cow::Owned(name),
                attributes: Vec::with_capacity(if sampled { 8 } else { 0 }),
                ..State::default()
            }),
        }))
    }

    /// An exchange that no request began, such as a health check's: what it calls is told "not sampled",
    /// so it leaves no spans anywhere on its way.
    pub fn unrecorded() -> Self {
        let (trace_id, parent) = (trace::new_trace_id(), trace::new_span_id());
        let traceparent = Traceparent { trace_id, parent, sampled: false }.to_string();
        let mut headers = HeaderMap::new();
        headers.extend(traceparent.parse().map(|value| (HeaderName::from_static(trace::TRACEPARENT), value)));
        Exchange::begin(&Telemetry::off(), &headers, String::new(), Exchange::no_connection())
    }

    /// An exchange that no request began, whose spans a test finds in `telemetry`.
    pub fn for_tests(telemetry: &Telemetry) -> Self {
        Exchange::begin(telemetry, &HeaderMap::new(), "test".to_owned(), Exchange::no_connection())
    }

    fn no_connection() -> Stamps {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        Stamped::new(tokio::io::empty(), Side::Server, nowhere, nowhere).stamps()
    }

    /// The exchange that the running task works for; an [unrecorded](Exchange::unrecorded) one where there is none.
    pub fn current() -> Self {
        CURRENT.try_with(Exchange::clone).unwrap_or_else(|_| Exchange::unrecorded())
    }

    /// Runs `work` for this exchange: within it this is [`Exchange::current`]. Costs two writes of a thread-local
    /// variable for each poll.
    pub fn scope<W: Future>(self, work: W) -> impl Future<Output = W::Output> {
        CURRENT.scope(self, work)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is this request recorded?
    pub fn sampled(&self) -> bool {
        self.0.sampled
    }

    /// The trace that this request is recorded in, if it is.
    pub(crate) fn recorded(&self) -> Option<TraceId> {
        self.0.sampled.then_some(self.0.trace_id)
    }

    /// The connection it came in on.
    pub fn stamps(&self) -> &Stamps {
        &self.0.stamps
    }

    /// Names the SERVER span; `name` is made only if this request is recorded.
    pub(crate) fn name(&self, name: impl FnOnce() -> String) {
        if self.0.sampled {
            self.state().name = Cow::Owned(name());
        }
    }

    /// Adds a fact to the SERVER span.
    pub fn attribute(&self, key: &'static str, value: impl Into<Value>) {
        if self.0.sampled {
            self.state().attributes.push((Cow::Borrowed(key), value.into()));
        }
    }

    /// The `traceparent` for a request that this one causes, with `child` as the caller's span.
    ///
    /// What this program does not record, it passes on as it came: a parent that nobody ever reports
    /// would break the trace (W3C Trace Context §4.3, "forwarding").
    pub fn traceparent(&self, child: SpanId) -> Traceparent {
        match self.0.caller {
            Some(caller) if !self.0.sampled => caller,
            _ => Traceparent { trace_id: self.0.trace_id, parent: child, sampled: self.0.sampled },
        }
    }

    /// Puts the trace into the headers of a request that this one causes.
    pub(crate) fn propagate(&self, headers: &mut HeaderMap, child: SpanId) {
        if self.0.caller.is_none() {
            if !self.0.telemetry.enabled() {
                // No trace, and no say in whether the next program begins one.
                return;
            }
            // It belonged to a trace that was not understood (§3.3.1.3).
            headers.remove("tracestate");
        }
        if let Ok(value) = HeaderValue::from_str(&self.traceparent(child).to_string()) {
            headers.insert(trace::TRACEPARENT, value);
        }
    }

    /// Begins something that this program does itself, such as `validate`; it ends when the guard is dropped.
    ///
    /// It becomes an INTERNAL span and an entry in `Server-Timing`.
    pub fn internal(&self, name: &'static str) -> Doing {
        Doing { exchange: self.clone(), kind: PartKind::Own, name, start: clock::now() }
    }

    /// As [`Exchange::internal`], for a time in which this program only waits: for a worker, a connection, a disk.
    pub fn wait(&self, name: &'static str) -> Doing {
        Doing { exchange: self.clone(), kind: PartKind::Wait, name, start: clock::now() }
    }

    /// Says in `Server-Timing`, when the guard is dropped, how long something took in all as this program saw it: for
    /// an upstream, whose exact times are in the CLIENT spans.
    pub fn timed(&self, name: &'static str) -> Timed {
        Timed { exchange: self.clone(), name, start: clock::now() }
    }

    /// Records an INTERNAL span with known times (nanoseconds since the Unix epoch), in which the program worked.
    pub fn record(&self, name: &'static str, start: u64, end: u64) {
        self.record_part(PartKind::Own, name, start, end);
    }

    /// As [`Exchange::record`], for a time in which this program only waited.
    pub fn record_wait(&self, name: &'static str, start: u64, end: u64) {
        self.record_part(PartKind::Wait, name, start, end);
    }

    fn record_part(&self, kind: PartKind, name: &'static str, start: u64, end: u64) {
        if self.0.sampled {
            let span = self.child(trace::new_span_id(), Kind::Internal, name, (start, end));
            // Without the attribute a span is work: most are, and need not say so.
            self.0.telemetry.emit(if kind == PartKind::Own { span } else { span.part(kind) });
        }
    }

    /// A span caused by this exchange, to be completed and given to [`Exchange::emit`].
    pub fn child(
        &self,
        span_id: SpanId,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
        times: (u64, u64),
    ) -> Span {
        Span::new(self.0.trace_id, span_id, Some(self.0.span_id), kind, name, times)
    }

    /// Records a finished span, if this request is recorded.
    pub fn emit(&self, span: Span) {
        if self.0.sampled {
            self.0.telemetry.emit(span);
        }
    }

    /// Says that another program was waited for; it is not this hop's own time.
    pub fn waited(&self, nanoseconds: u64) {
        self.state().upstream += nanoseconds;
    }

    /// As [`Exchange::waited`], from now until the guard is dropped; waits at the same time count once.
    pub(crate) fn waiting(&self) -> Waiting {
        let now = clock::now();
        let mut state = self.state();
        if state.waiting.0 == 0 {
            state.waiting.1 = now;
        }
        state.waiting.0 += 1;
        Waiting(self.clone())
    }

    /// Adds an entry to `Server-Timing`, before this hop's own.
    pub fn timing(&self, name: impl Into<Cow<'static, str>>, nanoseconds: u64) {
        self.state().timings.push((name.into(), nanoseconds));
    }

    /// The client has to send more of its request before anything else can happen, or it has sent some.
    pub(crate) fn awaits_client(&self, waits: bool) {
        self.state().awaits_client = waits;
    }

    /// Who is being waited for, if it is not this hop itself.
    pub(crate) fn awaited(&self) -> Option<Fault> {
        let state = self.state();
        match (state.awaits_client, state.waiting.0) {
            (true, _) => Some(Fault::Client),
            (false, 0) => None,
            (false, _) => Some(Fault::Upstream),
        }
    }

    pub(crate) fn request_ended(&self) {
        let mark = self.0.stamps.last_read();
        self.state().request_end.get_or_insert(mark);
    }

    /// When the request's last byte was read, or its head while the body is still coming.
    pub fn request_read(&self) -> Mark {
        self.state().request_end.unwrap_or(self.0.begun)
    }

    /// Appends this hop to `Server-Timing`: first what it called and did, then its own time (from the
    /// request's last byte read to now, less what it waited for), in milliseconds.
    pub(crate) fn server_timing(&self, hop: &str, headers: &mut HeaderMap) {
        let now = clock::now();
        let own = now.saturating_sub(self.request_read().at);
        let state = self.state();
        let waiting = if state.waiting.0 > 0 { now.saturating_sub(state.waiting.1) } else { 0 };
        let own = own.saturating_sub(state.upstream + waiting);
        let mut value = String::with_capacity(48 + 32 * state.timings.len());
        for (name, nanoseconds) in &state.timings {
            let _ = write!(value, "{name};dur={}, ", Milliseconds(*nanoseconds));
        }
        let _ = write!(value, "{hop};dur={}", Milliseconds(own));
        drop(state);
        let upstream_came_first = headers.contains_key(&SERVER_TIMING);
        if upstream_came_first {
            forward::append(headers, "server-timing", &value);
        } else if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(SERVER_TIMING, value);
        }
    }

    /// The response has been handed over entirely: emit the SERVER span once its last byte has left,
    /// which is not before the connection has written `least` bytes.
    pub(crate) fn response_ended(self, least: u64) {
        if self.0.sampled {
            let stamps = self.0.stamps.clone();
            stamps.after_flush_of(least, move |written| self.emit_server_span(Some(written)));
        }
    }

    /// There will be no (complete) response: the client went away, or the body failed.
    pub(crate) fn cut_off(self, error: &'static str) {
        if self.0.sampled {
            self.attribute(attribute::ERROR_TYPE, error);
            self.emit_server_span(None);
        }
    }

    fn emit_server_span(&self, written: Option<Mark>) {
        let stamps = &self.0.stamps;
        let read = self.request_read();
        let end = written.map_or_else(clock::now, |mark| mark.at);
        let state = std::mem::take(&mut *self.state());
        let mut span = Span::new(
            self.0.trace_id,
            self.0.span_id,
            self.0.caller.map(|caller| caller.parent),
            Kind::Server,
            state.name,
            (self.0.begun.at, end),
        );
        span.attributes = state.attributes;
        let flow = stamps.flow();
        span.attributes.push((attribute::NETWORK_PEER_ADDRESS.into(), flow.client.ip().to_string().into()));
        span.attributes.push((attribute::NETWORK_PEER_PORT.into(), flow.client.port().into()));
        if written.is_some_and(|mark| mark.held) {
            span = span.with(attribute::SEND_HELD, true);
        }
        span.stamps.reserve_exact(3);
        span.stamps.extend(stamps.read_stamps(read));
        span.stamps.extend(written.map(|mark| stamps.write_stamp(mark)));
        self.0.telemetry.emit(span);
    }
}

/// A duration as `Server-Timing` writes it: milliseconds with three digits, rounded down.
struct Milliseconds(u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000_000, self.0 / 1_000 % 1_000)
    }
}

/// Another program is being waited for; see [`Exchange::waiting`].
pub(crate) struct Waiting(Exchange);

impl Drop for Waiting {
    fn drop(&mut self) {
        let now = clock::now();
        let mut state = self.0.state();
        state.waiting.0 = state.waiting.0.saturating_sub(1);
        if state.waiting.0 == 0 {
            state.upstream += now.saturating_sub(state.waiting.1);
        }
    }
}

/// Something in progress inside a hop; see [`Exchange::internal`].
pub struct Doing {
    exchange: Exchange,
    kind: PartKind,
    name: &'static str,
    start: u64,
}

impl Drop for Doing {
    fn drop(&mut self) {
        let end = clock::now();
        self.exchange.record_part(self.kind, self.name, self.start, end);
        self.exchange.timing(self.name, end.saturating_sub(self.start));
    }
}

/// An entry of `Server-Timing` in the making; see [`Exchange::timed`].
pub struct Timed {
    exchange: Exchange,
    name: &'static str,
    start: u64,
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.exchange.timing(self.name, clock::now().saturating_sub(self.start));
    }
}

#[cfg(test)]
mod tests;
