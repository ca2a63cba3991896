use journey::{Event, Quality, Transport};
use proptest::prelude::*;

use super::*;
use crate::testing::{data, flow, own, packet, socket, stamp, syn};

const REQUEST: Direction = Direction::Request;

fn at(streams: &Streams, offset: u64) -> (Option<u64>, Option<u64>) {
    let passed = streams.passed(&stamp(flow(), REQUEST, offset, Event::Tx, 100));
    (passed.out, passed.arrived)
}

fn streams(packets: impl IntoIterator<Item = Packet>) -> Streams {
    Streams::new(&packets.into_iter().collect::<Vec<_>>(), &own())
}

#[test]
fn bytes_are_counted_from_the_syn() {
    let packets = [
        vec![syn(flow(), REQUEST, 999, 5), syn(flow(), REQUEST, 999, 6)],
        data(flow(), REQUEST, (1_000, 100), (10, 12)).to_vec(),
        data(flow(), REQUEST, (1_100, 50), (20, 23)).to_vec(),
    ];
    let streams = streams(packets.concat());
    assert_eq!(at(&streams, 1), (Some(10), Some(12)));
    assert_eq!(at(&streams, 100), (Some(10), Some(12)));
    assert_eq!(at(&streams, 101), (Some(20), Some(23)));
    assert_eq!(at(&streams, 150), (Some(20), Some(23)));
    assert_eq!(at(&streams, 151), (None, None), "not sent");
    assert_eq!(at(&streams, 0), (None, None), "no byte");
    assert_eq!(streams.counts(), (1, 0));
    assert!(streams.knows(&flow()));
}

#[test]
fn numbers_wrap_around() {
    let packets = [
        vec![syn(flow(), REQUEST, u32::MAX - 10, 5)],
        data(flow(), REQUEST, (u32::MAX - 9, 100), (10, 12)).to_vec(),
        data(flow(), REQUEST, (90, 50), (20, 23)).to_vec(),
    ];
    let streams = streams(packets.concat());
    assert_eq!(at(&streams, 100), (Some(10), Some(12)));
    assert_eq!(at(&streams, 150), (Some(20), Some(23)));
}

#[test]
fn the_first_passing_counts_when_bytes_are_sent_again() {
    let mut packets = vec![syn(flow(), REQUEST, 0, 5)];
    packets.extend(data(flow(), REQUEST, (1, 100), (10, 12)));
    packets.extend(data(flow(), REQUEST, (1, 100), (30, 32)));
    // Sent again in other pieces, and with more behind them.
    packets.extend(data(flow(), REQUEST, (51, 100), (40, 42)));
    let first = streams(packets);
    assert_eq!(at(&first, 100), (Some(10), Some(12)));
    assert_eq!(at(&first, 101), (Some(40), Some(42)));
    // The first one got lost on its way: it arrived when it was sent again.
    let mut packets = vec![syn(flow(), REQUEST, 0, 5)];
    packets.extend(data(flow(), REQUEST, (1, 100), (10, 12)).into_iter().take(1));
    packets.extend(data(flow(), REQUEST, (1, 100), (30, 32)));
    assert_eq!(at(&streams(packets), 100), (Some(10), Some(32)));
}

#[test]
fn a_piece_that_overtook_waits_for_the_one_before_it() {
    let mut packets = vec![syn(flow(), REQUEST, 0, 5)];
    let [first_out, first_in] = data(flow(), REQUEST, (1, 100), (10, 25));
    let [second_out, second_in] = data(flow(), REQUEST, (101, 100), (11, 20));
    packets.extend([first_out, second_out, second_in, first_in]);
    let streams = streams(packets);
    assert_eq!(at(&streams, 100), (Some(10), Some(25)));
    assert_eq!(at(&streams, 200), (Some(11), Some(25)), "it could not be read before");
}

#[test]
fn a_lost_packet_leaves_a_gap_and_moves_nothing() {
    let mut packets = vec![syn(flow(), REQUEST, 0, 5)];
    packets.extend(data(flow(), REQUEST, (1, 100), (10, 12)).into_iter().skip(1));
    packets.extend(data(flow(), REQUEST, (201, 100), (30, 32)));
    let streams = streams(packets);
    assert_eq!(at(&streams, 100), (None, Some(12)));
    assert_eq!(at(&streams, 200), (None, None));
    assert_eq!(at(&streams, 300), (Some(30), Some(32)));
}

/// Three messages whose connection began before the capture.
fn midway() -> Streams {
    let mut packets = Vec::new();
    packets.extend(data(flow(), REQUEST, (7_000, 100), (10_000, 10_002)));
    packets.extend(data(flow(), REQUEST, (7_100, 100), (20_000, 20_002)));
    packets.extend(data(flow(), REQUEST, (7_200, 150), (30_000, 30_002)));
    streams(packets)
}

#[test]
fn a_stream_without_a_beginning_is_anchored_by_what_programs_count() {
    let mut streams = midway();
    assert_eq!(at(&streams, 5_100), (None, None), "nobody knows which byte that is");
    // The third message ends where both observers see an end, whatever the time.
    let said = [(5_200, 1), (5_350, 2), (5_100, 3)];
    let said = said.map(|(offset, at)| stamp(flow(), REQUEST, offset, Event::Tx, at));
    streams.anchor(&said);
    assert_eq!(at(&streams, 5_100), (Some(10_000), Some(10_002)));
    assert_eq!(at(&streams, 5_350), (Some(30_000), Some(30_002)));
    assert_eq!(at(&streams, 5_000), (None, None), "before the capture");
    assert_eq!(streams.counts(), (1, 1));
}

#[test]
fn messages_of_one_length_are_told_apart_by_time() {
    let mut streams = midway();
    // One message, of a length that two have; one of two clocks is wrong by half of the distance.
    let said = [
        stamp(flow(), REQUEST, 5_100, Event::Tx, 19_990),
        stamp(flow(), REQUEST, 5_100, Event::Wake, 14_900),
    ];
    streams.anchor(&said);
    assert_eq!(at(&streams, 5_100), (Some(20_000), Some(20_002)));
    // More bytes than the program has counted cannot have passed before.
    let mut streams = midway();
    streams.anchor(&[stamp(flow(), REQUEST, 100, Event::Tx, 29_999)]);
    assert_eq!(at(&streams, 100), (Some(10_000), Some(10_002)));
}

#[test]
fn a_pair_of_sockets_may_be_used_again() {
    let mut packets = vec![syn(flow(), REQUEST, 0, 5)];
    packets.extend(data(flow(), REQUEST, (1, 100), (10, 12)));
    packets.push(syn(flow(), REQUEST, 50_000, 1_000));
    packets.extend(data(flow(), REQUEST, (50_001, 100), (1_010, 1_012)));
    let streams = streams(packets);
    let passed = |at| streams.passed(&stamp(flow(), REQUEST, 100, Event::Tx, at)).out;
    assert_eq!((passed(9), passed(1_009)), (Some(10), Some(1_010)));
}

#[test]
fn datagrams_are_joined_by_their_id() {
    let flow = Flow { transport: Transport::Udp, ..flow() };
    let question = |id, out, at| packet(flow, REQUEST, Carries::Datagram { id }, out, at);
    let packets =
        [question(7, true, 10), question(7, false, 11), question(8, true, 20), question(8, false, 21)];
    // Sent again much later, with the same id.
    let again = [question(7, true, 90), question(7, false, 91)];
    let streams = streams(packets.into_iter().chain(again));
    let passed = |id, at| streams.passed(&stamp(flow, REQUEST, id, Event::Tx, at)).out;
    assert_eq!((passed(7, 9), passed(8, 19), passed(7, 89)), (Some(10), Some(20), Some(90)));
    assert_eq!(passed(9, 9), None);
}

#[test]
fn a_question_is_what_goes_before_its_answer() {
    let mut packets = vec![syn(flow(), REQUEST, 0, 5)];
    let answer = Direction::Response;
    packets.push(syn(flow(), answer, 0, 6));
    for (n, time) in [(0, 100), (1, 200)] {
        packets.extend(data(flow(), REQUEST, (1 + 20 * n, 10), (time, time + 1)));
        packets.extend(data(flow(), REQUEST, (11 + 20 * n, 10), (time + 10, time + 11)));
        packets.extend(data(flow(), answer, (1 + 20 * n, 10), (time + 30, time + 31)));
        packets.extend(data(flow(), answer, (11 + 20 * n, 10), (time + 40, time + 41)));
    }
    let streams = streams(packets);
    let found = streams.exchanges(&flow(), (0, 1_000));
    let times: Vec<_> = found.iter().map(|one| (one.request.out, one.response.arrived)).collect();
    assert_eq!(times, [(Some(110), Some(141)), (Some(210), Some(241))]);
    assert_eq!(streams.exchanges(&flow(), (120, 1_000)).len(), 1, "its question lies before");
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let carries = prop_oneof![
        (any::<u32>(), 0_u32..70_000, any::<bool>(), any::<bool>())
            .prop_map(|(sequence, length, syn, ack)| Carries::Segment { sequence, length, syn, ack }),
        any::<u16>().prop_map(|id| Carries::Datagram { id }),
    ];
    let one = (carries, any::<bool>(), any::<bool>(), any::<u64>()).prop_map(|(carries, forth, out, at)| {
        packet(flow(), if forth { REQUEST } else { Direction::Response }, carries, out, at)
    });
    proptest::collection::vec(one, 0..60)
}

fn stamps() -> impl Strategy<Value = Vec<Stamp>> {
    let one =
        (any::<u64>(), any::<u64>(), any::<bool>(), any::<bool>()).prop_map(|(offset, at, tcp, sent)| {
            let transport = if tcp { Transport::Tcp } else { Transport::Udp };
            let event = if sent { Event::Tx } else { Event::Wake };
            let flow = Flow { transport, ..flow() };
            Stamp { flow, direction: REQUEST, offset, event, at, quality: Quality::User }
        });
    proptest::collection::vec(one, 0..20)
}

proptest! {
    #[test]
    fn no_packets_and_no_stamps_make_it_panic(packets in packets(), stamps in stamps()) {
        let mut streams = streams(packets);
        streams.anchor(&stamps);
        for stamp in &stamps {
            streams.passed(stamp);
        }
        streams.exchanges(&flow(), (0, u64::MAX));
    }

    /// Whatever order, cuts and repetitions: each byte has passed when it first passed.
    #[test]
    fn every_byte_is_found_again(
        first: u32,
        lengths in proptest::collection::vec(1_u32..5_000, 1..40),
        again in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let mut packets = vec![syn(flow(), REQUEST, first.wrapping_sub(1), 1)];
        let (mut sent, mut ends) = (0_u32, Vec::new());
        for (n, length) in lengths.iter().enumerate() {
            let time = 1_000 * (n as u64 + 1);
            let bytes = (first.wrapping_add(sent), *length);
            packets.extend(data(flow(), REQUEST, bytes, (time, time + 5)));
            if again[n] {
                packets.extend(data(flow(), REQUEST, bytes, (time + 50, time + 55)));
            }
            sent += length;
            ends.push((u64::from(sent), time));
        }
        let streams = streams(packets);
        for (end, time) in ends {
            prop_assert_eq!(at(&streams, end), (Some(time), Some(time + 5)));
        }
    }
}

#[test]
fn the_side_that_listens_is_the_server() {
    let other = Flow { client: socket("127.0.0.1:41000"), ..flow() };
    let streams = streams(data(other, Direction::Response, (5, 10), (1, 2)));
    assert!(streams.knows(&other) && !streams.knows(&flow()));
}
