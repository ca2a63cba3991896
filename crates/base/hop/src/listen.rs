//! Listening sockets: handed over or bound, before anything is served, with an error that says what to do.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context as _;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

use crate::stamped::kernel;

pub(crate) mod inherited;

/// How many finished handshakes the kernel keeps for a program that has not yet called `accept`.
const BACKLOG: u32 = 1024;
/// Bytes of datagrams that the kernel keeps for a UDP socket until they are read, or what it grants
/// (`net.core.rmem_max`). The usual 208 KiB hold less than 300 queries: a burst of them, each of which means work
/// here, would cost other clients theirs. Unbound's `so-rcvbuf` is for the same.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Listens on a TCP address: with the socket that was handed over for it (`inherited`), else with one of
/// its own.
///
/// # Errors
/// Says which address failed, why, and how to look for the program that holds it.
pub fn tcp(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = match inherited::tcp(address) {
        Some(listener) => {
            adopt(listener).with_context(|| format!("take over the socket of tcp {address}"))?
        }
        None => bind(address)?,
    };
    // Connections inherit it, so that also what comes before `accept` is stamped.
    stamp_arrivals(&listener);
    Ok(listener)
}

/// Binds and listens on a TCP address, for this program or for one that the socket is handed over to.
///
/// # Errors
/// As [`tcp`].
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restarted hop gets its port back although old connections linger in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|error| explain(error, address)).with_context(|| format!("listen on tcp {address}"))
}

fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Receives on a UDP address: with the socket that was handed over for it, else with one of its own.
///
/// # Errors
/// As [`tcp`].
pub async fn udp(address: SocketAddr) -> anyhow::Result<UdpSocket> {
    let adopted = inherited::udp(address).map(|socket| {
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    });
    let socket = match adopted {
        Some(socket) => socket,
        None => UdpSocket::bind(address).await,
    };
    let socket = socket
        .map_err(|error| explain(error, address))
        .with_context(|| format!("listen on udp {address}"))?;
    stamp_arrivals(&socket);
    if let Err(error) = setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER) {
        tracing::debug!(%error, "the receive buffer stays as it is");
    }
    Ok(socket)
}

/// Where the kernel does not stamp, the program's own stamps have to do.
fn stamp_arrivals(socket: &impl AsFd) {
    if let Err(error) = kernel::enable(socket) {
        tracing::warn!(%error, "no kernel stamps: legs will include the receiver's wake-up");
    }
}

/// A loopback address that nobody else has, for a test that starts a program.
///
/// A port of 127.0.0.1 that was free a moment ago may be another test's by now. All of 127.0.0.0/8 is
/// loopback, so each process takes an address of its own there, and counts ports upwards.
pub fn own_loopback() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 77, high, low.max(1)], NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// UDP and TCP on one address, as DNS needs them: what is too large for the one comes by the other.
pub struct Pair {
    /// Datagrams.
    pub udp: UdpSocket,
    /// Connections.
    pub tcp: TcpListener,
}

impl Pair {
    /// Binds both. With port 0 the kernel chooses one, the same for both.
    ///
    /// # Errors
    /// As [`tcp`].
    pub async fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let mut attempts = 16;
        loop {
            let udp = udp(address).await?;
            // The port that the kernel chose for UDP may be in use by TCP: try another.
            match tcp(udp.local_addr()?) {
                Ok(tcp) => return Ok(Pair { udp, tcp }),
                Err(error) if address.port() != 0 || attempts == 0 => return Err(error),
                Err(_) => attempts -= 1,
            }
        }
    }

    /// Where they are bound.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }
}

/// Adds what the reader can do about it.
fn explain(error: io::Error, address: SocketAddr) -> io::Error {
    let port = address.port();
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "the port is taken: `ss -ltnup 'sport = :{port}'` names the program; stop it, or give this one another address"
        ),
        io::ErrorKind::PermissionDenied => format!("port {port} needs a privilege: choose one above 1023"),
        io::ErrorKind::AddrNotAvailable => format!("{} is not an address of this machine", address.ip()),
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error} ({remedy})"))
}
