//! Passing spans on to a collector of the user's own (Jaeger, Tempo, an OpenTelemetry Collector, …).
//!
//! What hops send is passed on as it came, byte by byte; the browser's own spans are written the same way. All of
//! it happens on a thread of its own, while nothing else arrives: journeys are not disturbed. What the other
//! side does not take in time is dropped and counted.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use browser::BROWSER;
use bytes::{Bytes, BytesMut};
use hop::telemetry::{Exporter, SendError};
use journey::Span;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// So many spans wait at most, some 50 MB.
const CAPACITY: usize = 100_000;
/// About so many spans go in one message.
const BATCH: usize = 2_000;
/// Nothing has arrived for this long: the requests that caused the spans are over.
const QUIET: Duration = Duration::from_millis(50);
/// The longest that spans wait while there is no quiet.
const LONGEST: Duration = Duration::from_secs(2);
/// How long a receiver that could not be reached is left alone.
const BACKOFF: Duration = Duration::from_secs(1);
/// How long the end of the lab waits for what is left.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

/// The way to the user's collector. Cheap to clone.
#[derive(Clone)]
pub struct Forward(Arc<Shared>);

struct Shared {
    to: SocketAddr,
    queue: Mutex<Queue>,
    sent: AtomicU64,
    lost: AtomicU64,
    /// The last attempt to reach the receiver failed.
    unreachable: AtomicBool,
    arrived: Notify,
    ending: Notify,
    attempted: Notify,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Spans in `items`, and in the message that is under way.
    spans: usize,
}

enum Item {
    /// An `ExportTraceServiceRequest` as it came, and how many spans are in it.
    Message(Bytes, usize),
    /// What the browser did.
    Spans(Vec<Span>),
}

impl Item {
    fn spans(&self) -> usize {
        match self {
            Item::Message(_, spans) => *spans,
            Item::Spans(spans) => spans.len(),
        }
    }
}

impl Forward {
    /// Begins to pass spans on. The receiver need not be there yet.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(to: SocketAddr) -> anyhow::Result<Self> {
        let forward = Forward(Arc::new(Shared {
            to,
            queue: Mutex::default(),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unreachable: AtomicBool::new(false),
            arrived: Notify::new(),
            ending: Notify::new(),
            attempted: Notify::new(),
        }));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = forward.clone();
        std::thread::Builder::new()
            .name("forward".into())
            .spawn(move || runtime.block_on(run.run()))
            .context("start the thread that passes spans on")?;
        Ok(forward)
    }

    /// Passes on a message that a hop sent, with `spans` spans in it.
    pub(crate) fn message(&self, message: Bytes, spans: usize) {
        self.put(Item::Message(message, spans));
    }

    /// Passes on what the browser did.
    pub(crate) fn browser(&self, spans: Vec<Span>) {
        self.put(Item::Spans(spans));
    }

    fn put(&self, item: Item) {
        let (mut queue, spans) = (self.queue(), item.spans());
        if spans == 0 {
            return;
        }
        if queue.spans + spans > CAPACITY {
            drop(queue);
            return self.lose(spans);
        }
        queue.spans += spans;
        queue.items.push_back(item);
        drop(queue);
        self.0.arrived.notify_one();
    }

    /// How many spans the other side has taken.
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// How many spans were dropped: nobody took them in time, or they were refused.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Sends what is left, waits for that three seconds at most, and says what was lost on the way.
    pub async fn finish(&self) {
        let everything = async {
            loop {
                let attempted = self.0.attempted.notified();
                if self.queue().spans == 0 {
                    return;
                }
                self.0.ending.notify_one();
                attempted.await;
                if self.0.unreachable.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        let _late = tokio::time::timeout(FLUSH_LIMIT, everything).await;
        let left = self.queue().spans as u64;
        if self.lost() + left > 0 {
            let (to, sent, lost) = (self.0.to, self.sent(), self.lost() + left);
            tracing::warn!(%to, sent, lost, "telemetry.forward: not all spans reached their receiver");
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock()
    }

    fn lose(&self, spans: usize) {
        if self.0.lost.fetch_add(spans as u64, Ordering::Relaxed) == 0 {
            tracing::warn!(to = %self.0.to, "telemetry.forward: spans are dropped from now on (said once)");
        }
    }

    async fn run(&self) {
        let mut exporter = Exporter::new(self.0.to);
        loop {
            self.wait().await;
            while let Some((items, spans)) = self.take() {
                let outcome = exporter.send(encode(&items)).await;
                let failed = outcome.is_err();
                match outcome {
                    Ok(()) => {
                        self.0.sent.fetch_add(spans as u64, Ordering::Relaxed);
                        self.queue().spans -= spans;
                        self.0.unreachable.store(false, Ordering::Relaxed);
                    }
                    Err(SendError::Unseen(error)) => {
                        self.put_back(items);
                        if !self.0.unreachable.swap(true, Ordering::Relaxed) {
                            tracing::warn!(to = %self.0.to, "telemetry.forward: {error:#} (said once; trying again)");
                        }
                    }
                    Err(SendError::Lost(error)) => {
                        self.queue().spans -= spans;
                        self.lose(spans);
                        tracing::warn!(to = %self.0.to, spans, "telemetry.forward: dropped: {error:#}");
                    }
                }
                self.0.attempted.notify_waiters();
                if failed {
                    let _ = tokio::time::timeout(BACKOFF, self.0.ending.notified()).await;
                }
            }
        }
    }

    /// Until there is something to send and nothing else arrives, or it has waited long enough.
    async fn wait(&self) {
        if self.queue().items.is_empty() {
            self.0.arrived.notified().await;
        }
        let quiet = async { while tokio::time::timeout(QUIET, self.0.arrived.notified()).await.is_ok() {} };
        tokio::select! {
            () = quiet => {}
            () = self.0.ending.notified() => {}
            () = hop::wait::deadline(LONGEST) => {}
        }
    }

    /// The next message's items; they stay counted until they are sent or dropped.
    fn take(&self) -> Option<(Vec<Item>, usize)> {
        let mut queue = self.queue();
        let (mut items, mut spans) = (Vec::new(), 0);
        while spans < BATCH
            && let Some(item) = queue.items.pop_front()
        {
            spans += item.spans();
            items.push(item);
        }
        (spans > 0).then_some((items, spans))
    }

    fn put_back(&self, items: Vec<Item>) {
        let mut queue = self.queue();
        items.into_iter().rev().for_each(|item| queue.items.push_front(item));
    }
}

/// One message of many: protobuf reads messages of one type that stand one behind the other as one, whose
/// repeated fields are joined (Protocol Buffers, "Last One Wins" and "Merge").
fn encode(items: &[Item]) -> Bytes {
    let mut message = BytesMut::new();
    for item in items {
        match item {
            Item::Message(bytes, _) => message.extend_from_slice(bytes),
            Item::Spans(spans) => message.extend_from_slice(&hop::otlp::encode(BROWSER, spans)),
        }
    }
    message.freeze()
}

#[cfg(test)]
mod tests;
