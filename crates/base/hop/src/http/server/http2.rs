//! HTTP/2 connections, on the crate `h2`.
//!
//! Driven here and not by hyper, because each stream needs a limit of its own: hyper does not look at a
//! response again until the client gives it window (RFC 9113 §5.2), so a client that never does would hold
//! it for ever, and everything that it holds.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Running};
use super::deferred::DeferredWrites;
use super::dispatch::Dispatcher;
use super::idle_timeout::IdleTimeout;
use super::informational::Queue;
use super::limits::Limits;
use super::min_rate::RateWatch;
use super::request_body::Source;
use super::response_body::ResponseBody;

use crate::clock;
use crate::http::validate::has_malformed_value;
use crate::stamped::Stamps;

/// What a client may send ahead of what is read: on one stream, and on all streams of a connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// What is buffered of a response after the client gave window and before the socket takes it.
const SEND_BUFFER: usize = 64 << 10;

/// The most that is handed over at once: one frame of the usual size (RFC 9113 §4.2).
const PIECE: usize = 16 << 10;

/// Serves one connection until it ends. When `stop` is cancelled, or after a time without a request, the client
/// is sent GOAWAY and running requests finish (RFC 9113 §6.8).
pub(super) async fn serve<I>(server: Dispatcher, io: I, stamps: Stamps, stop: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (limits, peer) = (server.limits, stamps.flow().client);
    let io = DeferredWrites::new(io);
    let idle_timeout = Arc::clone(&server.idle_timeout);
    let usual = limits.head_time.min(limits.min_rate.stall);
    // One for the connection: a timer for each time without a stream would be one for each of most requests.
    let mut ticks = tokio::time::interval(IdleTimeout::check_interval(usual));
    ticks.reset();
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Also when the hop is to stop: GOAWAY says which requests the client may send elsewhere, and only that does.
    let mut connection = tokio::select! {
        shaken = builder(limits).handshake::<_, Bytes>(io) => match shaken {
            Ok(connection) => connection,
            Err(error) => return tracing::debug!(%error, %peer, "HTTP/2 preface"),
        },
        () = Arc::clone(&idle_timeout).passed(limits.head_time, clock::monotonic()) => return,
    };
    let (server, activity) = (Arc::new(server), Activity::new(limits));
    // Dropped with the connection: whatever still runs then has nobody to respond to.
    let mut streams = JoinSet::new();
    // PING, SETTINGS and WINDOW_UPDATE are no progress: the time without a stream counts, whatever is sent.
    let (mut idle_since, mut allowed) = (clock::monotonic(), limits.head_time);
    let mut stopped = std::pin::pin!(stop.cancelled());
    let mut ending = false;
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, mut respond))) => {
                    if has_malformed_value(request.headers()) {
                        respond.send_reset(Reason::PROTOCOL_ERROR);
                        continue;
                    }
                    let (server, stamps, running) = (Arc::clone(&server), stamps.clone(), activity.begin());
                    // In a box: a task's future is moved several times, and this one has kilobytes.
                    let one = async move { stream(&server, request, respond, stamps, running).await };
                    streams.spawn(Box::pin(one));
                }
                Some(Err(error)) => return tracing::debug!(%error, %peer, "connection"),
                None => return,
            },
            Some(_) = streams.join_next(), if !streams.is_empty() => {
                if streams.is_empty() && !ending {
                    idle_since = clock::monotonic();
                }
            }
            () = stopped.as_mut(), if !ending => {
                connection.graceful_shutdown();
                (ending, idle_since, allowed) = (true, clock::monotonic(), limits.min_rate.stall);
            }
            _ = ticks.tick() => {
                if !streams.is_empty() || clock::since(idle_since) < idle_timeout.time(allowed) {
                    continue;
                }
                if ending {
                    return tracing::debug!(%peer, "connection cut: the client does not take its end");
                }
                connection.graceful_shutdown();
                (ending, idle_since, allowed) = (true, clock::monotonic(), limits.min_rate.stall);
            }
        }
    }
}

fn builder(limits: Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(limits.streams)
        // Twice what is allowed: a head that is a little too large is answered by us, who can say why.
        .max_header_list_size(u32::try_from(2 * limits.head_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER);
    builder
}

/// One request and its response.
async fn stream(
    server: &Dispatcher,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    stamps: Stamps,
    running: Running,
) {
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let queue = Arc::new(Queue::default());
    let informational = queue.request(true);
    let request = request.map(|body| Source::Http2(body, length));
    let response = {
        let mut responding = std::pin::pin!(server.respond(request, stamps, running, informational));
        loop {
            tokio::select! {
                biased;
                early = poll_fn(|context| queue.poll_next(context)) => inform(&mut respond, early),
                response = responding.as_mut() => break response,
                // The client does not want it any more, or is gone: dropping the handler cancels it.
                _ = poll_fn(|context| respond.poll_reset(context)) => return,
            }
        }
    };
    poll_fn(|context| {
        while let Poll::Ready(early) = queue.poll_next(context) {
            inform(&mut respond, early);
        }
        Poll::Ready(())
    })
    .await;
    let (mut head, body) = response.into_parts();
    complete(head.status, &mut head.headers, &body);
    match respond.send_response(Response::from_parts(head, ()), body.is_whole()) {
        Ok(_) if body.is_whole() => {}
        Ok(sink) => send(sink, body, server.limits).await,
        Err(error) => {
            tracing::debug!(%error, "response head");
            respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

fn inform(respond: &mut SendResponse<Bytes>, mut early: Response<()>) {
    remove_connection_fields(early.headers_mut());
    if let Err(error) = respond.send_informational(early) {
        tracing::debug!(%error, "1xx response");
    }
}

/// What every response has (RFC 9110 §6.6.1, §8.6), and what none may have in HTTP/2 (RFC 9113 §8.2.2).
fn complete(status: StatusCode, headers: &mut HeaderMap, body: &ResponseBody) {
    remove_connection_fields(headers);
    headers.entry(header::DATE).or_insert_with(clock::http_date_value);
    let without = status.is_informational() || status == StatusCode::NO_CONTENT;
    let length = body.size_hint().exact().filter(|length| !without && (*length > 0 || !body.is_whole()));
    if let Some(length) = length {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}

fn remove_connection_fields(headers: &mut HeaderMap) {
    static FIELDS: [HeaderName; 5] = [
        header::CONNECTION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    for name in &FIELDS {
        headers.remove(name);
    }
}

/// A response's body, as fast as the client takes it and no slower than [`Limits::min_rate`].
async fn send(mut sink: SendStream<Bytes>, mut body: ResponseBody, limits: Limits) {
    let mut watch = RateWatch::new(limits.min_rate);
    loop {
        let frame = tokio::select! {
            biased;
            _ = poll_fn(|context| sink.poll_reset(context)) => return,
            frame = body.frame() => frame,
        };
        let mut data = match frame.map(|frame| frame.map(hyper::body::Frame::into_data)) {
            Some(Ok(Ok(data))) => data,
            Some(Ok(Err(frame))) => {
                let _gone = sink.send_trailers(frame.into_trailers().unwrap_or_default());
                return;
            }
            Some(Err(_)) => return sink.send_reset(Reason::INTERNAL_ERROR),
            None => {
                let _gone = sink.send_data(Bytes::new(), true);
                return;
            }
        };
        let last = body.is_end_stream();
        if last && data.is_empty() {
            let _gone = sink.send_data(data, true);
            return;
        }
        body.undelivered(true);
        while !data.is_empty() {
            sink.reserve_capacity(data.len().min(PIECE));
            let begun = (sink.capacity() == 0).then(clock::now);
            let found = capacity(&mut sink, &mut watch).await;
            if let Some(begun) = begun {
                body.waited_for_window(begun);
            }
            let count = match found {
                Capacity::Bytes(count) => count.min(data.len()),
                Capacity::Gone => return,
                Capacity::Late => {
                    sink.send_reset(Reason::CANCEL);
                    return body.stalled();
                }
            };
            watch.moved(count);
            let piece = data.split_to(count);
            if sink.send_data(piece, last && data.is_empty()).is_err() {
                return;
            }
        }
        body.undelivered(false);
        if last {
            return;
        }
    }
}

/// What may be sent now.
enum Capacity {
    Bytes(usize),
    /// The client has reset the stream, or is gone.
    Gone,
    /// The client gave no window for too long.
    Late,
}

async fn capacity(sink: &mut SendStream<Bytes>, watch: &mut RateWatch) -> Capacity {
    poll_fn(|context| {
        if sink.capacity() > 0 {
            return Poll::Ready(Capacity::Bytes(sink.capacity()));
        }
        if sink.poll_reset(context).is_ready() {
            return Poll::Ready(Capacity::Gone);
        }
        loop {
            match sink.poll_capacity(context) {
                Poll::Ready(Some(Ok(0))) => {}
                Poll::Ready(Some(Ok(count))) => return Poll::Ready(Capacity::Bytes(count)),
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Capacity::Gone),
                Poll::Pending => return watch.poll_late(context).map(|()| Capacity::Late),
            }
        }
    })
    .await
}
