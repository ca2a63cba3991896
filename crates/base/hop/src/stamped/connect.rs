//! A TCP connection is made, and what of that was the way there and back.
//!
//! From outside, connecting takes as long as `connect` takes. But the program opens a socket first, and sets options last;
//! in between the kernel sends SYN and gets SYN-ACK (RFC 9293 §3.5), and only that is the network. The kernel measures it
//! for its own purposes (RFC 6298: the first round trip time) and tells. On loopback, SYN-ACK is there before connect(2)
//! returns: then nobody waits for it, and all the rest is the program's own work. From farther away it comes while the
//! program sleeps, which then has to be woken.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;

use journey::Span;
use journey::semconv::attribute;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};
use tokio::net::TcpStream;

use super::kernel;
use super::tcp_info::TcpInfo;
use crate::clock;

/// How a connection was made: nanoseconds since the Unix epoch, unless they are said to be something else.
#[derive(Clone, Copy, Debug)]
pub struct Handshake {
    /// The program began.
    pub begun: u64,
    /// It called connect(2), which sends SYN.
    pub called: u64,
    /// How long it took from SYN to SYN-ACK, as the kernel measured it; in nanoseconds. `None` where it did not, or where
    /// SYN had to be sent again.
    pub round_trip: Option<u64>,
    /// It was told that the connection is there; `None` when that was so before it could wait for it.
    pub woken: Option<u64>,
    /// The connection could be used.
    pub done: u64,
}

impl Handshake {
    /// When it began and ended.
    pub fn times(&self) -> (u64, u64) {
        (self.begun, self.done)
    }

    /// Says in the span of a connection that was made how its time is to be taken apart.
    pub fn describe(&self, span: Span) -> Span {
        let Some(round_trip) = self.round_trip else { return span };
        let begun = span.start;
        let span = span
            .with(attribute::CONNECT_CALLED_NS, self.called.saturating_sub(begun))
            .with(attribute::CONNECT_ROUND_TRIP_NS, round_trip);
        match self.woken {
            Some(woken) => span.with(attribute::CONNECT_WOKEN_NS, woken.saturating_sub(begun)),
            None => span,
        }
    }
}

/// As `TcpStream::connect`, which does the same and does not say when; what it returns is not yet done.
pub(super) async fn timed(address: SocketAddr) -> io::Result<(TcpStream, Handshake)> {
    let begun = clock::now();
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, None)?;
    let called = clock::now();
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let returned = clock::now();
    let stream = TcpStream::from_std(socket.into())?;
    stream.writable().await?;
    let woken = clock::now();
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    let info = if kernel::wanted() { TcpInfo::of(&stream) } else { None };
    let round_trip = info.filter(|info| info.retransmitted == 0 && info.round_trip > 0);
    let round_trip = round_trip.map(|info| info.round_trip);
    let waited = round_trip.is_some_and(|round_trip| called + round_trip > returned);
    let woken = waited.then_some(woken);
    Ok((stream, Handshake { begun, called, round_trip, woken, done: woken.unwrap_or(returned) }))
}
