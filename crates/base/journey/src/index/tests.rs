use proptest::prelude::*;

use super::Index;
use super::passages::Passages;
use crate::semconv::attribute;
use crate::span::{Kind, Span};
use crate::stamp::{Direction, Event, Flow, Quality, Stamp, Transport};
use crate::trace::{SpanId, TraceId};

const SECOND: u64 = 1_000_000_000;

fn stamp(direction: Direction, event: Event, offset: u64, at: u64) -> Stamp {
    let end = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let flow = Flow { transport: Transport::Tcp, client: end(40_000), server: end(8_443) };
    Stamp { flow, direction, offset, event, at, quality: Quality::User }
}

fn server(id: u8, offset: u64, at: u64) -> Span {
    let mut span =
        Span::new(TraceId([id; 16]), SpanId([id; 8]), None, Kind::Server, "POST /cart/items", (at, at + 10));
    span.stamps.push(stamp(Direction::Request, Event::Wake, offset, at));
    span
}

/// Two connections between the same two sockets, one after the other: the kernel gave the port again.
#[test]
fn a_port_that_is_used_again_is_not_taken_for_the_connection_before() {
    let mut index = Index::default();
    // In any order: the later connection's first request is reported first here.
    for span in [server(3, 375, 3 * SECOND), server(1, 375, SECOND), server(2, 760, SECOND + 1_000)] {
        index.insert(span);
    }
    let found = |offset, at| {
        index.server_of(&stamp(Direction::Request, Event::Tx, offset, at)).map(|span| span.span_id.0[0])
    };
    assert_eq!(found(375, SECOND - 50), Some(1));
    assert_eq!(found(750, SECOND + 500), Some(2), "the byte came in a larger read");
    assert_eq!(found(375, 3 * SECOND - 50), Some(3));
    assert_eq!(found(374, 3 * SECOND - 50), Some(3));
    assert_eq!(
        found(380, 3 * SECOND - 50),
        None,
        "this one is not reported yet; the earlier one's is no answer"
    );
    assert_eq!(
        found(375, 3 * SECOND + 50),
        Some(3),
        "a server that claims to be too early is shown, not lost"
    );
}

/// Backwards, from who received to who wrote.
#[test]
fn what_left_is_found_in_the_connection_that_it_belongs_to() {
    let mut passages = Passages::default();
    for (span, offset, at) in
        [(0, 270, SECOND), (1, 540, SECOND + 1_000), (2, 270, 3 * SECOND), (3, 541, 3 * SECOND + 1_000)]
    {
        passages.add(&stamp(Direction::Response, Event::Tx, offset, at), None, span);
    }
    let found = |offset, at| passages.before(&stamp(Direction::Response, Event::Wake, offset, at));
    assert_eq!(found(270, SECOND + 20), Some(0));
    assert_eq!(found(540, SECOND + 1_020), Some(1));
    assert_eq!(found(270, 3 * SECOND + 20), Some(2));
    assert_eq!(found(541, 3 * SECOND + 1_020), Some(3));
    assert_eq!(
        found(541, 3 * SECOND + 1_020 + 10 * SECOND),
        Some(3),
        "who is late to read has still received it"
    );
    assert_eq!(found(600, 3 * SECOND + 1_020), None);
}

/// A chunk that a layer-4 proxy passed on, of bytes up to `last`.
fn chunk(id: u8, (before, last): (u64, u64), at: u64) -> Span {
    let times = (at, at + 10);
    let mut span = Span::new(TraceId([9; 16]), SpanId([id; 8]), None, Kind::Internal, "relay", times)
        .with(attribute::READ_SIZE, last - before);
    let onward = "tcp 127.0.0.1:40001>127.0.0.1:8444".parse().unwrap();
    span.stamps.push(stamp(Direction::Request, Event::Wake, last, at));
    span.stamps.push(Stamp { flow: onward, ..stamp(Direction::Request, Event::Tx, last, at + 10) });
    span
}

proptest! {
    /// Whichever chunks are missing, a byte is found in its own chunk or in none, forth and back.
    #[test]
    fn a_byte_is_in_its_own_chunk_or_in_none(
        chunks in prop::collection::vec((1..2_000_u64, any::<bool>()), 1..20),
        byte in 1..40_000_u64,
    ) {
        let (mut index, mut before, mut own) = (Index::default(), 0, None);
        let total: u64 = chunks.iter().map(|(size, _)| size).sum();
        let byte = (byte - 1) % total + 1;
        for (number, (size, kept)) in chunks.iter().enumerate() {
            let (number, last) = (number as u8 + 1, before + size);
            if *kept {
                index.insert(chunk(number, (before, last), SECOND + 1_000 * u64::from(number)));
                own = own.or((before < byte && byte <= last).then_some(number));
            }
            before = last;
        }
        let found = |relayed: Option<super::Relayed<'_>>| relayed.map(|it| it.span.span_id.0[0]);
        let sent = stamp(Direction::Request, Event::Tx, byte, SECOND);
        prop_assert_eq!(found(index.relay_from(&sent)), own);
        let onward = "tcp 127.0.0.1:40001>127.0.0.1:8444".parse().unwrap();
        let read = stamp(Direction::Request, Event::Wake, byte, 2 * SECOND);
        prop_assert_eq!(found(index.relay_to(&Stamp { flow: onward, ..read })), own);
    }
}
