//! Sockets that remember when which byte passed.
//!
//! A program that knows nothing of requests (a layer-4 proxy) and one that knows nothing else (an
//! HTTP server) can then speak of the same bytes: "byte 412 of this flow, at this time".

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::clock;

mod connect;
mod ends;
pub mod kernel;
mod mark;
mod stamps;
pub mod tcp_info;

pub use connect::Handshake;
pub use ends::{Ends, Side};
pub use mark::Mark;
pub use stamps::Stamps;

/// Is Nagle's algorithm on for new connections of this process?
static NAGLE: AtomicBool = AtomicBool::new(false);

/// Turns Nagle's algorithm (RFC 9293 §3.7.4) on or off for connections that are made or accepted from now on.
///
/// It is off. With it, a small segment is not sent while an earlier one is not acknowledged, and a receiver
/// that has nothing to say delays its acknowledgement (RFC 9293 §3.8.6.3; Linux: 40 ms and more): who writes a
/// message in two pieces then waits for a timer of the other side's. Programs forget to turn it off; with
/// this, that can be watched.
pub fn nagle(on: bool) {
    NAGLE.store(on, Ordering::Relaxed);
}

/// How a kind of stream is read: as `poll_read`, and when the kernel had the last byte, if it says so.
type Read<S> = fn(Pin<&mut S>, &mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<Option<u64>>>;

/// A connection that counts and times its bytes. The cost is a clock reading per system call.
pub struct Stamped<S = TcpStream> {
    inner: S,
    stamps: Stamps,
    read: Read<S>,
    /// Does the kernel hold back what was written? Looked at only where Nagle's algorithm is on.
    holds: Option<fn(&S) -> bool>,
}

impl Stamped<TcpStream> {
    /// Wraps a connection that this program accepted: from a listener of [`listen`](crate::listen), so
    /// that the kernel stamps its bytes from the first one on.
    ///
    /// # Errors
    /// The socket is already gone.
    pub fn accepted(stream: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        let local = stream.local_addr()?;
        Self::tcp(stream, Side::Server, peer, local)
    }

    /// Connects to an address and wraps the connection.
    ///
    /// # Errors
    /// Whatever `connect` says.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::connect_timed(address).await?.0)
    }

    /// As [`Stamped::connect`], and says how that went.
    ///
    /// # Errors
    /// Whatever `connect` says.
    pub async fn connect_timed(address: SocketAddr) -> io::Result<(Self, Handshake)> {
        let (stream, handshake) = connect::timed(address).await?;
        let stream = Self::connected(stream, address)?;
        let done = stream.stamps.opened();
        Ok((stream, Handshake { done, ..handshake }))
    }

    /// Wraps a connection that this program has made to `peer`.
    ///
    /// # Errors
    /// The socket is already gone.
    pub fn connected(stream: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        let local = stream.local_addr()?;
        if let Err(error) = kernel::enable(&stream) {
            tracing::debug!(%error, "no kernel stamps");
        }
        Self::tcp(stream, Side::Client, local, peer)
    }

    fn tcp(stream: TcpStream, side: Side, client: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let nagle = NAGLE.load(Ordering::Relaxed);
        stream.set_nodelay(!nagle)?;
        let read = if kernel::wanted() { kernel::poll_read } else { plain };
        let stamps = Stamps::new(side, client, server, Some(stream.as_raw_fd()));
        Ok(Stamped { inner: stream, stamps, read, holds: nagle.then_some(kernel::holds) })
    }

    /// The socket itself, for options.
    pub fn socket(&self) -> &TcpStream {
        &self.inner
    }
}

impl<S: AsyncRead> Stamped<S> {
    /// Wraps any byte stream, for tests: there is no kernel that would stamp its bytes.
    pub fn new(inner: S, side: Side, client: SocketAddr, server: SocketAddr) -> Self {
        Stamped { inner, stamps: Stamps::new(side, client, server, None), read: plain, holds: None }
    }
}

/// A read without a kernel's stamp.
fn plain<S: AsyncRead>(
    stream: Pin<&mut S>,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<Option<u64>>> {
    stream.poll_read(context, buffer).map_ok(|()| None)
}

impl<S> Stamped<S> {
    /// What this socket remembers, for others to read.
    pub fn stamps(&self) -> Stamps {
        self.stamps.clone()
    }

    fn wrote(&self, count: usize, at: u64) {
        let held = self.holds.is_some_and(|holds| holds(&self.inner));
        self.stamps.note_write(count, at, held);
    }
}

impl<S> Drop for Stamped<S> {
    fn drop(&mut self) {
        self.stamps.note_flush(true);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stamped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.read;
        let queued = ready!(read(Pin::new(&mut self.inner), context, buffer))?;
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.stamps.note_read(count, queued);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stamped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let at = clock::now();
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = polled {
            self.wrote(count, at);
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let at = clock::now();
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        if let Poll::Ready(Ok(count)) = polled {
            self.wrote(count, at);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(context);
        if polled.is_ready() {
            self.stamps.note_flush(false);
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
