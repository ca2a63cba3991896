//! Whose bytes: the two ends of a flow, and which of them is this program's.

use std::net::{IpAddr, SocketAddr};

use journey::{Direction, Event, Flow, Stamp, Transport};

use super::mark::Mark;

/// Which end of the flow this socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It accepted the connection.
    Server,
    /// It made the connection.
    Client,
}

/// The two ends of a flow as one of them sees it: 48 bytes, where a [`Flow`] alone takes 68, because programs keep
/// thousands of them. Loopback addresses have neither a scope nor flow information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    client: (IpAddr, [u8; 2]),
    server: (IpAddr, [u8; 2]),
    transport: Transport,
    side: Side,
    /// When the connection was accepted or made: nanoseconds since the Unix epoch; 0 where there is none.
    opened: u64,
}

impl Ends {
    /// Of a connection that was accepted or made then.
    pub fn of_connection(flow: Flow, side: Side, opened: u64) -> Self {
        let plain = |address: SocketAddr| (address.ip(), address.port().to_be_bytes());
        let (client, server) = (plain(flow.client), plain(flow.server));
        Ends { client, server, transport: flow.transport, side, opened }
    }

    /// Of datagrams between two sockets.
    pub fn of_datagrams(flow: Flow, side: Side) -> Self {
        Self::of_connection(flow, side, 0)
    }

    /// Between which sockets.
    pub fn flow(&self) -> Flow {
        let address = |(ip, port): (IpAddr, [u8; 2])| SocketAddr::new(ip, u16::from_be_bytes(port));
        Flow { transport: self.transport, client: address(self.client), server: address(self.server) }
    }

    /// Which end of the flow this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// When the connection was accepted or made: nanoseconds since the Unix epoch; 0 where there is none.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// What was read as stamps in the right direction: when the kernel had the byte, when the connection was accepted if
    /// that was later, and when the byte was read.
    pub fn read_stamps(&self, mark: Mark) -> impl Iterator<Item = Stamp> {
        let (flow, opened) = (self.flow(), self.opened);
        let direction = match self.side {
            Side::Server => Direction::Request,
            Side::Client => Direction::Response,
        };
        let waited = self.side == Side::Server && mark.queued.is_some_and(|queued| queued < opened);
        let accepted = waited.then(|| mark.stamp(flow, direction, Event::Accept, opened));
        mark.received(flow, direction).chain(accepted)
    }

    /// What was written as a stamp in the right direction.
    pub fn write_stamp(&self, mark: Mark) -> Stamp {
        let direction = match self.side {
            Side::Server => Direction::Response,
            Side::Client => Direction::Request,
        };
        mark.sent(self.flow(), direction)
    }
}
