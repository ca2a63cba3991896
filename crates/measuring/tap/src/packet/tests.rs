use journey::Direction;
use proptest::prelude::*;

use super::*;
use crate::testing;

fn segment(length: u32) -> Carries {
    Carries::Segment { sequence: 4_000_000_000, length, syn: false, ack: true }
}

#[test]
fn tcp_and_udp_are_read_over_both_internet_protocols() {
    let v6 = |text| testing::socket(text);
    for (from, to) in [
        (testing::socket(testing::CLIENT), testing::socket(testing::SERVER)),
        (v6("[::1]:40000"), v6("[::1]:8080")),
    ] {
        let tcp = Packet { from, to, carries: segment(5), out: true, at: 7 };
        assert_eq!(parse(&testing::frame(&tcp, b"hello"), true, 7), Some(tcp));
        let udp = Packet { carries: Carries::Datagram { id: 0xbeef }, ..tcp };
        assert_eq!(parse(&testing::frame(&udp, &[0xbe, 0xef, 1, 2]), true, 7), Some(udp));
    }
}

#[test]
fn what_is_cut_off_behind_its_headers_keeps_its_length() {
    let packet = testing::packet(testing::flow(), Direction::Request, segment(5), false, 7);
    let whole = testing::frame(&packet, b"hello");
    let headers = whole.len() - 5;
    assert_eq!(parse(&whole[..headers], false, 7), Some(packet));
    // One byte of the header is missing: nothing can be said.
    for length in 0..headers - 6 {
        assert_eq!(parse(&whole[..length], false, 7), None, "{length} bytes");
    }
    // Padding behind the packet is not data.
    let padded = [whole, vec![0; 9]].concat();
    assert_eq!(parse(&padded, false, 7), Some(packet));
}

#[test]
fn what_is_neither_tcp_nor_udp_is_left_alone() {
    let packet = testing::packet(testing::flow(), Direction::Request, segment(5), false, 7);
    let good = testing::frame(&packet, b"hello");
    let bad = |at: usize, value: u8| {
        let mut frame = good.clone();
        frame[at] = value;
        parse(&frame, false, 7)
    };
    assert_eq!(bad(13, 0x06), None, "ARP");
    assert_eq!(bad(14, 0x65), None, "a version that contradicts the frame");
    assert_eq!(bad(14, 0x44), None, "a header shorter than a header");
    assert_eq!(bad(20, 0x20), None, "a fragment");
    assert_eq!(bad(23, 1), None, "ICMP");
    assert_eq!(bad(46, 4 << 4), None, "a TCP header shorter than a header");
    assert_eq!(bad(46, 15 << 4), None, "a TCP header longer than the packet");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, false, 0);
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0_usize..59, value: u8, keep in 0_usize..59) {
        let packet = testing::packet(testing::flow(), Direction::Request, segment(5), false, 7);
        let mut frame = testing::frame(&packet, b"hello");
        frame[at] = value;
        frame.truncate(keep);
        let _ = parse(&frame, false, 0);
    }
}
