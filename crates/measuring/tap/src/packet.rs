//! From the bytes of a frame to what is worth remembering of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use journey::Transport;

/// One packet, seen once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The sending socket.
    pub from: SocketAddr,
    /// The receiving socket.
    pub to: SocketAddr,
    /// A TCP segment or a UDP datagram.
    pub carries: Carries,
    /// Was it on its way out of the sender? Else it came in at the receiver.
    pub out: bool,
    /// The kernel's stamp: nanoseconds since the Unix epoch, CLOCK_REALTIME.
    pub at: u64,
}

/// What a packet carries, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// A piece of a byte stream (RFC 9293 §3.1).
    Segment {
        /// The sequence number of the first byte, or of SYN.
        sequence: u32,
        /// How many bytes of data.
        length: u32,
        /// It begins the stream: the first byte of data has the number after this one's.
        syn: bool,
        /// It acknowledges something; without it a SYN is the client's (RFC 9293 §3.5).
        ack: bool,
    },
    /// A datagram, by the first two bytes of its data: the id of a DNS message (RFC 1035 §4.1.1).
    Datagram {
        /// The message id; 0 when the datagram is too short to have one.
        id: u16,
    },
}

impl Carries {
    /// TCP for a segment, UDP for a datagram.
    pub fn transport(self) -> Transport {
        match self {
            Carries::Segment { .. } => Transport::Tcp,
            Carries::Datagram { .. } => Transport::Udp,
        }
    }
}

const ETHERNET: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Reads an Ethernet frame that may be cut off behind its headers.
///
/// `None` for everything that is not a whole TCP or UDP header over IPv4 or IPv6: other protocols,
/// fragments (loopback has none), IPv6 extension headers (our own stack sends none), garbage.
pub fn parse(frame: &[u8], out: bool, at: u64) -> Option<Packet> {
    let payload = frame.get(ETHERNET..)?;
    let (protocol, from, to, transport, length) = match u16_at(frame, 12)? {
        0x0800 => ipv4(payload)?,
        0x86dd => ipv6(payload)?,
        _ => return None,
    };
    let (source, target) = (u16_at(transport, 0)?, u16_at(transport, 2)?);
    let carries = match protocol {
        TCP => {
            let header = usize::from(transport.get(12)? >> 4) * 4;
            let flags = *transport.get(13)?;
            if header < 20 {
                return None;
            }
            let data = length.checked_sub(header)?;
            Carries::Segment {
                sequence: u32::from_be_bytes(transport.get(4..8)?.try_into().ok()?),
                length: u32::try_from(data).ok()?,
                syn: flags & 0x02 != 0,
                ack: flags & 0x10 != 0,
            }
        }
        UDP => Carries::Datagram { id: u16_at(transport, 8).unwrap_or(0) },
        _ => return None,
    };
    Some(Packet { from: SocketAddr::new(from, source), to: SocketAddr::new(to, target), carries, out, at })
}

type Network<'a> = (u8, IpAddr, IpAddr, &'a [u8], usize);

/// RFC 791 §3.1. The length comes from the header: the frame may be cut off, or padded.
fn ipv4(packet: &[u8]) -> Option<Network<'_>> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    let fragment = u16_at(packet, 6)? & 0x3fff;
    if first >> 4 != 4 || header < 20 || fragment != 0 {
        return None;
    }
    let address = |at: usize| {
        let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::V4(Ipv4Addr::from(bytes)))
    };
    let length = usize::from(u16_at(packet, 2)?).checked_sub(header)?;
    Some((*packet.get(9)?, address(12)?, address(16)?, packet.get(header..)?, length))
}

/// RFC 8200 §3.
fn ipv6(packet: &[u8]) -> Option<Network<'_>> {
    if packet.first()? >> 4 != 6 {
        return None;
    }
    let address = |at: usize| {
        let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddr::V6(Ipv6Addr::from(bytes)))
    };
    let length = usize::from(u16_at(packet, 4)?);
    Some((*packet.get(6)?, address(8)?, address(24)?, packet.get(40..)?, length))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
