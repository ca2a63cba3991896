//! One connection: frames in, frames out, in order.
//!
//! A Kafka client sends on without waiting for answers, and answers come in the order of requests.
//! So requests are *begun* as they arrive (produced batches go to the appender at once, so that
//! requests sent together share a group commit) and *answered* one after the other.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};
use hop::{CancellationToken, Mark, Stamped, Stamps, Telemetry, clock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::apis::{Answer, Call, Pending, Refusal};
use crate::broker::Broker;
use crate::limits::{IDLE, MAX_FRAME, MAX_IN_FLIGHT, SMALL_FRAME, STALL, TRANSFER};
use crate::spans::Exchange;

/// The length in front of every frame.
const LENGTH: usize = 4;

/// Serves a connection to its end and says once why it ended, if that was anyone's fault.
pub async fn serve(stream: Stamped, broker: Arc<Broker>, telemetry: Telemetry, stop: CancellationToken) {
    let stamps = stream.stamps();
    let client: SocketAddr = stamps.flow().client;
    let mut connection = Connection {
        stream,
        stamps,
        broker,
        telemetry,
        stop,
        buffer: BytesMut::with_capacity(8 << 10),
        waiting: VecDeque::new(),
        room: None,
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
    #[error("the client took longer than {TRANSFER:?} to read an answer")]
    SlowAnswer,
    #[error("our fault: {0:#}")]
    Ours(anyhow::Error),
    #[error("{0}")]
    Gone(#[from] io::Error),
}

/// A request that was begun.
struct Begun {
    pending: Pending,
    exchange: Option<Exchange>,
    /// The room that the request's bytes take, until it is answered.
    room: Option<OwnedSemaphorePermit>,
}

struct Connection {
    stream: Stamped,
    stamps: Stamps,
    broker: Arc<Broker>,
    telemetry: Telemetry,
    stop: CancellationToken,
    /// What was read and not yet understood.
    buffer: BytesMut,
    /// What was begun, in the order of answers.
    waiting: VecDeque<Begun>,
    /// Room for the large frame that is being read.
    room: Option<OwnedSemaphorePermit>,
    /// Since when the client is in the middle of a frame.
    began: Option<Instant>,
}

/// What the buffer holds at its front.
enum Front {
    Whole(Bytes),
    Part,
    /// The beginning of a frame so large that it needs room first.
    NeedsRoom(u32),
}

/// What happened first.
enum Next {
    Answered(anyhow::Result<Answer>),
    Read(usize),
    Room(OwnedSemaphorePermit),
    /// Nothing was read in time.
    Quiet,
    Stopped,
}

impl Connection {
    async fn run(&mut self) -> Result<(), Ending> {
        let mut stopping = false;
        let mut stopped = pin!(hop::accept::idle_after(self.stop.clone(), hop::accept::SILENCE));
        loop {
            let needs_room = if stopping { None } else { self.begin_whole_frames().await? };
            if stopping && self.waiting.is_empty() {
                return Ok(());
            }
            match self.next(needs_room, stopping, stopped.as_mut()).await? {
                Next::Answered(answer) => {
                    if let Some(begun) = self.waiting.pop_front() {
                        self.send(begun, answer.map_err(Ending::Ours)?).await?;
                    }
                }
                // The client is done. What it handed over is appended all the same.
                Next::Read(0) => return Ok(()),
                Next::Read(_) if self.stop.is_cancelled() => {
                    stopped.set(hop::accept::idle_after(self.stop.clone(), hop::accept::SILENCE));
                }
                Next::Read(_) => {}
                Next::Room(room) => {
                    self.room = Some(room);
                    self.began = Some(clock::monotonic());
                }
                Next::Quiet if self.began.is_some() => return Err(Ending::SlowRequest),
                Next::Quiet if self.waiting.is_empty() => return Ok(()),
                Next::Quiet => {}
                // What was begun is answered; fetches that wait are answered at once.
                Next::Stopped => stopping = true,
            }
        }
    }

    /// Begins what has arrived whole, as far as the limit allows. Says if a large frame needs room.
    async fn begin_whole_frames(&mut self) -> Result<Option<u32>, Ending> {
        while self.waiting.len() < MAX_IN_FLIGHT {
            match self.front()? {
                Front::Whole(frame) => self.begin(frame).await?,
                Front::NeedsRoom(bytes) => return Ok(Some(bytes)),
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
        if length > SMALL_FRAME && self.room.is_none() {
            return Ok(Front::NeedsRoom(u32::try_from(length).unwrap_or(u32::MAX)));
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
        let call = Call::decode(frame)?;
        let exchange = self.telemetry.enabled().then(|| {
            // Several requests may arrive in one read: this one ends where the rest begins.
            let read = self.stamps.last_read();
            let offset = read.offset - self.buffer.len() as u64;
            Exchange::begin(&call, Mark { offset, ..read })
        });
        let room = self.room.take();
        let pending = call.begin(&self.broker, &self.stop).await;
        self.waiting.push_back(Begun { pending, exchange, room });
        Ok(())
    }

    /// Waits for whatever comes first.
    async fn next(
        &mut self,
        needs_room: Option<u32>,
        stopping: bool,
        stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Next, Ending> {
        let idle = self.waiting.is_empty();
        let may_read = !stopping && self.waiting.len() < MAX_IN_FLIGHT;
        let patience = match self.began {
            Some(began) => TRANSFER.saturating_sub(clock::since(began)).min(STALL),
            None => IDLE,
        };
        let answered = async {
            match self.waiting.front_mut() {
                Some(begun) => begun.pending.as_mut().await,
                None => std::future::pending().await,
            }
        };
        let room = Arc::clone(&self.broker.request_room);
        tokio::select! {
            // What has arrived before what ends it: requests that are here when the broker is to stop are answered.
            biased;
            answer = answered, if !idle => Ok(Next::Answered(answer)),
            read = timeout(patience, self.stream.read_buf(&mut self.buffer)), if may_read && needs_room.is_none() => {
                match read {
                    Ok(count) => Ok(Next::Read(count?)),
                    Err(_elapsed) => Ok(Next::Quiet),
                }
            }
            room = room.acquire_many_owned(needs_room.unwrap_or(0)), if needs_room.is_some() => {
                Ok(Next::Room(room.map_err(|closed| Ending::Ours(closed.into()))?))
            }
            () = stopped, if !stopping => Ok(Next::Stopped),
        }
    }

    async fn send(&mut self, begun: Begun, answer: Answer) -> Result<(), Ending> {
        let Begun { exchange, room, .. } = begun;
        let written = match &answer.frame {
            Some(frame) => {
                timeout(TRANSFER, self.stream.write_all(frame)).await.map_err(|_| Ending::SlowAnswer)??;
                Some(self.stamps.last_write())
            }
            None => None,
        };
        drop(room);
        if let Some(exchange) = exchange {
            exchange.end(&self.telemetry, &self.stamps, written, answer.times);
        }
        // While we wrote we did not read: that time is not the client's.
        if self.began.is_some() {
            self.began = Some(clock::monotonic());
        }
        Ok(())
    }
}
