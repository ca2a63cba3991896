//! The collector: every hop's spans come in over OTLP/HTTP and leave as sealed journeys.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hop::clock;
use hop::http::plain;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use journey::{Index, Journey, Roster, Span, TraceId, assemble, assemble_from};
use parking_lot::{Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OnceCell};

use crate::forward::Forward;

mod body;
mod claims;
mod outside;
mod recorders;
mod store;

pub use outside::Outside;
pub use recorders::Recorders;

use body::{Receiver, refused, reply};
use store::{Store, until_complete, until_settled};

/// Programs that report at the same time; more wait in the kernel's queue.
const CONNECTIONS: usize = 1024;
/// Flight recorders are queried as often, while nobody waits: before they overwrite what a journey touched.
const QUERY_INTERVAL: Duration = Duration::from_millis(500);
/// One that knows nothing of a message that it must have passed is queried again after this; then after twice as long.
const AGAIN: Duration = Duration::from_millis(10);

/// Receives spans on a thread of its own, so that measuring and collecting disturb each other least.
#[derive(Clone)]
pub struct Collector(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    forward: Option<Forward>,
    store: Mutex<Store>,
    arrived: Notify,
    receiver: Receiver,
    /// Who has to be asked, once the stack runs.
    recorders: OnceCell<Recorders>,
    /// The thread that serves.
    runtime: Handle,
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let collector = Collector(Arc::new(Shared {
            address,
            forward,
            store: Mutex::default(),
            arrived: Notify::new(),
            receiver: Receiver::default(),
            recorders: OnceCell::new(),
            runtime: runtime.handle().clone(),
        }));
        let (served, querying) = (collector.clone(), collector.clone());
        std::thread::Builder::new()
            .name("collector".into())
            .spawn(move || {
                runtime.spawn(async move { querying.query_at_intervals().await });
                runtime.block_on(served.serve(listener));
            })
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
        self.store().add(spans, false);
        self.0.arrived.notify_waiters();
    }

    /// From now on, asks these for what they kept of each journey. The first call counts.
    pub fn use_recorders(&self, recorders: Recorders) {
        let _second = self.0.recorders.set(recorders);
    }

    /// The spans of a trace, and those joined to them by the bytes they speak of, as far as they are known now.
    pub fn spans(&self, trace_id: TraceId) -> Vec<Span> {
        self.store().index.joined(trace_id).into_iter().cloned().collect()
    }

    /// A journey as far as it is known now.
    pub fn try_journey(&self, trace_id: TraceId, roster: &Roster) -> Option<Journey> {
        self.so_far(trace_id, &|index: &Index| assemble(index, roster, trace_id))
    }

    fn so_far(&self, trace_id: TraceId, assemble: &impl Fn(&Index) -> Option<Journey>) -> Option<Journey> {
        let store = self.store();
        let mut journey = assemble(&store.index)?;
        let overwritten = store.overwritten(trace_id, &journey.silent);
        journey.anomalies.extend(overwritten);
        Some(journey)
    }

    /// As [`Collector::journey`], of a request from outside.
    pub async fn outside_journey(
        &self,
        outside: Outside,
        roster: &Roster,
        limit: Duration,
    ) -> Option<Journey> {
        let assemble = |index: &Index| assemble_from(index, roster, outside.root);
        self.waited_for(outside.trace_id, assemble, limit, until_complete).await
    }

    /// Waits until a journey is sealed, at most `limit`; then as far as it is known. Whoever a program that reports
    /// nothing may have called has `AWAIT_LIMIT` from the journey's end on.
    pub async fn journey(&self, trace_id: TraceId, roster: &Roster, limit: Duration) -> Option<Journey> {
        self.waited_for(trace_id, |index| assemble(index, roster, trace_id), limit, until_complete).await
    }

    /// Waits until everything is done, and reported, that the request has left to be done after its response, at most
    /// `limit`: [`Journey::after`]. Where nothing was announced, that is at once.
    pub async fn settle(&self, journey: &mut Journey, roster: &Roster, limit: Duration) {
        if journey.settled() {
            return;
        }
        let trace_id = journey.trace_id;
        let assemble = |index: &Index| assemble(index, roster, trace_id);
        if let Some(later) = self.waited_for(trace_id, assemble, limit, until_settled).await {
            (journey.after, journey.outstanding) = (later.after, later.outstanding);
        }
    }

    async fn waited_for(
        &self,
        trace_id: TraceId,
        assemble: impl Fn(&Index) -> Option<Journey>,
        limit: Duration,
        patience: fn(Option<&Journey>, Duration) -> Duration,
    ) -> Option<Journey> {
        let begun = clock::monotonic();
        let opened = self.store().open(trace_id, false);
        let mut again = AGAIN;
        let journey = loop {
            let arrived = self.0.arrived.notified();
            self.query_recorders().await;
            let journey = self.so_far(trace_id, &assemble);
            let left = patience(journey.as_ref(), limit).min(limit.saturating_sub(clock::since(begun)));
            if left.is_zero() {
                break journey;
            }
            let missing = journey.as_ref().map(missing).unwrap_or_default();
            let keepers = self.recorders_among(&missing);
            if keepers.is_empty() {
                let _ = tokio::time::timeout(left, arrived).await;
            } else if tokio::time::timeout(left.min(again), arrived).await.is_err() {
                again *= 2;
                self.store().query_again(trace_id, &keepers);
            }
        };
        if opened {
            self.store().close(trace_id);
        }
        journey
    }

    /// Those of these hops that have a flight recorder.
    fn recorders_among(&self, hops: &[String]) -> Vec<String> {
        let Some(recorders) = self.0.recorders.get() else { return Vec::new() };
        let keeps = |hop: &&String| recorders.roster.named(hop).is_some_and(|hop| hop.keeps);
        hops.iter().filter(keeps).cloned().collect()
    }

    /// Asks flight recorders for what is known to be missing, until their answers lead no further.
    async fn query_recorders(&self) {
        let Some(recorders) = self.0.recorders.get() else { return };
        loop {
            let queries = self.store().query(&recorders.roster);
            if queries.is_empty() {
                return;
            }
            let mut answers = recorders.query(&self.0.runtime, &queries).await;
            let mut store = self.store();
            for answer in answers.values_mut() {
                store.add(std::mem::take(&mut answer.spans), true);
            }
            let answered = store.answered(&queries, |hop| answers.get(hop)?.since);
            drop(store);
            for (message, spans) in answers.into_values().flat_map(|answer| answer.messages) {
                if let Some(forward) = &self.0.forward {
                    forward.message(message, spans);
                }
            }
            self.0.arrived.notify_waiters();
            if !answered {
                return;
            }
        }
    }

    async fn query_at_intervals(self) {
        let mut interval = tokio::time::interval(QUERY_INTERVAL);
        loop {
            interval.tick().await;
            self.query_recorders().await;
            self.store().shrink(clock::monotonic());
        }
    }

    /// The next request that came from outside (curl, a browser).
    pub async fn next_outside(&self, roster: &Roster) -> Outside {
        loop {
            let arrived = self.0.arrived.notified();
            let next = self.store().next_outside(roster);
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
        if let Some(refusal) = refused(&request) {
            return refusal;
        }
        let body = match self.0.receiver.read(request).await {
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

/// Who should have reported, or may.
fn missing(journey: &Journey) -> Vec<String> {
    let after = journey.after.iter().map(|after| &after.silent);
    [&journey.silent, &journey.awaited].into_iter().chain(after).flatten().cloned().collect()
}

#[cfg(test)]
mod tests;
