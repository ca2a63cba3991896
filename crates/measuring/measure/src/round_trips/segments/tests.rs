use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::*;

#[test]
fn a_handshake_is_one_round_trip_and_data_is_counted_too() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    assert_eq!(until_connected(address).expect("it listens"), Some(1), "SYN-ACK");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let mut peer = listener.incoming().nth(1).expect("a connection").expect("a connection");
    let (came, went) = info::segments(&stream).expect("Linux counts");
    assert_eq!((came, went), (1, 2), "SYN-ACK came; SYN and ACK went");
    peer.write_all(b"hello").expect("it is open");
    stream.read_exact(&mut [0; 5]).expect("it came");
    assert_eq!(info::segments(&stream).map(|(came, _)| came), Some(2), "the twin: it does go up");
}
