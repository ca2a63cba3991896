//! How many segments it took to make a TCP connection: what the kernel counted for the socket.
//!
//! A program only sees that `connect` took a while. The kernel knows that one segment came (SYN-ACK) and
//! two went (SYN, ACK), and says so.

use std::io;
use std::net::{SocketAddr, TcpStream};

use hop::stamped::tcp_info::TcpInfo;

/// The segments that came until a connection was there: each is one that was waited for. `None` where the
/// kernel does not count them.
pub(super) fn until_connected(address: SocketAddr) -> io::Result<Option<u32>> {
    let stream = TcpStream::connect(address)?;
    Ok(TcpInfo::of(&stream).map(|info| info.segments_in))
}
