//! HTTP/1.1 connections, on hyper.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::Version;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Check, Watchdog};
use super::dispatch::{AfterPredecessor, Dispatcher};
use super::informational::Queue;
use super::request_body::Source;
use super::wire::Wire;
use crate::stamped::Stamps;
use crate::{accept, clock};

/// How long an idle connection is kept once the hop is to stop. A client that has just sent a request gets its
/// response, with `Connection: close` (RFC 9112 §9.6); one that says nothing for so long is hardly about to.
const SILENCE: Duration = Duration::from_millis(250);
/// The same for a connection that has had no request yet: who connects is about to send one.
const FIRST_SILENCE: Duration = Duration::from_secs(1);

/// Did a request that is to be handled now come while its predecessor was still being answered? hyper handles one after the
/// other (RFC 9112 §9.3.2).
fn pipelined(stamps: &Stamps) -> Option<AfterPredecessor> {
    let (read, written) = (stamps.last_read(), stamps.last_write());
    let came = read.queued.unwrap_or(read.at);
    // One that was read early waited here; one that was read late waited in the kernel, and then for the read.
    let until = || if read.at < written.at { clock::now() } else { written.at };
    (written.offset > 0 && came < written.at).then(|| AfterPredecessor { until: until() })
}

/// Serves one connection until it ends; when `stop` is cancelled, the running request finishes first.
pub(super) async fn serve<I>(server: Dispatcher, io: I, stamps: Stamps, stop: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (limits, peer) = (server.limits, stamps.flow().client);
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        // Twice what is allowed: a head that is a little too large is answered by us, who can say why. hyper
        // reads no less than 8 KiB at a time.
        .max_buf_size((2 * limits.head_bytes).max(8 << 10))
        .max_headers(2 * limits.headers);
    let activity = Activity::new(limits);
    let informational = Arc::new(Queue::default());
    let mut watchdog =
        Watchdog::new(limits, stamps.clone(), Arc::clone(&activity), Arc::clone(&server.idle_timeout));
    let wire = Wire::new(io, Arc::clone(&server.name), Arc::clone(&activity), Arc::clone(&informational));
    let server = Arc::new(server);
    let (begun, stopping) = (Arc::clone(&activity), stop.clone());
    let (first, unread) = (Arc::clone(&activity), stamps.clone());
    let service = service_fn(move |request: hyper::Request<_>| {
        let (server, stamps, running) = (Arc::clone(&server), stamps.clone(), activity.begin());
        let informational = informational.request(request.version() >= Version::HTTP_11);
        let stopping = stopping.clone();
        async move {
            let mut request = request.map(Source::Http1);
            if let Some(until) = pipelined(&stamps) {
                request.extensions_mut().insert(until);
            }
            let mut response = server.respond(request, stamps, running, informational).await;
            if stopping.is_cancelled() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(wire), service));
    let mut stopped = std::pin::pin!(stop.cancelled());
    // Polled only when the hop is to stop.
    let mut idle = std::pin::pin!(async {
        let silence = if first.begun() > 0 { SILENCE } else { FIRST_SILENCE };
        accept::idle_after(stop.clone(), silence, unread).await;
    });
    let (mut stopping, mut ending) = (false, false);
    loop {
        tokio::select! {
            // First what has arrived: a request that is there is answered before the connection is ended.
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, %peer, "connection");
                }
                return;
            }
            // Finishes what runs. On an idle connection a request may be on its way.
            () = stopped.as_mut(), if !stopping => {
                stopping = true;
                if !ending && begun.is_running() {
                    connection.as_mut().graceful_shutdown();
                    ending = true;
                }
            }
            () = idle.as_mut(), if stopping && !ending => {
                connection.as_mut().graceful_shutdown();
                ending = true;
            }
            check = watchdog.next() => match check {
                Check::Stays => {}
                Check::Idle if !ending => {
                    connection.as_mut().graceful_shutdown();
                    ending = true;
                }
                Check::Idle | Check::Stalled => {
                    tracing::debug!(%peer, "connection cut: nothing moved for too long");
                    return;
                }
            },
        }
    }
}
