//! One connection: frames in, frames out, in order.
//!
//! A Kafka client sends on without waiting for responses, and responses come in the order of requests.
//! So requests are *begun* as they arrive (produced batches go to the appender at once, so that
//! requests sent one behind the other share a group commit) and *responded to* one after the other.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};
use hop::telemetry::Recorder;
use hop::{CancellationToken, Mark, Stamped, Stamps, clock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::apis::{Call, Pending, Refusal, Response};
use crate::broker::Broker;
use crate::limits::{IDLE, MAX_FRAME, MAX_IN_FLIGHT, SMALL_FRAME, STALL, TRANSFER};
use crate::spans::{Begun, Served};

/// The length in front of every frame.
const LENGTH: usize = 4;

/// Serves a connection to its end and says once why it ended, if that was anyone's fault.
pub async fn serve(
    stream: Stamped,
    broker: Arc<Broker>,
    recorder: Recorder<Served>,
    stop: CancellationToken,
) {
    let stamps = stream.stamps();
    let client: SocketAddr = stamps.flow().client;
    let mut connection = Connection {
        stream,
        stamps,
        broker,
        recorder,
        stop,
        buffer: BytesMut::with_capacity(8 << 10),
        in_flight: VecDeque::new(),
        permit: None,
        began: None,
    };
    match connection.run().await {
        Ok(()) => tracing::debug!(%client, "connection closed"),
        Err(Ending::Gone(error)) => tracing::debug!(%client, %error, "connection lost"),
        Err(ending) => hop::warn_throttled!(%client, "closing the connection: {ending}"),
    }
}

/// Why a connection ends before its client wants to.
#[derive(Debug, thiserror::Error)]
enum Ending {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(
        "a request of {0} bytes was announced; this is not the Kafka protocol, or more than the {MAX_FRAME} bytes allowed"
    )]
    Length(i32),
    #[error(
        "the client took longer than {TRANSFER:?} to send a request, or paused for {STALL:?} in the middle"
    )]
    SlowRequest,
    #[error("the client took longer than {TRANSFER:?} to read a response")]
    SlowReader,
    #[error("our fault: {0:#}")]
    Ours(anyhow::Error),
    #[error("{0}")]
    Gone(#[from] io::Error),
}

/// A request that was begun and has no response yet.
struct InFlight {
    pending: Pending,
    begun: Option<Begun>,
    /// The part of the memory budget that a large request takes, until its response is sent.
    permit: Option<OwnedSemaphorePermit>,
}

struct Connection {
    stream: Stamped,
    stamps: Stamps,
    broker: Arc<Broker>,
    recorder: Recorder<Served>,
    stop: CancellationToken,
    /// What was read and not yet understood.
    buffer: BytesMut,
    /// What was begun, in the order of responses.
    in_flight: VecDeque<InFlight>,
    /// The part of the memory budget for the large frame that is being read.
    permit: Option<OwnedSemaphorePermit>,
    /// Since when the client is in the middle of a frame.
    began: Option<Instant>,
}

/// What the buffer holds at its front.
enum Front {
    Whole(Bytes),
    Part,
    /// The beginning of a frame so large that it needs a part of the memory budget first, in bytes.
    NeedsPermit(u32),
}

/// What happened first.
enum Next {
    Ready(anyhow::Result<Response>),
    Read(usize),
    Permit(OwnedSemaphorePermit),
    /// Nothing was read in time.
    Quiet,
    Stopped,
}

impl Connection {
    async fn run(&mut self) -> Result<(), Ending> {
        let mut stopping = false;
        let (stop, stamps) = (self.stop.clone(), self.stamps.clone());
        let idle_after = || hop::accept::idle_after(stop.clone(), hop::accept::SILENCE, stamps.clone());
        let mut stopped = pin!(idle_after());
        loop {
            let needed = if stopping { None } else { self.begin_whole_frames().await? };
            if stopping && self.in_flight.is_empty() {
                return Ok(());
            }
            match self.next(needed, stopping, stopped.as_mut()).await? {
                Next::Ready(response) => {
                    if let Some(request) = self.in_flight.pop_front() {
                        self.send(request, response.map_err(Ending::Ours)?).await?;
                    }
                }
                // The client is done. What it handed over is appended all the same.
                Next::Read(0) => return Ok(()),
                Next::Read(_) if self.stop.is_cancelled() => {
                    stopped.set(idle_after());
                }
                Next::Read(_) => {}
                Next::Permit(permit) => {
                    self.permit = Some(permit);
                    self.began = Some(clock::monotonic());
                }
                Next::Quiet if self.began.is_some() => return Err(Ending::SlowRequest),
                Next::Quiet if self.in_flight.is_empty() => return Ok(()),
                Next::Quiet => {}
                // What was begun gets its response; fetches that wait get it at once.
                Next::Stopped => stopping = true,
            }
        }
    }

    /// Begins what has arrived whole, as far as the limit allows. Says how much memory a large frame needs.
    async fn begin_whole_frames(&mut self) -> Result<Option<u32>, Ending> {
        while self.in_flight.len() < MAX_IN_FLIGHT {
            match self.front()? {
                Front::Whole(frame) => self.begin(frame).await?,
                Front::NeedsPermit(bytes) => return Ok(Some(bytes)),
                Front::Part => {
                    if self.buffer.is_empty() {
                        self.began = None;
                    } else if self.began.is_none() {
                        self.began = Some(clock::monotonic());
                    }
                    break;
                }
            }
        }
        Ok(None)
    }

    fn front(&mut self) -> Result<Front, Ending> {
        let Some(length) = self.buffer.first_chunk::<LENGTH>() else { return Ok(Front::Part) };
        let announced = i32::from_be_bytes(*length);
        let length = usize::try_from(announced)
            .ok()
            .filter(|length| *length <= MAX_FRAME)
            .ok_or(Ending::Length(announced))?;
        if length > SMALL_FRAME && self.permit.is_none() {
            return Ok(Front::NeedsPermit(u32::try_from(length).unwrap_or(u32::MAX)));
        }
        if self.buffer.len() < LENGTH + length {
            // One allocation for all of it, instead of growing by copying.
            self.buffer.reserve(LENGTH + length - self.buffer.len());
            return Ok(Front::Part);
        }
        self.buffer.advance(LENGTH);
        self.began = None;
        Ok(Front::Whole(self.buffer.split_to(length).freeze()))
    }

    async fn begin(&mut self, frame: Bytes) -> Result<(), Ending> {
        let size = (LENGTH + frame.len()) as u64;
        let call = Call::decode(frame)?;
        let begun = self.recorder.enabled().then(|| {
            // Several requests may arrive in one read: this one ends where the rest begins.
            let read = self.stamps.last_read();
            let offset = read.offset - self.buffer.len() as u64;
            Begun::new(&call, Mark { offset, ..read }, size)
        });
        let permit = self.permit.take();
        let pending = call.begin(&self.broker, &self.stop).await;
        self.in_flight.push_back(InFlight { pending, begun, permit });
        Ok(())
    }

    /// Waits for whatever comes first.
    async fn next(
        &mut self,
        needed: Option<u32>,
        stopping: bool,
        stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Next, Ending> {
        let idle = self.in_flight.is_empty();
        let may_read = !stopping && self.in_flight.len() < MAX_IN_FLIGHT;
        let patience = match self.began {
            Some(began) => TRANSFER.saturating_sub(clock::since(began)).min(STALL),
            None => IDLE,
        };
        let ready = async {
            match self.in_flight.front_mut() {
                Some(first) => first.pending.as_mut().await,
                None => std::future::pending().await,
            }
        };
        let memory = Arc::clone(&self.broker.request_memory);
        tokio::select! {
            // What has arrived before what ends it: requests that are here when the broker is to stop get their response.
            biased;
            response = ready, if !idle => Ok(Next::Ready(response)),
            read = timeout(patience, self.stream.read_buf(&mut self.buffer)), if may_read && needed.is_none() => {
                match read {
                    Ok(count) => Ok(Next::Read(count?)),
                    Err(_elapsed) => Ok(Next::Quiet),
                }
            }
            permit = memory.acquire_many_owned(needed.unwrap_or(0)), if needed.is_some() => {
                Ok(Next::Permit(permit.map_err(|closed| Ending::Ours(closed.into()))?))
            }
            () = stopped, if !stopping => Ok(Next::Stopped),
        }
    }

    async fn send(&mut self, request: InFlight, response: Response) -> Result<(), Ending> {
        let InFlight { begun, permit, .. } = request;
        let written = match &response.frame {
            Some(frame) => {
                timeout(TRANSFER, self.stream.write_all(frame)).await.map_err(|_| Ending::SlowReader)??;
                Some(self.stamps.last_write())
            }
            None => None,
        };
        drop(permit);
        if let Some(begun) = begun {
            self.recorder.record(begun.end(self.stamps.ends(), written, response.times));
        }
        // While we wrote we did not read: that time is not the client's.
        if self.began.is_some() {
            self.began = Some(clock::monotonic());
        }
        Ok(())
    }
}
