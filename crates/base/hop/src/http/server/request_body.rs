//! A request's body: what has been held of it, the rest as it comes, and what may be wrong with it.

use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::informational::Informational;
use super::min_rate::{MinRate, RateWatch};
use crate::http::validate::has_malformed_value;
use crate::http::{BoxError, Exchange, Fault, Problem};

/// Why a request's body did not come to its end: the client's fault in any case.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It came more slowly than [`MinRate`] allows.
    #[error("the request's body came too slowly: {bytes} bytes so far, and no more within {stall:?}")]
    Slow {
        /// Bytes that had come.
        bytes: u64,
        /// [`MinRate::stall`].
        stall: Duration,
    },
    /// It is malformed, was cut off, or does not have the announced length.
    #[error("the request's body could not be read: {0}")]
    Broken(#[source] BoxError),
    /// It is longer than whoever reads it allows.
    #[error("the request's body is larger than the {limit} bytes allowed here")]
    TooLarge {
        /// The most bytes that are read.
        limit: u64,
    },
}

impl BodyError {
    /// The body's error among the causes of a failed forwarding, if that is what was wrong.
    pub fn among_causes<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a BodyError> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// The problem that the client is told: 408 (RFC 9110 §15.5.9), 400 or 413 (§15.5.14), its own fault.
    pub fn problem(&self) -> Problem {
        let (status, kind) = match self {
            BodyError::Slow { .. } => (StatusCode::REQUEST_TIMEOUT, "body-slow"),
            BodyError::Broken(_) => (StatusCode::BAD_REQUEST, "body-broken"),
            BodyError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
        };
        Problem::new(status, Fault::Client, kind, self.to_string())
    }
}

/// Where a body comes from.
pub(super) enum Source {
    Http1(Incoming),
    /// With `content-length`, if it was given.
    Http2(h2::RecvStream, Option<u64>),
    /// It is read on by somebody else; see [`discard`].
    Gone,
}

impl Source {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self {
            Source::Http1(incoming) => Pin::new(incoming).poll_frame(context).map_err(Into::into),
            Source::Gone => Poll::Ready(None),
            Source::Http2(stream, _) => Poll::Ready(match ready!(stream.poll_data(context)) {
                Some(Ok(bytes)) => {
                    // The bytes are in a handler's hands or held within a limit: the client may send more.
                    let released = stream.flow_control().release_capacity(bytes.len());
                    Some(released.map(|()| Frame::data(bytes)).map_err(Into::into))
                }
                Some(Err(error)) => Some(Err(error.into())),
                None => match ready!(stream.poll_trailers(context)) {
                    Ok(Some(trailers)) if has_malformed_value(&trailers) => {
                        Some(Err("white space at the end of a trailer (RFC 9113 §8.2.1)".into()))
                    }
                    Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
                    Err(error) => Some(Err(error.into())),
                },
            }),
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Source::Http1(incoming) => incoming.is_end_stream(),
            Source::Http2(stream, _) => stream.is_end_stream(),
            Source::Gone => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Source::Http1(incoming) => incoming.size_hint(),
            Source::Http2(_, Some(length)) => SizeHint::with_exact(*length),
            Source::Http2(..) | Source::Gone => SizeHint::default(),
        }
    }
}

/// A request's body, which notes when its last byte was read and ends with an error when it comes too slowly.
pub struct RequestBody {
    source: Source,
    /// What came before the handler was called, in order.
    held: VecDeque<Frame<Bytes>>,
    /// Nothing more will come from the source.
    ended: bool,
    pub(super) exchange: Exchange,
    min_rate: MinRate,
    watch: RateWatch,
    /// The client waits to be told to go on, and has not been.
    held_back: bool,
    /// HTTP/2 with `Expect: 100-continue`: told to go on when the body is wanted (hyper does it for HTTP/1.1).
    expects: Option<Informational>,
    /// The right to go on before the body is whole.
    streaming: Option<[OwnedSemaphorePermit; 2]>,
}

impl RequestBody {
    pub(super) fn new(
        source: Source,
        exchange: Exchange,
        min_rate: MinRate,
        held_back: bool,
        expects: Option<Informational>,
    ) -> Self {
        let ended = source.is_end_stream();
        let (held, watch) = (VecDeque::new(), RateWatch::new(min_rate));
        RequestBody { source, held, ended, exchange, min_rate, watch, held_back, expects, streaming: None }
    }

    /// Reads all of it, if it has at most `limit` bytes.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn read(self, limit: u64) -> Result<Bytes, BodyError> {
        self.at_most(limit).collect().await.map(Collected::to_bytes)
    }

    /// The same body, which ends with [`BodyError::TooLarge`] when it has more than `limit` bytes.
    pub fn at_most(self, limit: u64) -> impl hyper::body::Body<Data = Bytes, Error = BodyError> + Send {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        Limited::new(self, most).map_err(move |error| match error.downcast::<BodyError>() {
            Ok(error) => *error,
            Err(error) if error.is::<LengthLimitError>() => BodyError::TooLarge { limit },
            Err(error) => BodyError::Broken(error),
        })
    }

    /// Has all of it come, so that nobody will have to wait for the client?
    pub fn is_whole(&self) -> bool {
        self.ended
    }

    /// Reads up to `limit` bytes, or to the end.
    pub(super) async fn hold(&mut self, limit: usize) -> Result<(), BodyError> {
        let mut count = 0;
        while count < limit {
            match std::future::poll_fn(|context| self.poll_source(context)).await {
                Some(frame) => {
                    let frame = frame?;
                    count += frame.data_ref().map_or(0, Bytes::len);
                    self.held.push_back(frame);
                }
                None => break,
            }
        }
        Ok(())
    }

    /// Keeps the right to stream until this body has come to its end or is dropped.
    pub(super) fn streams_by(&mut self, permits: [OwnedSemaphorePermit; 2]) {
        self.streaming = Some(permits);
    }

    fn poll_source(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.held_back = false;
        if let Some(informational) = self.expects.take() {
            informational.send(StatusCode::CONTINUE, hyper::HeaderMap::new());
        }
        let polled = match self.source.poll_frame(context) {
            Poll::Pending => {
                self.exchange.awaits_client(true);
                ready!(self.watch.poll_late(context));
                let (bytes, stall) = (self.watch.bytes(), self.min_rate.stall);
                Some(Err(BodyError::Slow { bytes, stall }))
            }
            Poll::Ready(polled) => polled.map(|frame| frame.map_err(BodyError::Broken)),
        };
        match &polled {
            Some(Ok(frame)) => {
                self.watch.moved(frame.data_ref().map_or(0, Bytes::len));
                self.ended = self.source.is_end_stream();
            }
            Some(Err(_)) | None => self.ended = true,
        }
        self.exchange.awaits_client(matches!(polled, Some(Err(BodyError::Slow { .. }))));
        if self.ended {
            self.streaming = None;
            self.exchange.request_ended();
        }
        Poll::Ready(polled)
    }
}

impl hyper::body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.held.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => self.poll_source(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.ended
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.iter().filter_map(Frame::data_ref).map(|bytes| bytes.len() as u64).sum();
        if !self.ended {
            let rest = self.source.size_hint();
            let mut hint = SizeHint::new();
            match &self.source {
                // hyper counts down what is left; the announced length of HTTP/2 is that of all.
                Source::Http1(_) => {
                    if let Some(upper) = rest.upper() {
                        hint.set_upper(upper.saturating_add(held));
                    }
                    hint.set_lower(rest.lower().saturating_add(held));
                }
                Source::Http2(_, Some(length)) => {
                    hint.set_exact(length.saturating_sub(self.watch.bytes()).saturating_add(held));
                }
                Source::Http2(_, None) | Source::Gone => hint.set_lower(held),
            }
            hint
        } else if self.held.iter().any(Frame::is_trailers) {
            // A length known beforehand would make HTTP/1.1 drop the trailers: chunked, they go on.
            let mut hint = SizeHint::new();
            hint.set_lower(held);
            hint
        } else {
            SizeHint::with_exact(held)
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // hyper takes reading for wanting, and would tell a client that waits to go on.
        if self.ended || (self.held_back && matches!(self.source, Source::Http1(_))) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(discard(std::mem::replace(&mut self.source, Source::Gone)));
        }
    }
}

/// How much of a body that nobody wants is read all the same, and for how long.
const DISCARDED: usize = 16 << 20;
const DISCARDING: Duration = Duration::from_secs(5);

/// Reads the rest of a body and throws it away, within limits.
///
/// Who is still sending may be sent a reset instead (RFC 9113 §8.1, RFC 9112 §9.6), but then many clients never show
/// the response that says why.
async fn discard(mut source: Source) {
    let mut left = DISCARDED;
    let reading = async {
        while let Some(Ok(frame)) = std::future::poll_fn(|context| source.poll_frame(context)).await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DISCARDING, reading).await;
}
