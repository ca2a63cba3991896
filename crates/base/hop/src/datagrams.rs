//! Datagrams in batches: one system call takes what has come, one sends what is to be said to it.
//!
//! A name server's work for a query is shorter than the way into the kernel and back. Under load many datagrams
//! wait already when it gets there; then `recvmmsg` and `sendmmsg` share that way among them, as in NSD, Knot and
//! Unbound. A single datagram passes as before, with one call each way.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::clock;
use crate::stamped::{Mark, kernel};

/// How many datagrams pass at once. The first of a batch waits for the last to be worked on.
pub const BATCH: usize = 32;
/// The longest datagram that is received whole, in bytes; of a longer one the rest is lost.
pub const LONGEST: usize = 4096;

/// What came.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// What it says, cut at [`LONGEST`].
    pub bytes: &'a [u8],
    /// Who sent it.
    pub peer: SocketAddr,
    /// When it came, and when it was read; the offset is 0. All of a batch are read at the same time.
    pub read: Mark,
}

/// The datagrams of one receive call.
pub struct ReceiveBatch {
    /// [`BATCH`] times [`LONGEST`] bytes. Memory of those that are never needed is never touched.
    bytes: Vec<u8>,
    received: Vec<(usize, SocketAddr, Mark)>,
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        ReceiveBatch { bytes: vec![0; BATCH * LONGEST], received: Vec::with_capacity(BATCH) }
    }
}

impl ReceiveBatch {
    /// Waits until something comes, and takes as much of it as there is room for. What was in the batch before is
    /// gone. May be dropped and called again without losing anything.
    ///
    /// # Errors
    /// As `UdpSocket::recv_from`.
    pub async fn receive(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.received.clear();
        loop {
            socket.readable().await?;
            let tried = socket.try_io(Interest::READABLE, || {
                self.take(socket)?;
                // Fewer than there was room for: the queue is empty. Saying so spares the next round a call in
                // vain; what comes meanwhile makes the socket readable again.
                if self.received.len() < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match tried {
                _ if !self.received.is_empty() => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    /// What came, in its order.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        let rooms = self.bytes.chunks_exact(LONGEST);
        self.received.iter().zip(rooms).map(|((length, peer, read), room)| Datagram {
            bytes: &room[..*length],
            peer: *peer,
            read: *read,
        })
    }

    /// Is more waiting, as far as one can tell?
    pub fn is_full(&self) -> bool {
        self.received.len() == BATCH
    }

    fn take(&mut self, socket: &UdpSocket) -> io::Result<()> {
        let mut rooms = self.bytes.chunks_exact_mut(LONGEST);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        // Anew each time: the kernel writes into the headers how much of the room for a stamp it has used, and nix
        // never sets that back.
        let room = kernel::wanted().then(|| vec![0; kernel::CONTROL]);
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, room);
        let messages = recvmmsg(socket.as_raw_fd(), &mut headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?;
        let at = clock::now();
        for message in messages {
            let mark = Mark { at, queued: kernel::queued(&message), ..Mark::default() };
            // Every datagram of the internet protocols has a sender.
            if let Some(peer) = message.address.as_ref().and_then(kernel::internet_address) {
                self.received.push((message.bytes, peer, mark));
            }
        }
        Ok(())
    }
}

/// Datagrams that wait to be sent in one call.
#[derive(Default)]
pub struct SendBatch {
    /// The first `filled` are to be sent; the memory of the others waits for the next.
    messages: Vec<Vec<u8>>,
    peers: Vec<Option<SockaddrStorage>>,
}

impl SendBatch {
    /// Adds what `write` puts into an empty buffer, to be sent to `peer`, unless it returns `None`.
    pub fn add<T>(&mut self, peer: SocketAddr, write: impl FnOnce(&mut Vec<u8>) -> Option<T>) -> Option<T> {
        let filled = self.peers.len();
        if filled == self.messages.len() {
            self.messages.push(Vec::with_capacity(512));
        }
        let buffer = &mut self.messages[filled];
        buffer.clear();
        let written = write(buffer)?;
        self.peers.push(Some(peer.into()));
        Some(written)
    }

    /// Is nothing to be sent?
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Sends all, and waits while the kernel has no room. What can't be sent to one peer, is left out: it is a
    /// datagram, and its client asks again.
    pub async fn send(&mut self, socket: &UdpSocket) {
        let mut done = 0;
        while done < self.peers.len() {
            match socket.try_io(Interest::WRITABLE, || self.pass(socket, done)) {
                Ok(sent) => done += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if socket.writable().await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, peer = ?self.peers[done], "send a datagram");
                    done += 1;
                }
            }
        }
        self.peers.clear();
    }

    fn pass(&self, socket: &UdpSocket, done: usize) -> io::Result<usize> {
        let count = (self.peers.len() - done).min(BATCH);
        let mut waiting = self.messages[done..].iter();
        let slices: [[IoSlice<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSlice::new(waiting.next().map_or(&[], Vec::as_slice))]);
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(count, None);
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent =
            sendmmsg(socket.as_raw_fd(), &mut headers, &slices[..count], &self.peers[done..], [], flags)?;
        Ok(sent.count())
    }
}

#[cfg(test)]
mod tests;
