use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

use super::*;

#[test]
fn a_handshake_is_one_round_trip_and_data_is_counted_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let info = TcpInfo::of(&stream).unwrap();
    assert_eq!((info.segments_in, info.segments_out), (1, 2), "SYN-ACK came; SYN and ACK went");
    assert!(info.round_trip > 0 && info.retransmitted == 0, "{info:?}");
    peer.write_all(b"hello").unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    assert_eq!(TcpInfo::of(&stream).unwrap().segments_in, 2, "the twin: it does go up");
}

#[test]
fn a_socket_of_another_protocol_has_none() {
    assert_eq!(TcpInfo::of(&UdpSocket::bind("127.0.0.1:0").unwrap()), None);
}
