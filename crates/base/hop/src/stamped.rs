//! Sockets that remember when which byte passed.
//!
//! A program that knows nothing of requests (a layer-4 proxy) and one that knows nothing else (an
//! HTTP server) can then speak of the same bytes: "byte 412 of this flow, at this time".

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, RawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use journey::{Direction, Event, Flow, Quality, Stamp, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::clock;

pub mod kernel;

/// The last byte so far in one direction of a socket, and when it passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Bytes counted from the connection's beginning, this one included.
    pub offset: u64,
    /// Nanoseconds since the Unix epoch: after the read that brought it, or before the write that took it.
    pub at: u64,
    /// For a byte that was read: when the kernel had it in the socket's queue, where that is known.
    /// Nanoseconds since the Unix epoch, never after [`Mark::at`].
    pub queued: Option<u64>,
    /// For a byte that was written: did the kernel keep it, or some before it, back? Looked at only where
    /// Nagle's algorithm is on; see [`nagle`].
    pub held: bool,
}

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

impl Mark {
    /// The stamp of a write.
    pub fn sent(self, flow: Flow, direction: Direction) -> Stamp {
        self.stamp(flow, direction, Event::Tx, self.at)
    }

    /// The stamps of a read: the kernel's, if there is one, and the program's own.
    pub fn received(self, flow: Flow, direction: Direction) -> impl Iterator<Item = Stamp> {
        let queued = self.queued.map(|at| self.stamp(flow, direction, Event::Rx, at));
        queued.into_iter().chain([self.stamp(flow, direction, Event::Wake, self.at)])
    }

    fn stamp(self, flow: Flow, direction: Direction, event: Event, at: u64) -> Stamp {
        let quality = if event == Event::Rx { Quality::Kernel } else { Quality::User };
        Stamp { flow, direction, offset: self.offset, event, at, quality }
    }
}

/// Which end of the flow this socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It accepted the connection.
    Server,
    /// It made the connection.
    Client,
}

type AfterFlush = Box<dyn FnOnce(Mark) + Send>;

struct Log {
    read: Mark,
    written: Mark,
    /// How often something was read after something had been written.
    turns: u32,
    /// Nothing was read since the last write.
    waits: bool,
    /// Called with the last write at the first flush by which that many bytes have been written.
    after_flush: Vec<(u64, AfterFlush)>,
    /// The socket is gone: nothing will ever be flushed again.
    closed: bool,
    /// The TCP socket, while it is there.
    socket: Option<RawFd>,
}

struct Shared {
    flow: Flow,
    side: Side,
    /// When the connection was accepted or made.
    opened: u64,
    log: Mutex<Log>,
}

/// The readable side of a [`Stamped`] socket: cheap to clone, valid after the socket is gone.
#[derive(Clone)]
pub struct Stamps(Arc<Shared>);

impl Stamps {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Between which sockets.
    pub fn flow(&self) -> Flow {
        self.0.flow
    }

    /// Which end of the flow this is.
    pub fn side(&self) -> Side {
        self.0.side
    }

    /// When the connection was accepted or made: nanoseconds since the Unix epoch.
    pub fn opened(&self) -> u64 {
        self.0.opened
    }

    /// The last byte read so far.
    pub fn last_read(&self) -> Mark {
        self.log().read
    }

    /// The last byte written so far.
    pub fn last_write(&self) -> Mark {
        self.log().written
    }

    /// Has the peer ended the connection, or sent what nobody has read? The kernel is asked, who knows it before
    /// the program's runtime has looked.
    pub fn is_unusable_for_a_request(&self) -> bool {
        // The lock keeps the socket open meanwhile: it is taken before the socket is closed.
        let log = self.log();
        log.closed || log.socket.is_some_and(kernel::has_something_to_read)
    }

    /// How often bytes came after bytes had gone: on a client's connection, its round trips. A message that
    /// arrives in pieces counts once, unless something is written between the pieces.
    pub fn turns(&self) -> u32 {
        self.log().turns
    }

    /// What [`Stamps::last_read`] says, as stamps in the right direction: when the kernel had the byte,
    /// when the connection was accepted if that was later, and when the byte was read.
    pub fn read_stamps(&self, mark: Mark) -> impl Iterator<Item = Stamp> {
        let (flow, opened) = (self.0.flow, self.0.opened);
        let direction = match self.0.side {
            Side::Server => Direction::Request,
            Side::Client => Direction::Response,
        };
        let waited = self.0.side == Side::Server && mark.queued.is_some_and(|queued| queued < opened);
        let accepted = waited.then(|| mark.stamp(flow, direction, Event::Accept, opened));
        mark.received(flow, direction).chain(accepted)
    }

    /// What [`Stamps::last_write`] says, as a stamp in the right direction.
    pub fn write_stamp(&self, mark: Mark) -> Stamp {
        let direction = match self.0.side {
            Side::Server => Direction::Response,
            Side::Client => Direction::Request,
        };
        mark.sent(self.0.flow, direction)
    }

    /// Calls `then` with the last write once bytes handed over just now have gone to the kernel.
    ///
    /// An HTTP library buffers: when a body ends, its last bytes are not yet written. They are at the
    /// first flush that wrote something, or, if nothing ever is, when the socket is dropped.
    pub fn after_flush(&self, then: impl FnOnce(Mark) + Send + 'static) {
        self.after_flush_of(0, then);
    }

    /// As [`Stamps::after_flush`], but not before `least` bytes have been written on this connection.
    ///
    /// HTTP/2 writes a body piecemeal, as the peer's flow control allows (RFC 9113 §5.2): the first
    /// flush after its end was handed over need not be the one that takes the end.
    pub(crate) fn after_flush_of(&self, least: u64, then: impl FnOnce(Mark) + Send + 'static) {
        let mut log = self.log();
        if log.closed {
            let written = log.written;
            drop(log);
            return then(written);
        }
        let least = least.max(log.written.offset + 1);
        log.after_flush.push((least, Box::new(then)));
    }

    fn note_read(&self, count: usize, queued: Option<u64>) {
        let at = clock::now();
        let mut log = self.log();
        log.read = Mark { offset: log.read.offset + count as u64, at, queued, held: false };
        log.turns += u32::from(std::mem::take(&mut log.waits));
    }

    fn note_write(&self, count: usize, at: u64, held: bool) {
        let mut log = self.log();
        log.written = Mark { offset: log.written.offset + count as u64, at, queued: None, held };
        log.waits = true;
    }

    fn note_flush(&self, ending: bool) {
        let mut log = self.log();
        if ending {
            (log.closed, log.socket) = (true, None);
        }
        if log.after_flush.is_empty() {
            return;
        }
        let written = log.written;
        let due: Vec<_> =
            log.after_flush.extract_if(.., |(least, _)| ending || written.offset >= *least).collect();
        drop(log);
        due.into_iter().for_each(|(_, then)| then(written));
    }
}

/// How a kind of stream is read: as `poll_read`, and when the kernel had the last byte, if it says so.
type Read<S> = fn(Pin<&mut S>, &mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<Option<u64>>>;

/// A connection that counts and times its bytes. The cost is a clock reading per system call.
pub struct Stamped<S = TcpStream> {
    inner: S,
    stamps: Stamps,
    read: Read<S>,
    /// Does the kernel hold back what was written? Only asked where Nagle's algorithm is on.
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
        Self::connected(TcpStream::connect(address).await?, address)
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
        let socket = stream.as_raw_fd();
        let mut stamped = Self::with(read, stream, side, client, server);
        stamped.stamps.log().socket = Some(socket);
        stamped.holds = nagle.then_some(kernel::holds);
        Ok(stamped)
    }

    /// The socket itself, for options.
    pub fn socket(&self) -> &TcpStream {
        &self.inner
    }
}

impl<S: AsyncRead> Stamped<S> {
    /// Wraps any byte stream, for tests: there is no kernel that would stamp its bytes.
    pub fn new(inner: S, side: Side, client: SocketAddr, server: SocketAddr) -> Self {
        Self::with(plain, inner, side, client, server)
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
    fn with(read: Read<S>, inner: S, side: Side, client: SocketAddr, server: SocketAddr) -> Self {
        let flow = Flow { transport: Transport::Tcp, client, server };
        let log = Log {
            read: Mark::default(),
            written: Mark::default(),
            turns: 0,
            waits: false,
            after_flush: Vec::new(),
            closed: false,
            socket: None,
        };
        let shared = Shared { flow, side, opened: clock::now(), log: Mutex::new(log) };
        Stamped { inner, stamps: Stamps(Arc::new(shared)), read, holds: None }
    }

    /// The readable side.
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
