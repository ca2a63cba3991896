//! How many segments it took to make a TCP connection: what the kernel counted for the socket.
//!
//! A program only sees that `connect` took a while. The kernel knows that one segment came (SYN-ACK) and
//! two went (SYN, ACK), and says so in `TCP_INFO` (tcp(7), `struct tcp_info` of linux/tcp.h).

use std::io;
use std::net::{SocketAddr, TcpStream};

/// The segments that came until a connection was there: each is one that was waited for. `None` where the
/// kernel does not count them.
pub(super) fn until_connected(address: SocketAddr) -> io::Result<Option<u32>> {
    let stream = TcpStream::connect(address)?;
    Ok(info::segments(&stream).map(|(came, _)| came))
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "std has no getsockopt, and only TCP_INFO counts segments")]
mod info {
    use std::net::TcpStream;
    use std::os::fd::AsRawFd as _;

    /// Where `tcpi_segs_out` and, behind it, `tcpi_segs_in` are (since Linux 4.2; fields are only ever
    /// added at the end).
    const SEGS_OUT: usize = 136;
    const SEGS_IN: usize = SEGS_OUT + 4;

    /// Segments that came and that went.
    pub(super) fn segments(stream: &TcpStream) -> Option<(u32, u32)> {
        let mut info = [0_u8; 256];
        let mut length = info.len() as libc::socklen_t;
        // SAFETY: the descriptor is open as long as `stream` is borrowed; the kernel writes at most
        // `length` bytes into `info`, which has that many, and sets `length` to how many it wrote.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let written = info.get(..usize::try_from(length).ok()?).filter(|_| result == 0)?;
        let field = |at: usize| Some(u32::from_ne_bytes(written.get(at..at + 4)?.try_into().ok()?));
        Some((field(SEGS_IN)?, field(SEGS_OUT)?))
    }
}

#[cfg(not(target_os = "linux"))]
mod info {
    use std::net::TcpStream;

    pub(super) fn segments(_: &TcpStream) -> Option<(u32, u32)> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
