//! Made-up packets, for tests.

use std::net::{IpAddr, SocketAddr};

use journey::{Direction, Event, Flow, Quality, Stamp, Transport};

use crate::filter::LabAddresses;
use crate::packet::{Carries, Packet};

pub(crate) const CLIENT: &str = "127.0.0.1:40000";
pub(crate) const SERVER: &str = "127.0.1.100:8080";

pub(crate) fn socket(text: &str) -> SocketAddr {
    text.parse().expect("a socket address")
}

pub(crate) fn own() -> LabAddresses {
    [socket(SERVER)].into_iter().collect()
}

pub(crate) fn flow() -> Flow {
    Flow { transport: Transport::Tcp, client: socket(CLIENT), server: socket(SERVER) }
}

pub(crate) fn stamp(flow: Flow, direction: Direction, offset: u64, event: Event, at: u64) -> Stamp {
    Stamp { flow, direction, offset, event, at, quality: Quality::User }
}

/// A packet of a flow, out or in.
pub(crate) fn packet(flow: Flow, direction: Direction, carries: Carries, out: bool, at: u64) -> Packet {
    let (from, to) = match direction {
        Direction::Request => (flow.client, flow.server),
        Direction::Response => (flow.server, flow.client),
    };
    Packet { from, to, carries, out, at }
}

/// Data, out at one time and in at another.
pub(crate) fn data(
    flow: Flow,
    direction: Direction,
    (sequence, length): (u32, u32),
    (out, arrived): (u64, u64),
) -> [Packet; 2] {
    let carries = Carries::Segment { sequence, length, syn: false, ack: true };
    [packet(flow, direction, carries, true, out), packet(flow, direction, carries, false, arrived)]
}

/// The beginning of a stream.
pub(crate) fn syn(flow: Flow, direction: Direction, sequence: u32, at: u64) -> Packet {
    let ack = direction == Direction::Response;
    packet(flow, direction, Carries::Segment { sequence, length: 0, syn: true, ack }, true, at)
}

/// The frame of a packet as it is on `lo`, with `payload` behind its headers.
pub(crate) fn frame(packet: &Packet, payload: &[u8]) -> Vec<u8> {
    let (protocol, mut transport) = match packet.carries {
        Carries::Segment { sequence, syn, ack, .. } => {
            let mut header = vec![0; 20];
            header[4..8].copy_from_slice(&sequence.to_be_bytes());
            header[12] = 5 << 4;
            header[13] = u8::from(syn) << 1 | u8::from(ack) << 4;
            (6, header)
        }
        Carries::Datagram { .. } => (17, vec![0; 8]),
    };
    transport[0..2].copy_from_slice(&packet.from.port().to_be_bytes());
    transport[2..4].copy_from_slice(&packet.to.port().to_be_bytes());
    transport.extend_from_slice(payload);
    let mut frame = vec![0; 12];
    let length = transport.len() as u16;
    match (packet.from.ip(), packet.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            frame.extend([0x08, 0x00, 0x45, 0]);
            frame.extend((length + 20).to_be_bytes());
            frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
            frame.extend(from.octets());
            frame.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([protocol, 64]);
            frame.extend(from.octets());
            frame.extend(to.octets());
        }
        _ => panic!("one family"),
    }
    frame.extend(transport);
    frame
}
