//! Where spans go: into memory for tests, over OTLP/HTTP to a collector on this machine, or nowhere.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use journey::{Span, Traceparent};

use crate::{Admin, Common};

mod export;
mod sink;

pub use crate::http::plain::SendError;
pub use export::Exporter;

use sink::{BATCH, CAPACITY, SEND_LIMIT, Sampler, Sink};

/// The sink for spans. Cheap to clone; when off, [`Telemetry::enabled`] is false and nothing is built.
#[derive(Clone)]
pub struct Telemetry(Option<Arc<Sink>>);

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

    /// Is anything recorded at all? For programs that see no header.
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
