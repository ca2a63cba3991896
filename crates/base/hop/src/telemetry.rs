//! Where spans go: into memory for tests, over OTLP/HTTP to a collector on this machine, or nowhere.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use journey::{Span, Traceparent};
use tokio::sync::Notify;

use crate::{Admin, Common, clock};

mod export;

pub use crate::http::plain::SendError;
pub use export::Exporter;

/// How many spans one program holds back (some 30 MB) before it drops new ones (and counts them).
const CAPACITY: usize = 32_768;
/// How many spans go in one message: encoding them takes well under a millisecond of the only thread.
const BATCH: usize = 512;
/// No new span for this long: the requests that caused them are over, so sending disturbs nobody.
const QUIET: Duration = Duration::from_millis(4);
/// How long a collector may take to accept a batch.
const SEND_LIMIT: Duration = Duration::from_secs(2);
/// The sink for spans. Cheap to clone; when off, [`Telemetry::enabled`] is false and nothing is built.
#[derive(Clone)]
pub struct Telemetry(Option<Arc<Sink>>);

struct Sink {
    service: &'static str,
    sampler: Sampler,
    /// Whose metrics time what the spans report.
    timed_by: OnceLock<Admin>,
    /// Is there a task that sends?
    exported: bool,
    spans: Mutex<Vec<Span>>,
    lost: AtomicU64,
    /// Taken from `spans`, and neither sent nor given up yet.
    in_flight: AtomicUsize,
    /// The last attempt to send failed.
    unreachable: AtomicBool,
    first: Notify,
    flush: Notify,
    /// Each attempt to send ends with this.
    attempted: Notify,
}

/// Which requests are recorded, in the words of `OTEL_TRACES_SAMPLER`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sampler {
    /// What the caller says; without a caller, yes.
    ParentOrOn,
    /// What the caller says; without a caller, no.
    ParentOrOff,
    /// Yes, whatever the caller says.
    Always,
}

impl Telemetry {
    /// Spans are not recorded.
    pub fn off() -> Self {
        Telemetry(None)
    }

    /// Spans stay in memory until [`Telemetry::take`]; for tests.
    pub fn memory(service: &str) -> Self {
        Self::memory_with(service, Sampler::ParentOrOn)
    }

    /// As [`Telemetry::memory`], with `parentbased_always_off`.
    #[cfg(test)]
    pub(crate) fn memory_of_callers_only(service: &str) -> Self {
        Self::memory_with(service, Sampler::ParentOrOff)
    }

    fn memory_with(service: &str, sampler: Sampler) -> Self {
        Telemetry(Some(Arc::new(Sink::new(service, sampler, false))))
    }

    /// As the settings say. Call it inside the runtime: it starts the task that sends.
    ///
    /// # Errors
    /// The endpoint is not `http://IP:PORT`, or not on this machine's loopback: nothing of the lab
    /// speaks to anything else.
    pub fn from_settings(service: &str, common: &Common) -> anyhow::Result<Self> {
        let Some(endpoint) = &common.otlp_endpoint else { return Ok(Self::off()) };
        if common.sampler == "always_off" {
            return Ok(Self::off());
        }
        let address: SocketAddr = endpoint
            .strip_prefix("http://")
            .and_then(|rest| rest.trim_end_matches('/').parse().ok())
            .with_context(|| {
                format!("OTEL_EXPORTER_OTLP_ENDPOINT is {endpoint:?}: expected http://IP:PORT")
            })?;
        anyhow::ensure!(
            address.ip().is_loopback(),
            "OTEL_EXPORTER_OTLP_ENDPOINT is {endpoint:?}: spans go to a loopback address only"
        );
        let sampler = match common.sampler.as_str() {
            "always_on" => Sampler::Always,
            "parentbased_always_off" => Sampler::ParentOrOff,
            _ => Sampler::ParentOrOn,
        };
        let sink = Arc::new(Sink::new(service, sampler, true));
        let longest = Duration::from_millis(common.schedule_delay_ms);
        tokio::spawn(export::send_forever(Arc::clone(&sink), address, longest));
        Ok(Telemetry(Some(sink)))
    }

    /// Lets a hop's metrics time what its spans report.
    pub(crate) fn timed_by(&self, admin: &Admin) {
        if let Some(sink) = &self.0 {
            let _once = sink.timed_by.set(admin.clone());
        }
    }

    /// Is anything recorded at all? Programs that see no header ask this.
    pub fn enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Is a request without a `traceparent` recorded (`parentbased_always_on`)?
    pub fn records_roots(&self) -> bool {
        self.0.as_ref().is_some_and(|sink| sink.sampler != Sampler::ParentOrOff)
    }

    /// Is a request recorded, given what its caller says?
    pub(crate) fn samples(&self, caller: Option<&Traceparent>) -> bool {
        let Some(sink) = &self.0 else { return false };
        match (sink.sampler, caller) {
            (Sampler::Always, _) => true,
            (_, Some(caller)) => caller.sampled,
            (sampler, None) => sampler == Sampler::ParentOrOn,
        }
    }

    /// Records a span; drops and counts it when the collector has not kept up.
    pub fn emit(&self, mut span: Span) {
        let Some(sink) = &self.0 else { return };
        span.hop = Cow::Borrowed(sink.service);
        if let Some(admin) = sink.timed_by.get() {
            admin.metrics().span(&span);
        }
        let mut spans = sink.spans();
        if spans.len() + sink.in_flight.load(Ordering::Relaxed) >= CAPACITY {
            drop(spans);
            return sink.lost(1);
        }
        spans.push(span);
        let count = spans.len();
        drop(spans);
        if count == 1 {
            sink.first.notify_one();
        } else if count == BATCH {
            sink.flush.notify_one();
        }
    }

    /// Takes what was recorded and not sent.
    pub fn take(&self) -> Vec<Span> {
        self.0.as_ref().map(|sink| std::mem::take(&mut *sink.spans())).unwrap_or_default()
    }

    /// How many spans were dropped: the collector was away for too long, or refused them.
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |sink| sink.lost.load(Ordering::Relaxed))
    }

    /// Sends what is there and returns when that was tried, or after two seconds; used at the end of a process.
    pub async fn flush(&self) {
        let Some(sink) = self.0.as_ref().filter(|sink| sink.exported) else { return };
        let everything = async {
            while sink.unsent() > 0 {
                let attempt = sink.attempted.notified();
                sink.first.notify_one();
                sink.flush.notify_one();
                attempt.await;
                if sink.unreachable.load(Ordering::Relaxed) {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(SEND_LIMIT, everything).await;
    }
}

impl Sink {
    fn new(service: &str, sampler: Sampler, exported: bool) -> Self {
        Sink {
            // Once per process, and then every span names it without a copy.
            service: Box::leak(service.to_owned().into_boxed_str()),
            sampler,
            timed_by: OnceLock::new(),
            exported,
            spans: Mutex::default(),
            lost: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            unreachable: AtomicBool::new(false),
            first: Notify::new(),
            flush: Notify::new(),
            attempted: Notify::new(),
        }
    }

    fn spans(&self) -> MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsent(&self) -> usize {
        self.spans().len() + self.in_flight.load(Ordering::Relaxed)
    }

    fn take_all(&self) -> Vec<Span> {
        let mut queue = self.spans();
        self.in_flight.store(queue.len(), Ordering::Relaxed);
        std::mem::take(&mut *queue)
    }

    /// The collector never saw these: they go back to the front of the queue, as far as there is room.
    fn put_back(&self, mut spans: Vec<Span>) {
        let mut queue = self.spans();
        spans.append(&mut queue);
        self.lost(spans.len().saturating_sub(CAPACITY));
        spans.truncate(CAPACITY);
        *queue = spans;
    }

    fn lost(&self, count: usize) {
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Returns when it is time to send: quiet for [`QUIET`], a full batch, or `longest` after the first.
    async fn wait_for_quiet(&self, longest: Duration) {
        let begun = clock::monotonic();
        let mut seen = self.spans().len();
        while seen < BATCH && clock::since(begun) < longest {
            if tokio::time::timeout(QUIET, self.flush.notified()).await.is_ok() {
                return;
            }
            let now = self.spans().len();
            if now == seen {
                return;
            }
            seen = now;
        }
    }
}
