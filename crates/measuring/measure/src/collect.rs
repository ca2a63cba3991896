//! The collector: every hop's spans come in over OTLP/HTTP and leave as sealed journeys.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hop::clock;
use hop::http::plain;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use journey::{Index, Journey, Roster, Span, TraceId, assemble, assemble_from};
use parking_lot::{Mutex, MutexGuard};
use tap::reported::ReportedStamps;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::forward::Forward;

mod body;
mod outside;

pub use outside::Outside;

use outside::Candidates;

/// Programs that report at the same time; more wait in the kernel's queue.
const CONNECTIONS: usize = 1024;
/// With more spans than this, those older than [`MIN_AGE_NS`] are forgotten.
const MAX_SPANS: usize = 400_000;
/// How long after a journey's end those may still report of whom nobody can tell whether they were called: some
/// times as long as a program keeps its spans (`telemetry.delay_ms`).
const AWAIT_LIMIT: Duration = Duration::from_secs(1);
/// How long spans are kept at least, in nanoseconds.
const MIN_AGE_NS: u64 = 30_000_000_000;

/// Receives spans on a thread of its own, so that measuring and collecting disturb each other least.
#[derive(Clone)]
pub struct Collector(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    forward: Option<Forward>,
    store: Mutex<Store>,
    arrived: Notify,
}

#[derive(Default)]
struct Store {
    index: Index,
    /// Traces that the lab's own browser began.
    ours: HashSet<TraceId>,
    /// What may have come from outside.
    outside: Candidates,
    next_sweep: usize,
    /// What was reported of each journey that was put together, while it is compared with packets.
    reported: Option<Vec<ReportedStamps>>,
}

impl Collector {
    /// Listens for OTLP/HTTP on a loopback address; port 0 takes a free one. What comes in is passed on to
    /// `forward` as well.
    ///
    /// # Errors
    /// The address cannot be bound, or `forward` is this very address.
    pub fn bind(address: SocketAddr, forward: Option<SocketAddr>) -> anyhow::Result<Self> {
        let listener =
            std::net::TcpListener::bind(address).with_context(|| format!("listen for spans on {address}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        anyhow::ensure!(forward != Some(address), "telemetry.forward is {address}, the lab's own collector");
        let forward = forward.map(Forward::start).transpose()?;
        let store = Mutex::new(Store { next_sweep: MAX_SPANS, ..Store::default() });
        let collector = Collector(Arc::new(Shared { address, forward, store, arrived: Notify::new() }));
        let served = collector.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name("collector".into())
            .spawn(move || runtime.block_on(served.serve(listener)))
            .context("start the collector's thread")?;
        Ok(collector)
    }

    /// What hops are given as `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.0.address)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock()
    }

    /// Where spans are passed on to, if anywhere.
    pub fn forward(&self) -> Option<&Forward> {
        self.0.forward.as_ref()
    }

    /// Adds what the lab's own browser did.
    pub fn insert(&self, spans: Vec<Span>) {
        if let Some(forward) = &self.0.forward {
            forward.browser(spans.clone());
        }
        self.add(spans);
    }

    fn add(&self, spans: Vec<Span>) {
        let mut store = self.store();
        for span in spans {
            if !store.ours.contains(&span.trace_id) {
                store.outside.add(&span);
            }
            store.index.insert(span);
        }
        if store.index.len() >= store.next_sweep {
            store.index.forget_before(hop::clock::now().saturating_sub(MIN_AGE_NS));
            store.next_sweep = store.index.len() + MAX_SPANS;
        }
        drop(store);
        self.0.arrived.notify_waiters();
    }

    /// Says that a trace is the lab's own, so that it is not taken for a request from outside.
    pub fn claim(&self, trace_id: TraceId) {
        self.store().ours.insert(trace_id);
    }

    /// Forgets a claim; call it when the journey is put together.
    pub fn release(&self, trace_id: TraceId) {
        let mut store = self.store();
        store.ours.remove(&trace_id);
        let Store { index, reported, .. } = &mut *store;
        if let Some(reported) = reported {
            reported.push(ReportedStamps::of(trace_id, &index.joined(trace_id)));
        }
    }

    /// From now on, keeps what was reported of each journey when it is [released](Collector::release).
    pub(crate) fn keep_reported(&self) {
        self.store().reported = Some(Vec::new());
    }

    /// What was kept; keeps nothing more.
    pub(crate) fn take_reported(&self) -> Vec<ReportedStamps> {
        self.store().reported.take().unwrap_or_default()
    }

    /// The spans of a trace, and those joined to them by the bytes they speak of, as far as they are known now.
    pub fn spans(&self, trace_id: TraceId) -> Vec<Span> {
        self.store().index.joined(trace_id).into_iter().cloned().collect()
    }

    /// A journey as far as it is known now.
    pub fn try_journey(&self, trace_id: TraceId, roster: &Roster) -> Option<Journey> {
        assemble(&self.store().index, roster, trace_id)
    }

    /// As [`Collector::journey`], of a request from outside.
    pub async fn outside_journey(
        &self,
        outside: Outside,
        roster: &Roster,
        limit: Duration,
    ) -> Option<Journey> {
        self.completed(|index| assemble_from(index, roster, outside.root), limit).await
    }

    /// Waits until a journey is sealed, at most `limit`; then as far as it is known. Whoever a program that reports
    /// nothing may have called has `AWAIT_LIMIT` from the journey's end on.
    pub async fn journey(&self, trace_id: TraceId, roster: &Roster, limit: Duration) -> Option<Journey> {
        self.completed(|index| assemble(index, roster, trace_id), limit).await
    }

    async fn completed(
        &self,
        assemble: impl Fn(&Index) -> Option<Journey>,
        limit: Duration,
    ) -> Option<Journey> {
        let begun = clock::monotonic();
        loop {
            let arrived = self.0.arrived.notified();
            let journey = assemble(&self.store().index);
            let left = match &journey {
                Some(journey) if journey.complete() => Duration::ZERO,
                Some(journey) if journey.sealed() => {
                    let ended = journey.start_unix_ns + journey.total_ns;
                    AWAIT_LIMIT.saturating_sub(Duration::from_nanos(clock::now().saturating_sub(ended)))
                }
                _ => limit,
            };
            let left = left.min(limit.saturating_sub(clock::since(begun)));
            if left.is_zero() {
                return journey;
            }
            let _ = tokio::time::timeout(left, arrived).await;
        }
    }

    /// The next request that came from outside (curl, a browser).
    pub async fn next_outside(&self, roster: &Roster) -> Outside {
        loop {
            let arrived = self.0.arrived.notified();
            let next = {
                let mut store = self.store();
                let Store { index, outside, .. } = &mut *store;
                outside.next(index, roster)
            };
            match next {
                Ok(outside) => return outside,
                Err(None) => arrived.await,
                // A request of which it is not yet sure is due then.
                Err(Some(due)) => drop(tokio::time::timeout(due, arrived).await),
            }
        }
    }

    async fn serve(self, listener: std::net::TcpListener) {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        let handler = move |request| {
            let collector = self.clone();
            async move { collector.respond(request).await }
        };
        // Exporters keep their connections for as long as they like.
        plain::serve(listener, CONNECTIONS, None, handler).await;
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if let Err(refusal) = hop::admin::refuse_pages(request.headers()) {
            return reply(refusal.status(), "programs report here, web pages do not");
        }
        if request.method() != Method::POST || request.uri().path() != hop::otlp::TRACES_PATH {
            return reply(StatusCode::NOT_FOUND, "this is the lab's collector: POST /v1/traces");
        }
        let body = match body::read(request).await {
            Ok(body) => body,
            Err((status, why)) => return reply(status, why),
        };
        match hop::otlp::decode(&body) {
            Ok(spans) => {
                if let Some(forward) = &self.0.forward {
                    forward.message(body, spans.len());
                }
                self.add(spans);
                reply(StatusCode::OK, "")
            }
            Err(error) => {
                reply(StatusCode::BAD_REQUEST, &format!("not an ExportTraceServiceRequest: {error}"))
            }
        }
    }
}

fn reply(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    // An empty protobuf message is a valid (and complete) ExportTraceServiceResponse.
    if status == StatusCode::OK {
        let kind = header::HeaderValue::from_static(hop::otlp::CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}
