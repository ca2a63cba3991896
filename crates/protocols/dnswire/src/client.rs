//! One query over UDP, from the side of the client.

use std::io;
use std::net::SocketAddr;

use hickory_proto::op::Message;
use hop::Mark;
use hop::stamped::kernel;
use journey::{Flow, Transport};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::message::response_to;

/// A socket for one query. It is connected, for two reasons: only what comes from the address and port that
/// were queried is received (RFC 5452 §9.1), and when there is nobody, the kernel hands us the ICMP "port
/// unreachable" as an error instead of leaving us to wait.
#[derive(Debug)]
pub struct QuerySocket {
    socket: UdpSocket,
    flow: Flow,
}

impl QuerySocket {
    /// A socket at `local`; with port 0 the kernel picks one at random (RFC 5452 §9.2).
    ///
    /// # Errors
    /// The kernel has no port left, or no way to the server.
    pub async fn connect(local: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(local).await?;
        socket.connect(server).await?;
        if let Err(error) = kernel::enable(&socket) {
            tracing::debug!(%error, "no kernel stamps");
        }
        let flow = Flow { transport: Transport::Udp, client: socket.local_addr()?, server };
        Ok(QuerySocket { socket, flow })
    }

    /// Between which sockets.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// Sends a query that has been encoded.
    ///
    /// # Errors
    /// The kernel refuses, perhaps because of what came back for an earlier datagram.
    pub async fn send(&self, query: &[u8]) -> io::Result<()> {
        self.socket.send(query).await.map(drop)
    }

    /// Waits for the response to `query`, and says when it was read (the offset is the message id). What is no
    /// response to it is ignored, and the waiting goes on. The inner error: it has the right id and cannot be
    /// read.
    ///
    /// # Errors
    /// Nobody is there.
    pub async fn response_to(&self, query: &Message) -> io::Result<(io::Result<Message>, Mark)> {
        let mut buffer = vec![0; 4096]; // clients offer 1232 by EDNS; whoever sends more is cut off
        loop {
            // A pending ICMP error makes the socket ready for ERROR, not for READABLE.
            let ready = self.socket.ready(Interest::READABLE | Interest::ERROR).await?;
            if ready.is_error() {
                let error = self.socket.take_error()?;
                return Err(error.unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into()));
            }
            match kernel::try_recv_from(&self.socket, &mut buffer) {
                Ok((length, _, read)) => match response_to(query, &buffer[..length]) {
                    Some(response) => return Ok((response, Mark { offset: u64::from(query.id), ..read })),
                    None => tracing::debug!(length, "datagram that responds to no query of ours: ignored"),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
