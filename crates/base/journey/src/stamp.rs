//! Where and when bytes were seen: the smallest fact of a measurement.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// A byte stream; offsets count bytes.
    Tcp,
    /// Datagrams; for DNS the offset is the message id.
    Udp,
}

impl Transport {
    /// As the attribute `network.transport` has it (OpenTelemetry).
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// A conversation between two sockets, named the same way by both of its ends.
///
/// The client is the side that connected (TCP) or sent the query (UDP), whoever reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// TCP or UDP.
    pub transport: Transport,
    /// The address of the side that connected or sent the query.
    pub client: SocketAddr,
    /// The address of the side that listened.
    pub server: SocketAddr,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}>{}", self.transport.as_str(), self.client, self.server)
    }
}

/// Says that a text is not a flow; see [`Flow`]'s `Display` for the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFlowError(String);

impl fmt::Display for ParseFlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a flow such as \"tcp 127.0.0.1:40000>127.0.113.50:8443\"", self.0)
    }
}

impl std::error::Error for ParseFlowError {}

impl FromStr for Flow {
    type Err = ParseFlowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (transport, ends) = text.split_once(' ')?;
            let transport = match transport {
                "tcp" => Transport::Tcp,
                "udp" => Transport::Udp,
                _ => return None,
            };
            let (client, server) = ends.split_once('>')?;
            Some(Flow { transport, client: client.parse().ok()?, server: server.parse().ok()? })
        };
        parse().ok_or_else(|| ParseFlowError(text.to_owned()))
    }
}

/// Which way the bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the flow's client to its server.
    Request,
    /// From the flow's server to its client.
    Response,
}

/// What happened to the bytes at the time of a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// Just before the program handed them to the kernel.
    Tx,
    /// They arrived in the receiving socket's queue.
    Rx,
    /// The receiving program took the connection out of its listener's queue, after they had arrived.
    Accept,
    /// The receiving program has read them.
    Wake,
}

/// How a time was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// The kernel stamped the packet.
    Kernel,
    /// A program read the clock right next to its system call.
    User,
    /// Concluded from the neighbours of a program that reports nothing.
    Inferred,
}

/// The last byte of some message passed a point at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Between which sockets.
    pub flow: Flow,
    /// Which way.
    pub direction: Direction,
    /// TCP: how many bytes had gone this way on this flow, the stamped one included.
    /// UDP: the DNS message id.
    pub offset: u64,
    /// What happened.
    pub event: Event,
    /// When: nanoseconds since the Unix epoch, CLOCK_REALTIME (the clock of the kernel's own stamps).
    pub at: u64,
    /// Who read the clock.
    pub quality: Quality,
}
