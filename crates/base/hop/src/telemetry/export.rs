//! Sending spans to the collector, in the background.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, header};

use super::sink::{BATCH, SEND_LIMIT, Sink};
use crate::http::plain::{self, Connection, Kept, SendError};
use crate::otlp;

/// How long a collector that could not be reached is left alone: doubled each time, up to the second figure.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Nobody reads what a collector responds; this much is skipped so that the connection can be used again.
const RESPONSE_LIMIT: usize = 64 << 10;

/// Sends spans as they come due. A collector that is not there costs one warning and a connection
/// attempt now and then; what it has not seen is kept for it.
pub(super) async fn send_forever(sink: Arc<Sink>, collector: SocketAddr, longest: Duration) {
    let mut exporter = Exporter::new(collector);
    let mut pause = BACKOFF.0;
    loop {
        if sink.spans().is_empty() {
            sink.first.notified().await;
        }
        sink.wait_for_quiet(longest).await;
        let outcome = send_all(&sink, &mut exporter).await;
        let was_unreachable = sink.unreachable.swap(outcome.is_err(), Ordering::Relaxed);
        sink.in_flight.store(0, Ordering::Relaxed);
        sink.attempted.notify_waiters();
        match outcome {
            Ok(()) => {
                if was_unreachable {
                    let lost = sink.lost.load(Ordering::Relaxed);
                    tracing::info!(%collector, lost, "spans are sent again");
                }
                pause = BACKOFF.0;
            }
            Err(error) => {
                if !was_unreachable {
                    tracing::warn!(%collector, "send spans: {error:#} (said once; trying again)");
                }
                // Leave it alone for a while; at the end of the process, `flush` wants one more attempt.
                let _ = tokio::time::timeout(pause, sink.flush.notified()).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
}

/// Sends what is there, in order; what could not be sent goes back, what may have arrived does not.
async fn send_all(sink: &Sink, exporter: &mut Exporter) -> Result<(), anyhow::Error> {
    let mut spans = sink.take_all();
    while !spans.is_empty() {
        let rest = spans.split_off(spans.len().min(BATCH));
        let body = Bytes::from(otlp::encode(sink.service, &spans));
        match exporter.send(body).await {
            Ok(()) => {}
            Err(SendError::Unseen(error)) => {
                spans.extend(rest);
                sink.put_back(spans);
                return Err(error);
            }
            Err(SendError::Lost(error)) => {
                sink.lost(spans.len());
                sink.put_back(rest);
                return Err(error);
            }
        }
        spans = rest;
        sink.in_flight.store(spans.len(), Ordering::Relaxed);
    }
    Ok(())
}

/// One connection to a collector, kept between batches.
pub struct Exporter(Kept);

impl Exporter {
    /// For a collector that need not be there yet.
    pub fn new(collector: SocketAddr) -> Self {
        Exporter(Kept::new(collector))
    }

    /// Sends one `ExportTraceServiceRequest`, which takes four seconds at most.
    ///
    /// # Errors
    /// See [`SendError`]: it may be sent again, or must not be.
    pub async fn send(&mut self, body: Bytes) -> Result<(), SendError> {
        let late = || anyhow::anyhow!("no response in {SEND_LIMIT:?}");
        let ready = tokio::time::timeout(SEND_LIMIT, self.0.take()).await.unwrap_or_else(|_| Err(late()));
        let mut connection = ready.map_err(SendError::Unseen)?;
        let posted = tokio::time::timeout(SEND_LIMIT, self.post(&mut connection, body)).await;
        posted.unwrap_or_else(|_| Err(SendError::Lost(late())))?;
        self.0.keep(connection);
        Ok(())
    }

    async fn post(&self, connection: &mut Connection, body: Bytes) -> Result<(), SendError> {
        let request = Request::post(otlp::TRACES_PATH)
            .header(header::HOST, self.0.to().to_string())
            .header(header::CONTENT_TYPE, otlp::CONTENT_TYPE)
            .body(Full::new(body))
            .map_err(|error| SendError::Lost(error.into()))?;
        let response = connection.send(request).await?;
        let status = response.status();
        let skipped = plain::whole(response, RESPONSE_LIMIT).await;
        let refused = || anyhow::anyhow!("the collector answered {status}");
        match status.as_u16() {
            200..=299 => skipped.map(drop).map_err(SendError::Lost),
            // OTLP specification, "OTLP/HTTP Throttling" and "Retryable Response Codes".
            429 | 502 | 503 | 504 => Err(SendError::Unseen(refused())),
            _ => Err(SendError::Lost(refused())),
        }
    }
}
