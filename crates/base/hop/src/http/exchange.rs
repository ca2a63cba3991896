//! One request being answered: its trace, its stamps, what happened inside, and what it waited for.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::header::HeaderMap;
use journey::semconv::{attribute, name};
use journey::{Kind, PartKind, Span, SpanId, TraceId, Traceparent, Value};
use parking_lot::Mutex;

use super::Fault;
use crate::stamped::{Handshake, Mark, Stamps};
use crate::{Telemetry, clock, trace};

mod context;
pub(super) mod deferred;
mod guards;
mod timing;

pub use timing::SERVER_TIMING;

use context::Context;
use timing::Timing;

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
    context: Context,
    stamps: Stamps,
    begun: Mark,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    name: Cow<'static, str>,
    request_end: Option<Mark>,
    /// The rest of the request's body is being waited for.
    awaits_client: bool,
    timing: Timing,
    /// How much will be done on its account when it has been answered.
    deferred: u64,
    attributes: Vec<(Cow<'static, str>, Value)>,
}

impl Exchange {
    /// Begins an exchange for a request whose head has just been read; `name` of the SERVER span is made only if the
    /// request is recorded.
    pub fn begin(
        telemetry: &Telemetry,
        headers: &HeaderMap,
        name: impl FnOnce() -> String,
        stamps: Stamps,
    ) -> Self {
        Exchange::with(Context::of(telemetry, headers), telemetry, name, stamps)
    }

    fn with(context: Context, telemetry: &Telemetry, name: impl FnOnce() -> String, stamps: Stamps) -> Self {
        let attributes = Vec::with_capacity(if context.sampled { 12 } else { 0 });
        let name = if context.sampled { Cow::Owned(name()) } else { Cow::Borrowed("") };
        let state = State { name, attributes, ..State::default() };
        let (telemetry, begun) = (telemetry.clone(), stamps.last_read());
        Exchange(Arc::new(Inner { telemetry, context, begun, stamps, state: Mutex::new(state) }))
    }

    /// An exchange that no request began, such as a health check's: what it calls is told "not sampled",
    /// so it leaves no spans anywhere on its way.
    pub fn unrecorded() -> Self {
        Exchange::with(Context::unrecorded(), &Telemetry::off(), String::new, Stamps::of_no_connection())
    }

    /// An exchange that no request began, whose spans a test finds in `telemetry`.
    pub fn for_tests(telemetry: &Telemetry) -> Self {
        Exchange::begin(telemetry, &HeaderMap::new(), || "test".to_owned(), Stamps::of_no_connection())
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

    /// Is this request recorded?
    pub fn sampled(&self) -> bool {
        self.0.context.sampled
    }

    /// The trace that this request is recorded in, if it is.
    pub(crate) fn recorded(&self) -> Option<TraceId> {
        self.0.context.sampled.then_some(self.0.context.trace_id)
    }

    /// The connection it came in on.
    pub fn stamps(&self) -> &Stamps {
        &self.0.stamps
    }

    /// Adds a fact to the SERVER span.
    pub fn attribute(&self, key: &'static str, value: impl Into<Value>) {
        self.attributes([(Cow::Borrowed(key), value.into())]);
    }

    pub(super) fn attributes(&self, facts: impl IntoIterator<Item = (Cow<'static, str>, Value)>) {
        if self.0.context.sampled {
            self.0.state.lock().attributes.extend(facts);
        }
    }

    /// The `traceparent` for a request that this one causes, with `child` as the caller's span.
    pub fn traceparent(&self, child: SpanId) -> Traceparent {
        self.0.context.traceparent(child)
    }

    /// Puts the trace into the headers of a request that this one causes.
    pub(crate) fn propagate(&self, headers: &mut HeaderMap, child: SpanId) {
        self.0.context.propagate(headers, child, self.0.telemetry.enabled());
    }

    /// Records an INTERNAL span with known times (nanoseconds since the Unix epoch), in which the program worked.
    pub fn record(&self, name: &'static str, start: u64, end: u64) {
        self.record_part(PartKind::Own, name, start, end);
    }

    /// As [`Exchange::record`], for a time in which this program only waited.
    pub fn record_wait(&self, name: &'static str, start: u64, end: u64) {
        self.record_part(PartKind::Wait, name, start, end);
    }

    /// As [`Exchange::record_wait`], for a connection that was made because of this request.
    pub(crate) fn record_connect(&self, handshake: &Handshake) {
        if self.0.context.sampled {
            let (begun, done) = handshake.times();
            let span = self.part(PartKind::Wait, name::CONNECT, begun, done);
            self.0.telemetry.emit(handshake.describe(span));
        }
    }

    fn record_part(&self, kind: PartKind, name: &'static str, start: u64, end: u64) {
        if self.0.context.sampled {
            self.0.telemetry.emit(self.part(kind, name, start, end));
        }
    }

    fn part(&self, kind: PartKind, name: &'static str, start: u64, end: u64) -> Span {
        let span = self.child(trace::new_span_id(), Kind::Internal, name, (start, end));
        // Without the attribute a span is work: most are, and need not say so.
        if kind == PartKind::Own { span } else { span.part(kind) }
    }

    /// A span caused by this exchange, to be completed and given to [`Exchange::emit`].
    pub fn child(
        &self,
        span_id: SpanId,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
        times: (u64, u64),
    ) -> Span {
        Span::new(self.0.context.trace_id, span_id, Some(self.0.context.span_id), kind, name, times)
    }

    /// Records a finished span, if this request is recorded.
    pub fn emit(&self, span: Span) {
        if self.0.context.sampled {
            self.0.telemetry.emit(span);
        }
    }

    /// Says that another program was waited for; it is not this hop's own time.
    pub fn waited(&self, nanoseconds: u64) {
        self.0.state.lock().timing.waited(nanoseconds);
    }

    /// Adds an entry to `Server-Timing`, before this hop's own.
    pub fn timing(&self, name: impl Into<Cow<'static, str>>, nanoseconds: u64) {
        self.0.state.lock().timing.add(name.into(), nanoseconds);
    }

    /// The client has to send more of its request before anything else can happen, or it has sent some.
    pub(crate) fn awaits_client(&self, waits: bool) {
        self.0.state.lock().awaits_client = waits;
    }

    /// Who is being waited for, if it is not this hop itself.
    pub(crate) fn awaited(&self) -> Option<Fault> {
        let state = self.0.state.lock();
        match (state.awaits_client, state.timing.waits()) {
            (true, _) => Some(Fault::Client),
            (false, true) => Some(Fault::Upstream),
            (false, false) => None,
        }
    }

    pub(crate) fn request_ended(&self) {
        let mark = self.0.stamps.last_read();
        self.0.state.lock().request_end.get_or_insert(mark);
    }

    /// When the request's last byte was read, or its head while the body is still coming.
    pub fn request_read(&self) -> Mark {
        self.0.state.lock().request_end.unwrap_or(self.0.begun)
    }

    /// Appends this hop to `Server-Timing`: first what it called and did, then its own time (from the
    /// request's last byte read to now, less what it waited for), in milliseconds.
    pub(crate) fn server_timing(&self, hop: &str, headers: &mut HeaderMap) {
        let since = self.request_read().at;
        let value = self.0.state.lock().timing.header(hop, since, clock::now());
        timing::append(headers, value);
    }

    /// The response has been handed over entirely: emit the SERVER span once its last byte has left,
    /// which is not before the connection has written `least` bytes.
    pub(crate) fn response_ended(self, least: u64) {
        if self.0.context.sampled {
            let stamps = self.0.stamps.clone();
            stamps.after_flush_of(least, move |written| self.emit_server_span(Some(written)));
        }
    }

    /// There will be no (complete) response: the client went away, or the body failed.
    pub(crate) fn cut_off(self, error: &'static str) {
        if self.0.context.sampled {
            // What cut it off counts, whatever its status said before.
            self.0.state.lock().attributes.retain(|(key, _)| key != attribute::ERROR_TYPE);
            self.attribute(attribute::ERROR_TYPE, error);
            self.emit_server_span(None);
        }
    }

    fn emit_server_span(&self, written: Option<Mark>) {
        let stamps = &self.0.stamps;
        let read = self.request_read();
        let end = written.map_or_else(clock::now, |mark| mark.at);
        let state = std::mem::take(&mut *self.0.state.lock());
        let times = (self.0.begun.at, end);
        let mut span = self.0.context.server_span(state.name, state.attributes, times, stamps.flow());
        if written.is_some_and(|mark| mark.held) {
            span = span.with(attribute::SEND_HELD, true);
        }
        if state.deferred > 0 {
            span = span.with(attribute::DEFERRED, state.deferred);
        }
        span.stamps.reserve_exact(3);
        span.stamps.extend(stamps.read_stamps(read));
        span.stamps.extend(written.map(|mark| stamps.write_stamp(mark)));
        self.0.telemetry.emit(span);
    }
}

#[cfg(test)]
mod tests;
