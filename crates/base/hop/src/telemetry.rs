//! Where spans go: into memory for tests, over OTLP/HTTP to a collector on this machine, or nowhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use hyper::Method;
use journey::{Span, Traceparent};

use crate::{Admin, Common, clock};

mod export;
mod layer_4;
pub mod recorder;
mod roots;
mod short;
mod sink;

pub use crate::http::plain::SendError;
pub use export::Exporter;
pub use layer_4::Passed;
pub use recorder::{Ids, Record, Recorder};

use parking_lot::Mutex;
use recorder::{Ring, Source};
pub(crate) use roots::Decision;
use roots::Roots;
pub use short::Short;

use sink::{SEND_LIMIT, Sampler, Sink};

/// The sink for spans. Cheap to clone; when off, [`Telemetry::enabled`] is false and nothing is built.
#[derive(Clone)]
pub struct Telemetry {
    sink: Option<Arc<Sink>>,
    /// Everything that keeps something in this program.
    sources: Sources,
}

type Sources = Arc<Mutex<Vec<Arc<dyn Source>>>>;

impl Telemetry {
    /// Spans are not recorded.
    pub fn off() -> Self {
        Telemetry { sink: None, sources: Sources::default() }
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
        Self::to(Sink::new(service, sampler, false))
    }

    fn to(sink: Sink) -> Self {
        Telemetry { sink: Some(Arc::new(sink)), ..Self::off() }
    }

    /// As the settings say. Call it inside the runtime: it starts the task that sends.
    ///
    /// # Errors
    /// The endpoint is not `http://IP:PORT`, or not in [`Common::local_networks`]: nothing of the lab
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
            common.is_local(address.ip()),
            "OTEL_EXPORTER_OTLP_ENDPOINT is {endpoint:?}: spans go to this machine only (LOCAL_NETWORKS)"
        );
        let sampler = match common.sampler.as_str() {
            "always_on" => Sampler::Always,
            "parentbased_always_off" => Sampler::ParentOrOff,
            _ => Sampler::ParentOrOn,
        };
        let recorder = common.flight_recorder;
        anyhow::ensure!(
            recorder == 0 || (common.admin.is_some() && common.admin_secret_file.is_some()),
            "FLIGHT_RECORDER is {recorder}: nobody can ask for what is kept without ADMIN and ADMIN_SECRET_FILE"
        );
        let sink =
            Sink { recorder, roots: Roots::new(common.sampler_arg), ..Sink::new(service, sampler, true) };
        let telemetry = Self::to(sink);
        let sink = telemetry.sink.clone().context("just made")?;
        let longest = Duration::from_millis(common.schedule_delay_ms);
        tokio::spawn(export::send_forever(sink, address, longest));
        Ok(telemetry)
    }

    /// For exchanges that bring no trace context with them: they are kept until they are asked for, where there is a
    /// flight recorder, and sent where there is none.
    pub fn recorder<R: Record>(&self) -> Recorder<R> {
        match (self.ring(), &self.sink) {
            (Some(ring), _) => Recorder::ring(ring),
            (None, Some(sink)) => Recorder::sent(Arc::clone(sink)),
            (None, None) => Recorder::nowhere(),
        }
    }

    /// The same for exchanges of a request that is recorded: they are sent.
    pub fn sender<R: Record>(&self) -> Recorder<R> {
        self.sink.as_ref().map_or_else(Recorder::nowhere, |sink| Recorder::sent(Arc::clone(sink)))
    }

    /// A new one of the rings that a flight recorder is made of, if there is one.
    fn ring<R: Record>(&self) -> Option<Arc<Ring<R>>> {
        let sink = self.sink.as_ref().filter(|sink| sink.recorder > 0)?;
        let admin = sink.timed_by.get();
        let ring = Arc::new(Ring::new(sink.recorder, sink.service, admin.cloned()));
        self.sources.lock().push(ring.clone());
        if let Some(admin) = admin {
            let (service, sources) = (sink.service, Arc::clone(&self.sources));
            admin.route(Method::POST, recorder::PATH, move |body| {
                let response = recorder::respond(&body, service, &sources.lock());
                async { response }
            });
        }
        Some(ring)
    }

    /// Lets a hop's metrics time what its spans report.
    pub(crate) fn timed_by(&self, admin: &Admin) {
        if let Some(sink) = &self.sink {
            let _once = sink.timed_by.set(admin.clone());
        }
    }

    /// Is anything recorded at all? For programs that see no header.
    pub fn enabled(&self) -> bool {
        self.sink.is_some()
    }

    /// Is a request without a `traceparent` recorded (`parentbased_always_on`)?
    pub fn records_roots(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.sampler != Sampler::ParentOrOff)
    }

    /// Is a request recorded, given what its caller says?
    pub(crate) fn samples(&self, caller: Option<&Traceparent>) -> Decision {
        let Some(sink) = &self.sink else { return Decision::default() };
        match (sink.sampler, caller) {
            (Sampler::Always, _) => Decision { sampled: true, passed_over: 0 },
            (_, Some(caller)) => Decision { sampled: caller.sampled, passed_over: 0 },
            (Sampler::ParentOrOn, None) => sink.roots.decide(clock::now()),
            (Sampler::ParentOrOff, None) => Decision::default(),
        }
    }

    /// Records a span; drops and counts it when the collector has not kept up.
    pub fn emit(&self, span: Span) {
        if let Some(sink) = &self.sink {
            sink.emit(span);
        }
    }

    /// Takes what was recorded and not sent.
    pub fn take(&self) -> Vec<Span> {
        self.sink.as_ref().map(|sink| std::mem::take(&mut *sink.spans())).unwrap_or_default()
    }

    /// How many spans were dropped: the collector was away for too long, or refused them.
    pub fn lost(&self) -> u64 {
        self.sink.as_ref().map_or(0, |sink| sink.lost.load(Ordering::Relaxed))
    }

    /// Sends what is there and returns when that was tried, or after two seconds; used at the end of a process.
    pub async fn flush(&self) {
        let Some(sink) = self.sink.as_ref().filter(|sink| sink.exported) else { return };
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
