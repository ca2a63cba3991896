//! Bytes across, both ways: read what is there, write it at once, understand nothing.
//!
//! * **Half-close.** The end of one direction is passed on as such (`shutdown`), and the other goes
//!   on: a client that has said everything may still be listening.
//! * **Backpressure.** What the receiver does not take stops the reading, so the sender's kernel
//!   stops it in turn; nothing piles up here.
//! * **Memory.** One chunk of memory for all connections: bytes stay in it between a read and the
//!   write that follows at once. Only a connection whose receiver is slow keeps what is left of one
//!   chunk, and an idle one keeps nothing.
//! * **Abort.** When one side breaks the connection, the other is told the same way (RST).
//! * **Measure.** Each chunk is kept with its stamps: read here, written there.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use hop::telemetry::{Passed, Recorder};
use hop::{Mark, Stamped, Stamps};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::idle_timeout::IdleTimeout;

/// The largest number of bytes moved by one read and one write.
pub const CHUNK: usize = 64 << 10;

thread_local! {
    /// The memory for the bytes on their way. A hop runs on one thread, and between the read and the
    /// write nothing else runs on it: one is enough for all connections.
    static ON_THE_WAY: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into_boxed_slice());
}

/// The connection was broken off before both directions came to their end.
#[derive(Debug, thiserror::Error)]
#[error("the {by} broke off")]
pub struct Broken {
    /// `client`, `endpoint`, or `silence` of both.
    pub by: &'static str,
    /// What the kernel said.
    pub source: io::Error,
}

/// Passes bytes between a client and an endpoint.
pub(crate) struct Proxy<'a> {
    pub(crate) recorder: &'a Recorder<Passed>,
    pub(crate) idle_timeout: &'a IdleTimeout,
}

impl Proxy<'_> {
    /// Runs until both directions have ended, or what `idle` returns says that the connection is idle.
    ///
    /// If that does not come to pass (one side broke off, or this future is dropped because the process
    /// stops), both connections end with RST: an orderly end would tell the receiver that it got everything.
    ///
    /// # Errors
    /// One side broke off.
    pub(crate) async fn run<I: Future<Output = ()>>(
        &self,
        client: &mut Stamped,
        endpoint: &mut Stamped,
        idle: impl Fn() -> I,
    ) -> Result<(), Broken> {
        let mut over = std::pin::pin!(idle());
        let mut request = Direction::new(self, ("client", client), ("endpoint", endpoint));
        let mut response = Direction::new(self, ("endpoint", endpoint), ("client", client));
        let mut pair = Pair { client, endpoint, complete: false };
        poll_fn(|context| {
            let request = request.poll(pair.client, pair.endpoint, context)?;
            let response = response.poll(pair.endpoint, pair.client, context)?;
            if request.is_ready() && response.is_ready() {
                return Poll::Ready(Ok(()));
            }
            while over.as_mut().poll(context).is_ready() {
                // A request that came since the last poll would be lost with the connection.
                if !pair.client.stamps().has_unread() {
                    return Poll::Ready(Ok(()));
                }
                over.set(idle());
            }
            Poll::Pending
        })
        .await?;
        pair.complete = true;
        Ok(())
    }
}

/// Two connections that end together: well, or with RST.
struct Pair<'a> {
    client: &'a mut Stamped,
    endpoint: &'a mut Stamped,
    complete: bool,
}

impl Drop for Pair<'_> {
    fn drop(&mut self) {
        if !self.complete {
            abort(self.client);
            abort(self.endpoint);
        }
    }
}

/// Makes the connection end with RST instead of an orderly FIN when it is dropped.
pub fn abort(connection: &Stamped) {
    // It fails only on a socket that is gone already.
    let _ = connection.socket().set_zero_linger();
}

/// One direction of a connection.
struct Direction<'a> {
    proxy: &'a Proxy<'a>,
    from: (&'static str, Stamps),
    to: (&'static str, Stamps),
    /// When the chunk on its way was read, and how many bytes it has.
    read: Mark,
    size: u64,
    /// What the receiver has not yet taken of it.
    left: Bytes,
    state: State,
}

enum State {
    /// The sender may send more.
    Open,
    /// FIN received from the sender, not yet sent to the receiver.
    Ending,
    /// FIN sent to the receiver.
    Ended,
}

impl<'a> Direction<'a> {
    fn new(proxy: &'a Proxy<'a>, from: (&'static str, &Stamped), to: (&'static str, &Stamped)) -> Self {
        let (from, to) = ((from.0, from.1.stamps()), (to.0, to.1.stamps()));
        Direction { proxy, from, to, read: Mark::default(), size: 0, left: Bytes::new(), state: State::Open }
    }

    /// Moves what can be moved now; ready when this direction has ended.
    fn poll(
        &mut self,
        from: &mut Stamped,
        to: &mut Stamped,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let (sender, receiver) = (self.from.0, self.to.0);
        let broken = |by| move |source| Broken { by, source };
        loop {
            match self.state {
                // First what is left: before it is gone, nothing more is read.
                State::Open if !self.left.is_empty() => {
                    let taken = ready!(Pin::new(&mut *to).poll_write(context, &self.left));
                    self.left.advance(nonzero(taken).map_err(broken(receiver))?);
                    if self.left.is_empty() {
                        self.left = Bytes::new();
                        self.record();
                    }
                }
                State::Open => {
                    let moved = ON_THE_WAY.with_borrow_mut(|memory| {
                        let mut chunk = ReadBuf::new(memory);
                        ready!(Pin::new(&mut *from).poll_read(context, &mut chunk))
                            .map_err(broken(sender))?;
                        let mut bytes = chunk.filled();
                        if bytes.is_empty() {
                            self.state = State::Ending;
                            return Poll::Ready(Ok(()));
                        }
                        (self.read, self.size) = (self.from.1.last_read(), bytes.len() as u64);
                        while !bytes.is_empty() {
                            match Pin::new(&mut *to).poll_write(context, bytes) {
                                Poll::Ready(taken) => {
                                    bytes = &bytes[nonzero(taken).map_err(broken(receiver))?..];
                                }
                                Poll::Pending => {
                                    self.left = Bytes::copy_from_slice(bytes);
                                    return Poll::Pending;
                                }
                            }
                        }
                        self.record();
                        Poll::Ready(Ok(()))
                    });
                    ready!(moved)?;
                }
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(context)).map_err(broken(receiver))?;
                    self.state = State::Ended;
                    self.proxy.idle_timeout.half_closed();
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    /// One chunk has been read here and written there.
    fn record(&self) {
        if self.proxy.recorder.enabled() {
            let (from, to, size) = (&self.from.1, &self.to.1, self.size);
            let (from, to) = ((from.ends(), self.read), (to.ends(), to.last_write()));
            self.proxy.recorder.record(Passed::Relayed { from, to, size });
        }
    }
}

/// A socket that takes nothing and says no error would make us try for ever.
fn nonzero(taken: io::Result<usize>) -> io::Result<usize> {
    match taken {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        taken => taken,
    }
}
