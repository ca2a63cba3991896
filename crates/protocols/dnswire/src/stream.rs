//! One DNS connection over TCP, served (RFC 7766).

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hop::clock;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::timeout;

use crate::framing::{Frames, framed};

/// How long a client may take for one message, for being idle with no query outstanding, and for taking one
/// response (RFC 7766 §6.2.3 asks for "a few seconds").
pub const IDLE: Duration = Duration::from_secs(10);
/// How many queries of one connection may be unanswered at once; the next is read when one of them has
/// its response on the way.
pub const OUTSTANDING: usize = 32;

/// How many connections a server has. When it has more than half of its limit, a connection that is
/// idle for a tenth of [`IDLE`] ends, and one that has lasted for [`IDLE`] ends with its next response
/// (RFC 7766 §6.2.3): whoever waits to be accepted gets in, also among clients that never stop querying.
#[derive(Debug)]
pub struct Connections {
    limit: usize,
    open: AtomicUsize,
    idle: Duration,
}

impl Connections {
    /// For a server that serves `limit` connections at once.
    pub const fn new(limit: usize) -> Self {
        Connections { limit, open: AtomicUsize::new(0), idle: IDLE }
    }

    fn busy(&self) -> bool {
        self.open.load(Ordering::Relaxed) * 2 > self.limit
    }
}

/// What is written back for one message, and what is told when it has been.
#[derive(Debug)]
pub struct Reply<T> {
    /// The response, without its length.
    pub bytes: Vec<u8>,
    /// Handed to `sent` once the response is written.
    pub about: T,
}

/// Serves one connection until the client is done or idle, or `stop` ends; queries received before still get
/// their responses.
///
/// `respond` is called as soon as a message is complete, and its futures run side by side: each response
/// leaves when it is ready, so a slow query holds up none that came after it (RFC 7766 §6.2.1.1). `None`
/// from it means that the client does not speak DNS: nothing more is read. `sent` is called when the
/// last byte of a response has been handed to the kernel.
pub async fn serve<S, T, F>(
    stream: S,
    connections: &Connections,
    stop: impl Future<Output = ()>,
    respond: impl Fn(Vec<u8>) -> F,
    sent: impl Fn(T),
) where
    S: AsyncRead + AsyncWrite,
    F: Future<Output = Option<Reply<T>>>,
{
    connections.open.fetch_add(1, Ordering::Relaxed);
    let _open = OpenConnection(&connections.open);
    let opened = clock::monotonic();
    let (reader, mut writer) = tokio::io::split(stream);
    let outstanding = Semaphore::new(OUTSTANDING);
    let (ready, mut next) = mpsc::unbounded_channel(); // never longer than OUTSTANDING

    let reading = async {
        let (mut frames, mut responses) = (Frames::new(reader), FuturesUnordered::new());
        let mut stop = std::pin::pin!(stop);
        let mut open = true;
        while open || !responses.is_empty() {
            tokio::select! {
                biased; // what is ready leaves in the order of the queries
                Some(response) = responses.next() => match response {
                    Some((reply, permit)) => drop(ready.send((reply, permit))),
                    None => open = false,
                },
                message = next_message(&mut frames, &outstanding, connections), if open => match message {
                    Some((message, permit)) => {
                        let response = respond(message);
                        responses.push(async { response.await.map(|reply| (reply, permit)) });
                        open = !connections.busy() || clock::since(opened) < connections.idle;
                    }
                    None => open = false,
                },
                () = &mut stop, if open => open = false,
            }
        }
        drop(ready);
    };
    let writing = async {
        while let Some((Reply { bytes, about }, permit)) = next.recv().await {
            let Some(framed) = framed(&bytes) else { break };
            match timeout(connections.idle, writer.write_all(&framed)).await {
                Ok(Ok(())) => sent(about),
                _ => break,
            }
            drop(permit);
        }
    };
    // Whoever can't be written to need not be read.
    tokio::pin!(reading, writing);
    tokio::select! {
        () = &mut writing => {}
        () = &mut reading => writing.await,
    }
}

/// The next message, and the right to have it outstanding; `None` when there is none to come.
async fn next_message<'a, S: AsyncRead + Unpin>(
    frames: &mut Frames<S>,
    outstanding: &'a Semaphore,
    connections: &Connections,
) -> Option<(Vec<u8>, SemaphorePermit<'a>)> {
    let permit = outstanding.acquire().await.ok()?;
    // In steps, for what idle means may change while it lasts.
    let (mut idle, step) = (Duration::ZERO, connections.idle / 10);
    while idle < if connections.busy() { step } else { connections.idle } {
        match timeout(step, frames.next()).await {
            Ok(message) => return Some((message.ok()??, permit)),
            // Idle is who waits for nothing: a client may well be silent until its responses are there.
            Err(_) if outstanding.available_permits() < OUTSTANDING - 1 => idle = Duration::ZERO,
            Err(_) => idle += step,
        }
    }
    None
}

/// Counts a connection as closed when it goes away, however that comes about.
struct OpenConnection<'a>(&'a AtomicUsize);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
