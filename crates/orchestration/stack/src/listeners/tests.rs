use std::net::{TcpListener, UdpSocket};

use super::*;

#[test]
fn an_address_has_its_holder_and_a_process_its_addresses() {
    let four = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let six = TcpListener::bind("[::1]:0");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let of = |listener: &TcpListener| listener.local_addr().expect("its address");
    let me = std::process::id();
    assert_eq!(holder("tcp", of(&four)), Some(me));
    assert_eq!(holder("udp", udp.local_addr().expect("its address")), Some(me));
    let mine = super::of([me]);
    assert!(mine.contains(&of(&four)), "{mine:?}");
    // Where there is no IPv6, there is nothing to see.
    assert!(six.is_err() || six.is_ok_and(|six| mine.contains(&of(&six))), "{mine:?}");
    let gone = of(&four);
    drop(four);
    assert_eq!(holder("tcp", gone), None);
    assert!(!super::of([me]).contains(&gone));
}

#[test]
fn a_connection_is_no_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = std::net::TcpStream::connect(listener.local_addr().expect("its address")).expect("accepted");
    let local = client.local_addr().expect("its address");
    assert_eq!(holder("tcp", local), None);
    assert!(!super::of([std::process::id()]).contains(&local));
}
