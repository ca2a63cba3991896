//! Sockets that whoever started this process had bound for it, as systemd's socket units do.
//!
//! `LISTEN_FDS` says how many there are, from descriptor 3 on, and `LISTEN_PID` whom they are meant for
//! (sd_listen_fds(3)). While the program is away, its starter holds them: a connect then waits in the
//! kernel's queue instead of being refused. Each is found by its protocol and address, so the names in
//! `LISTEN_FDNAMES` are for people.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use listenfd::ListenFd;
use parking_lot::{Mutex, MutexGuard};

/// What was handed over and not yet taken.
static INHERITED: Mutex<Vec<Inherited>> = Mutex::new(Vec::new());

enum Inherited {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Inherited {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Inherited::Tcp(listener) => listener.local_addr(),
            Inherited::Udp(socket) => socket.local_addr(),
        }
        .ok()
    }
}

/// Takes note of what was handed over, and the variables out of the environment. To be called while the
/// process has one thread.
pub(crate) fn accept_all() {
    let mut handed = ListenFd::from_env();
    let mut inherited = lock();
    for index in 0..handed.len() {
        if let Ok(Some(listener)) = handed.take_tcp_listener(index) {
            inherited.push(Inherited::Tcp(listener));
        } else {
            match handed.take_udp_socket(index) {
                Ok(Some(socket)) => inherited.push(Inherited::Udp(socket)),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "LISTEN_FDS names a descriptor that is of no use here"),
            }
        }
    }
}

/// The listener for this address, if one was handed over.
pub(super) fn tcp(address: SocketAddr) -> Option<TcpListener> {
    match take(|one| matches!(one, Inherited::Tcp(_)) && one.address() == Some(address))? {
        Inherited::Tcp(listener) => Some(listener),
        Inherited::Udp(_) => None,
    }
}

/// The datagram socket for this address, if one was handed over.
pub(super) fn udp(address: SocketAddr) -> Option<UdpSocket> {
    match take(|one| matches!(one, Inherited::Udp(_)) && one.address() == Some(address))? {
        Inherited::Udp(socket) => Some(socket),
        Inherited::Tcp(_) => None,
    }
}

/// Warns of sockets that nobody took: who connects there would wait for ever.
pub(crate) fn warn_of_unused() {
    for address in lock().iter().filter_map(Inherited::address) {
        tracing::warn!(%address, "LISTEN_FDS: nothing is served on this socket");
    }
}

fn take(wanted: impl Fn(&Inherited) -> bool) -> Option<Inherited> {
    let mut inherited = lock();
    let index = inherited.iter().position(wanted)?;
    Some(inherited.swap_remove(index))
}

fn lock() -> MutexGuard<'static, Vec<Inherited>> {
    INHERITED.lock()
}
