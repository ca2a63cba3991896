//! What is known of the bytes of one connection.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;

use journey::{Flow, Stamp, Transport};
use parking_lot::{Mutex, MutexGuard};

use super::ends::{Ends, Side};
use super::kernel;
use super::mark::Mark;
use crate::clock;

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
    ends: Ends,
    log: Mutex<Log>,
}

/// The readable side of a [`Stamped`](super::Stamped) socket: cheap to clone, valid after the socket is gone.
#[derive(Clone)]
pub struct Stamps(Arc<Shared>);

impl Stamps {
    /// Of a connection between `client` and `server`, of which `side` is this program's; `socket` is its own, if it is TCP.
    pub(super) fn new(side: Side, client: SocketAddr, server: SocketAddr, socket: Option<RawFd>) -> Self {
        let flow = Flow { transport: Transport::Tcp, client, server };
        let log = Log {
            read: Mark::default(),
            written: Mark::default(),
            turns: 0,
            waits: false,
            after_flush: Vec::new(),
            closed: false,
            socket,
        };
        let ends = Ends::of_connection(flow, side, clock::now());
        Stamps(Arc::new(Shared { ends, log: Mutex::new(log) }))
    }

    /// Of an exchange that no connection brought.
    pub(crate) fn of_no_connection() -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Stamps::new(Side::Server, nowhere, nowhere, None)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock()
    }

    /// Between which sockets.
    pub fn flow(&self) -> Flow {
        self.0.ends.flow()
    }

    /// The same as a plain value, with which end is ours.
    pub fn ends(&self) -> Ends {
        self.0.ends
    }

    /// Which end of the flow this is.
    pub fn side(&self) -> Side {
        self.0.ends.side()
    }

    /// When the connection was accepted or made: nanoseconds since the Unix epoch.
    pub fn opened(&self) -> u64 {
        self.0.ends.opened()
    }

    /// The last byte read so far.
    pub fn last_read(&self) -> Mark {
        self.log().read
    }

    /// The last byte written so far.
    pub fn last_write(&self) -> Mark {
        self.log().written
    }

    /// Has the peer ended the connection, or sent what nobody has read? By the kernel, which knows it before
    /// the program's runtime has looked.
    pub fn is_unusable_for_a_request(&self) -> bool {
        // The lock keeps the socket open meanwhile: it is taken before the socket is closed.
        let log = self.log();
        log.closed || log.socket.is_some_and(kernel::has_something_to_read)
    }

    /// Have bytes come that nobody has read? The kernel is asked: a runtime knows only what its last poll told.
    pub fn has_unread(&self) -> bool {
        let log = self.log();
        !log.closed && log.socket.is_some_and(kernel::has_unread)
    }

    /// How often bytes came after bytes had gone: on a client's connection, its round trips. A message that
    /// arrives in pieces counts once, unless something is written between the pieces.
    pub fn turns(&self) -> u32 {
        self.log().turns
    }

    /// What [`Stamps::last_read`] says, as stamps in the right direction: when the kernel had the byte,
    /// when the connection was accepted if that was later, and when the byte was read.
    pub fn read_stamps(&self, mark: Mark) -> impl Iterator<Item = Stamp> {
        self.0.ends.read_stamps(mark)
    }

    /// What [`Stamps::last_write`] says, as a stamp in the right direction.
    pub fn write_stamp(&self, mark: Mark) -> Stamp {
        self.0.ends.write_stamp(mark)
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

    pub(super) fn note_read(&self, count: usize, queued: Option<u64>) {
        let at = clock::now();
        let mut log = self.log();
        log.read = Mark { offset: log.read.offset + count as u64, at, queued, held: false };
        log.turns += u32::from(std::mem::take(&mut log.waits));
    }

    pub(super) fn note_write(&self, count: usize, at: u64, held: bool) {
        let mut log = self.log();
        log.written = Mark { offset: log.written.offset + count as u64, at, queued: None, held };
        log.waits = true;
    }

    pub(super) fn note_flush(&self, ending: bool) {
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
