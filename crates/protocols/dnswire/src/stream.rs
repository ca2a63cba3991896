//! DNS over TCP: messages in a stream of bytes, and one connection served (RFC 7766).

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hop::clock;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::timeout;

/// How long a client may take for one message, for being idle with nothing asked, and for taking one
/// response (RFC 7766 §6.2.3 asks for "a few seconds").
pub const IDLE: Duration = Duration::from_secs(10);
/// How many queries of one connection may be unanswered at once; the next is read when one of them has
/// its response on the way.
pub const OUTSTANDING: usize = 32;

/// Reads messages from a stream, each with its length before it in two bytes (RFC 1035 §4.2.2).
///
/// It never reads beyond the message that it returns, so that what the stream has read then is this
/// message's last byte.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    /// The beginning of the message being read, its length included.
    partial: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Frames<S> {
    /// Begins with the stream's next byte.
    pub fn new(stream: S) -> Self {
        Frames { stream, partial: Vec::new() }
    }

    /// The next message; `None` when the stream ended between two. May be dropped and called again
    /// without losing a byte.
    ///
    /// # Errors
    /// The stream broke, or ended inside a message.
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let wanted = match self.partial.first_chunk::<2>() {
                None => 2,
                Some(length) => 2 + usize::from(u16::from_be_bytes(*length)),
            };
            let have = self.partial.len();
            if have >= 2 && have == wanted {
                return Ok(Some(std::mem::take(&mut self.partial).split_off(2)));
            }
            // No more memory than bytes have come, give or take a kibibyte: a length is only a promise.
            let mut room = [0; 1024];
            let step = room.len().min(wanted - have);
            match self.stream.read(&mut room[..step]).await? {
                0 if have == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.partial.extend_from_slice(&room[..read]),
            }
        }
    }
}

/// A message with its length before it, to be written at once: two writes would be two packets.
/// `None` when it is longer than two bytes can say.
pub fn framed(message: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(message.len()).ok()?;
    Some([&length.to_be_bytes(), message].concat())
}

/// How many connections a server has. When more than half of its places are taken, a connection that is
/// idle for a tenth of [`IDLE`] ends, and one that has lasted for [`IDLE`] ends with its next response
/// (RFC 7766 §6.2.3): whoever waits for a place gets one, also among clients that never stop asking.
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

/// Serves one connection until the client is done or idle, or `stop` ends; then what was asked before is
/// still answered.
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
    let _open = Place(&connections.open);
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
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
