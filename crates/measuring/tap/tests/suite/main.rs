//! A real capture of real packets on loopback.
//!
//! It needs CAP_NET_RAW. Without it these tests say that they did not run; under CI they fail then.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;

use journey::{Direction, Event, Flow, Quality, Stamp, Transport};
use tap::filter::LabAddresses;
use tap::packet::Carries;
use tap::{Capture, Streams, Taken};

/// An address of this process's own: the capture must not hear other tests.
fn address(port: u16) -> SocketAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 78, high, low.max(1)], port))
}

fn may_capture(test: &str) -> bool {
    let Err(why) = tap::allowed() else { return true };
    assert!(std::env::var_os("CI").is_none(), "{test} did not run, and CI is set: {why}");
    // Not by eprintln, which the test runner keeps to itself when a test passes.
    let _ = std::io::stderr().write_all(format!("NOT RUN: {test}: {why}\n").as_bytes());
    false
}

/// Captures what passes meanwhile at an address.
fn captured(own: SocketAddr, file: Option<&std::path::Path>, meanwhile: impl FnOnce()) -> Taken {
    let capture = Capture::start([own].into_iter().collect(), file).expect("start");
    meanwhile();
    capture.stop().expect("stop")
}

/// One question and one answer over TCP; returns the client's address.
fn exchange(listener: &TcpListener, question: &[u8], answer: &[u8]) -> SocketAddr {
    let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connect");
    let (mut server, _) = listener.accept().expect("accept");
    let mut buffer = vec![0; question.len().max(answer.len())];
    client.write_all(question).expect("ask");
    server.read_exact(&mut buffer[..question.len()]).expect("hear");
    server.write_all(answer).expect("answer");
    client.read_exact(&mut buffer[..answer.len()]).expect("read");
    client.local_addr().expect("connected")
}

#[test]
fn every_byte_passes_twice_and_in_order() {
    if !may_capture("every_byte_passes_twice_and_in_order") {
        return;
    }
    let own = address(20_001);
    let listener = TcpListener::bind(own).expect("bind");
    let before = hop::clock::now();
    // More than one packet of loopback holds.
    let question = vec![7; 200_000];
    let mut client = None;
    let taken = captured(own, None, || client = Some(exchange(&listener, &question, b"thanks")));
    let after = hop::clock::now();
    assert!(taken.lost.is_empty(), "{:?}", taken.lost);
    let flow = Flow { transport: Transport::Tcp, client: client.expect("it connected"), server: own };
    let streams = Streams::new(&taken.packets, &[own].into_iter().collect::<LabAddresses>());
    let passed = |direction, offset| {
        let (event, quality) = (Event::Tx, Quality::User);
        let passed = streams.passed(&Stamp { flow, direction, offset, event, at: before, quality });
        (passed.out.expect("it left"), passed.arrived.expect("it arrived"))
    };
    let (first, last) = (passed(Direction::Request, 1), passed(Direction::Request, 200_000));
    let answer = passed(Direction::Response, 6);
    let order = [before, first.0, first.1, last.1, answer.0, answer.1, after];
    assert!(order.is_sorted(), "{order:?}");
    assert!(first.0 <= last.0 && last.0 <= last.1);
    assert_eq!(streams.counts(), (1, 0));
}

#[test]
fn nothing_of_others_is_kept() {
    if !may_capture("nothing_of_others_is_kept") {
        return;
    }
    let (own, other) = (address(20_002), address(20_003));
    let listeners = [own, other].map(|address| TcpListener::bind(address).expect("bind"));
    let taken = captured(own, None, || {
        exchange(&listeners[1], b"of no concern", b"to the tap");
        exchange(&listeners[0], b"the lab's", b"own");
        let socket = UdpSocket::bind(other).expect("bind");
        socket.send_to(b"nor this", other).expect("send");
    });
    assert!(!taken.packets.is_empty() && taken.seen >= taken.packets.len() as u64);
    for packet in &taken.packets {
        assert!([packet.from, packet.to].contains(&own), "{packet:?}");
        assert_eq!(packet.carries.transport(), Transport::Tcp);
    }
    let begun =
        taken.packets.iter().filter(|packet| matches!(packet.carries, Carries::Segment { syn: true, .. }));
    assert_eq!(begun.count(), 4, "SYN and its answer, each out and in");
}

#[test]
fn the_file_is_for_its_owner_only_and_has_each_packet_once() {
    if !may_capture("the_file_is_for_its_owner_only_and_has_each_packet_once") {
        return;
    }
    let own = address(20_004);
    let listener = TcpListener::bind(own).expect("bind");
    let path = std::env::temp_dir().join(format!("tap-{}.pcap", std::process::id()));
    // A file that was there, and open to all.
    std::fs::write(&path, vec![9; 100_000]).expect("write");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("open it to all");
    let taken = captured(own, Some(&path), || {
        exchange(&listener, b"question", b"answer");
    });
    let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
    let file = std::fs::read(&path).expect("read");
    std::fs::remove_file(&path).expect("remove");
    assert_eq!(mode & 0o777, 0o600);
    let mut records = 0;
    let mut at = 24;
    while let Some(header) = file.get(at..at + 16) {
        records += 1;
        at += 16 + u32::from_ne_bytes(header[8..12].try_into().expect("four bytes")) as usize;
    }
    assert_eq!(at, file.len(), "whole records");
    assert_eq!(records, taken.seen / 2, "out and in are one");
    let holds = |text: &[u8]| file.windows(text.len()).filter(|window| *window == text).count();
    assert_eq!((holds(b"question"), holds(b"answer")), (1, 1));
}

#[test]
fn a_folder_is_no_file() {
    if !may_capture("a_folder_is_no_file") {
        return;
    }
    let error = Capture::start(LabAddresses::default(), Some(&std::env::temp_dir())).err().expect("an error");
    assert!(error.to_string().starts_with("write "), "{error}");
}
