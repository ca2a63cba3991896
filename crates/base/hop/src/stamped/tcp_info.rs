//! What the kernel knows of a TCP connection: `TCP_INFO` (tcp(7), `struct tcp_info` of linux/tcp.h).

use std::os::fd::AsRawFd;

/// Where fields are. The kernel only ever adds some at the end; those that count segments are there since Linux 4.2.
const RETRANSMITTED: usize = 100;
const ROUND_TRIP: usize = 68;
const SEGMENTS_OUT: usize = 136;
const SEGMENTS_IN: usize = 140;

/// What the kernel knows of a connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    /// The smoothed round trip time, in nanoseconds; the kernel counts microseconds. Right after the connection was made,
    /// it is the time from SYN to SYN-ACK. 0 where there is no measurement.
    pub round_trip: u64,
    /// Segments that were sent again.
    pub retransmitted: u32,
    /// Segments that came.
    pub segments_in: u32,
    /// Segments that went.
    pub segments_out: u32,
}

impl TcpInfo {
    /// Asks the kernel; `None` for a socket of another protocol, or a kernel that does not say all of it.
    pub fn of(socket: &impl AsRawFd) -> Option<TcpInfo> {
        let mut info = [0_u8; 256];
        let mut length = info.len() as libc::socklen_t;
        // SAFETY: the descriptor is open as long as `socket` is borrowed; the kernel writes at most `length` bytes into
        // `info`, which has that many, and sets `length` to how many it wrote.
        #[allow(unsafe_code, reason = "neither std nor nix nor rustix has TCP_INFO")]
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let written = info.get(..usize::try_from(length).ok()?).filter(|_| result == 0)?;
        let field = |at: usize| Some(u32::from_ne_bytes(written.get(at..at + 4)?.try_into().ok()?));
        Some(TcpInfo {
            round_trip: u64::from(field(ROUND_TRIP)?) * 1000,
            retransmitted: field(RETRANSMITTED)?,
            segments_in: field(SEGMENTS_IN)?,
            segments_out: field(SEGMENTS_OUT)?,
        })
    }
}

#[cfg(test)]
mod tests;
