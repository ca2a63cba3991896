//! When the kernel had the bytes: receive stamps by `SO_TIMESTAMPING`.
//!
//! A program sees bytes when it runs; the kernel saw them when they came. The difference is the time in
//! which they lay in the socket's queue, and no clock of the program's own can show it. The stamp
//! rides beside the bytes as ancillary data, so it takes `recvmsg` to get it, and no privilege.
//!
//! Rules ([kernel documentation](https://docs.kernel.org/networking/timestamping.html)): on a byte
//! stream the stamp is that of the last packet from which bytes were returned; the clock is
//! CLOCK_REALTIME. Packets that came while one was waiting may have been merged with it; then the stamp
//! is the later one's, never earlier than the bytes were there, never later than the read.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, RecvMsg, SockaddrLike, SockaddrStorage, TimestampingFlag, recvmsg,
    setsockopt, sockopt::Timestamping,
};
use tokio::io::{Interest, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};

use super::mark::Mark;
use crate::clock;

/// The most that one read takes: the memory for it is cleared first, because `recvmsg` wants bytes that were
/// written before.
const MOST: usize = 16 << 10;

/// Does anybody read the stamps? They cost a microsecond a message.
static WANTED: AtomicBool = AtomicBool::new(true);

/// Says whether sockets that are opened from now on shall be stamped by the kernel; without this they are.
pub fn want(wanted: bool) {
    WANTED.store(wanted, Ordering::Relaxed);
}

/// Shall sockets be stamped?
pub(crate) fn wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// Bytes for one control message of three times (`struct scm_timestamping`), and some to spare.
pub(crate) const CONTROL: usize = 96;

#[repr(align(8))]
struct Control([u8; CONTROL]);

/// Has the kernel stamp what this socket receives, unless nobody [wants](want) it. A listener's connections
/// inherit it.
///
/// # Errors
/// The kernel refuses: then the socket works as before, and its marks have no [`Mark::queued`].
pub fn enable(socket: &impl AsFd) -> io::Result<()> {
    if !wanted() {
        return Ok(());
    }
    // "Make them" and "report them" are two flags.
    let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
    Ok(setsockopt(socket, Timestamping, &flags)?)
}

/// One `recvmsg`: how many bytes came, from whom (datagrams only), and when the kernel had them.
fn receive<S: SockaddrLike>(
    socket: &impl AsRawFd,
    bytes: &mut [u8],
) -> io::Result<(usize, Option<S>, Option<u64>)> {
    let mut control = Control([0; CONTROL]);
    let mut slices = [IoSliceMut::new(bytes)];
    let message = recvmsg::<S>(socket.as_raw_fd(), &mut slices, Some(&mut control.0), MsgFlags::empty())?;
    let queued = queued(&message);
    Ok((message.bytes, message.address, queued))
}

/// When the kernel had a message, if it says so.
pub(crate) fn queued<S>(message: &RecvMsg<'_, '_, S>) -> Option<u64> {
    let stamp = |control| match control {
        ControlMessageOwned::ScmTimestampsns(stamps) => u64::try_from(stamps.system.tv_sec())
            .ok()
            .zip(u64::try_from(stamps.system.tv_nsec()).ok())
            .map(|(seconds, nanoseconds)| seconds * 1_000_000_000 + nanoseconds)
            // Packets that came before the kernel began to stamp have none.
            .filter(|at| *at > 0),
        _ => None,
    };
    message.cmsgs().ok().and_then(|mut controls| controls.find_map(stamp))
}

/// An address as the kernel writes it, if it is one of the internet's.
pub(crate) fn internet_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
}

/// Has the kernel not yet sent all that was written? It waits for an acknowledgement (Nagle's algorithm), or
/// for room at the receiver's.
pub(super) fn holds(stream: &TcpStream) -> bool {
    /// Bytes in the send queue that were never sent (`linux/sockios.h`; tcp(7) has only SIOCOUTQ, which
    /// counts what was sent and not acknowledged, too).
    const SIOCOUTQNSD: libc::Ioctl = 0x894B;
    let mut unsent: libc::c_int = 0;
    // SAFETY: for this request the kernel writes one int to the address, which is that of one.
    #[allow(unsafe_code, reason = "neither std nor nix nor rustix has this request")]
    let outcome = unsafe { libc::ioctl(stream.as_raw_fd(), SIOCOUTQNSD, &raw mut unsent) };
    outcome == 0 && unsent > 0
}

/// Would a read return at once, with bytes, with the end of the stream, or with an error?
pub(super) fn has_something_to_read(socket: RawFd) -> bool {
    peek(socket) != Err(Errno::EAGAIN)
}

/// Would a read return bytes at once?
pub(super) fn has_unread(socket: RawFd) -> bool {
    peek(socket).is_ok_and(|count| count > 0)
}

fn peek(socket: RawFd) -> nix::Result<usize> {
    nix::sys::socket::recv(socket, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT)
}

/// As `TcpStream`'s own `poll_read`; also says when the kernel had the last byte.
pub(super) fn poll_read(
    stream: Pin<&mut TcpStream>,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<Option<u64>>> {
    let stream = &*stream;
    let most = buffer.remaining().min(MOST);
    if most == 0 {
        return Poll::Ready(Ok(None));
    }
    loop {
        ready!(stream.poll_read_ready(context))?;
        let room = buffer.initialize_unfilled_to(most);
        let mut received = None;
        let tried = stream.try_io(Interest::READABLE, || {
            let (count, _, queued) = receive::<()>(stream, room)?;
            received = Some((count, queued));
            // Less than there was room for: the queue is empty. Saying so spares the next read a system
            // call in vain; what comes meanwhile makes the socket readable again.
            if 0 < count && count < most { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (received, tried) {
            (Some((count, queued)), _) => {
                buffer.advance(count);
                return Poll::Ready(Ok(queued));
            }
            (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                return Poll::Ready(Err(error));
            }
            (None, _) => {}
        }
    }
}

/// A datagram that is there: its length, who sent it, and when it came; the mark's offset is 0.
///
/// # Errors
/// As `UdpSocket::try_recv_from`.
pub fn try_recv_from(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Mark)> {
    let (length, peer, queued) =
        socket.try_io(Interest::READABLE, || receive::<SockaddrStorage>(socket, buffer))?;
    let mark = Mark { at: clock::now(), queued, ..Mark::default() };
    let peer = peer.as_ref().and_then(internet_address);
    let peer = peer.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a datagram from nowhere"))?;
    Ok((length, peer, mark))
}

/// As [`try_recv_from`], and waits for one.
///
/// # Errors
/// As `UdpSocket::recv_from`.
pub async fn recv_from(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Mark)> {
    loop {
        socket.readable().await?;
        match try_recv_from(socket, buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return received,
        }
    }
}

/// How long a kernel that has made no stamps before may take to begin.
const BEGINNING: Duration = Duration::from_secs(2);

/// Does this kernel stamp what arrives? Sends itself datagrams until one is stamped, for two seconds at most.
///
/// # Errors
/// There is no loopback network, or the kernel refuses the option.
pub fn works() -> io::Result<bool> {
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let sender = std::net::UdpSocket::bind("127.0.0.1:0")?;
    receiver.set_read_timeout(Some(BEGINNING))?;
    enable(&receiver)?;
    let begun = clock::monotonic();
    // It begins when a thread of its own has run after the first socket on the machine wanted stamps.
    while clock::since(begun) < BEGINNING {
        sender.send_to(b"?", receiver.local_addr()?)?;
        if receive::<SockaddrStorage>(&receiver, &mut [0; 1])?.2.is_some() {
            return Ok(true);
        }
        std::thread::yield_now();
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
