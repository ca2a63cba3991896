//! Where spans go: into memory for tests, over OTLP/HTTP to a collector on this machine, or nowhere.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use journey::Span;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::{Common, clock, otlp};

/// How many spans one program holds back before it drops new ones (and counts them).
const CAPACITY: usize = 65_536;
/// How many spans make a batch that is sent without waiting for quiet.
const BATCH: usize = 2_048;
/// No new span for this long: the requests that caused them are over, so sending disturbs nobody.
const QUIET: Duration = Duration::from_millis(4);
/// How long a collector may take to accept a batch.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// The sink for spans. Cheap to clone; when off, [`Telemetry::enabled`] is false and nothing is built.
#[derive(Clone)]
pub struct Telemetry(Option<Arc<Sink>>);

struct Sink {
    service: Cow<'static, str>,
    record_roots: bool,
    spans: Mutex<Vec<Span>>,
    lost: AtomicU64,
    first: Notify,
    flush: Notify,
    flushed: Notify,
}

impl Telemetry {
    /// Spans are not recorded.
    pub fn off() -> Self {
        Telemetry(None)
    }

    /// Spans stay in memory until [`Telemetry::take`]; for tests.
    pub fn memory(service: &str) -> Self {
        Telemetry(Some(Arc::new(Sink::new(service, true))))
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
        let sink = Arc::new(Sink::new(service, !common.sampler.ends_with("always_off")));
        let longest = Duration::from_millis(common.schedule_delay_ms);
        tokio::spawn(send_forever(Arc::clone(&sink), address, longest));
        Ok(Telemetry(Some(sink)))
    }

    /// Is anything recorded at all? Programs that see no header ask this.
    pub fn enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Is a request without a `traceparent` recorded (`parentbased_always_on`)?
    pub fn records_roots(&self) -> bool {
        self.0.as_ref().is_some_and(|sink| sink.record_roots)
    }

    /// Records a span; drops and counts it when the collector has not kept up.
    pub fn emit(&self, mut span: Span) {
        let Some(sink) = &self.0 else { return };
        span.hop = sink.service.clone();
        let mut spans = sink.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.len() >= CAPACITY {
            sink.lost.fetch_add(1, Ordering::Relaxed);
            return;
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
        self.0.as_ref().map(|sink| sink.take()).unwrap_or_default()
    }

    /// Sends what is there and returns when that was tried; used at the end of a process.
    pub async fn flush(&self) {
        let Some(sink) = &self.0 else { return };
        let flushed = sink.flushed.notified();
        sink.first.notify_one();
        sink.flush.notify_one();
        let _ = tokio::time::timeout(SEND_LIMIT, flushed).await;
    }
}

impl Sink {
    fn new(service: &str, record_roots: bool) -> Self {
        Sink {
            service: Cow::Owned(service.to_owned()),
            record_roots,
            spans: Mutex::default(),
            lost: AtomicU64::new(0),
            first: Notify::new(),
            flush: Notify::new(),
            flushed: Notify::new(),
        }
    }

    fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns when it is time to send: quiet for [`QUIET`], a full batch, or `longest` after the first.
    async fn wait_for_quiet(&self, longest: Duration) {
        let begun = clock::monotonic();
        let mut seen = self.len();
        while clock::since(begun) < longest {
            if tokio::time::timeout(QUIET, self.flush.notified()).await.is_ok() {
                return;
            }
            let now = self.len();
            if now == seen {
                return;
            }
            seen = now;
        }
    }
}

/// Sends batches as they come due. A collector that is not there costs one warning, not one per batch.
async fn send_forever(sink: Arc<Sink>, collector: SocketAddr, longest: Duration) {
    let mut connection = None;
    let mut complained = false;
    loop {
        if sink.len() == 0 {
            sink.first.notified().await;
        }
        sink.wait_for_quiet(longest).await;
        let spans = sink.take();
        if spans.is_empty() {
            sink.flushed.notify_waiters();
            continue;
        }
        let body = Bytes::from(otlp::encode(&sink.service, &spans));
        let sent = tokio::time::timeout(SEND_LIMIT, send(&mut connection, collector, body)).await;
        match sent.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in {SEND_LIMIT:?}"))) {
            Ok(()) => complained = false,
            Err(error) => {
                connection = None;
                let lost = sink.lost.fetch_add(spans.len() as u64, Ordering::Relaxed) + spans.len() as u64;
                if !complained {
                    tracing::warn!(%collector, lost, "send spans: {error:#} (said once)");
                    complained = true;
                }
            }
        }
        sink.flushed.notify_waiters();
    }
}

async fn send(
    connection: &mut Option<SendRequest<Full<Bytes>>>,
    collector: SocketAddr,
    body: Bytes,
) -> anyhow::Result<()> {
    let sender = match connection.take().filter(|sender| !sender.is_closed()) {
        Some(sender) => connection.insert(sender),
        None => {
            let stream = TcpStream::connect(collector).await.context("connect to the collector")?;
            stream.set_nodelay(true)?;
            let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(driver);
            connection.insert(sender)
        }
    };
    sender.ready().await?;
    let request = Request::post(otlp::TRACES_PATH)
        .header(header::HOST, collector.to_string())
        .header(header::CONTENT_TYPE, otlp::CONTENT_TYPE)
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    anyhow::ensure!(status.is_success(), "the collector answered {status}");
    Ok(())
}
