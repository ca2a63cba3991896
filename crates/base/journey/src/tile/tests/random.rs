//! Random spans: whatever they say, the parts tile; consistent ones give each hop its own time.

use proptest::prelude::*;

use super::*;

/// A random tree of spans with random, often impossible, times and stamps.
fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    let hops = prop::sample::select(vec!["lb", "ingress", "cart-service", "pod", "redis"]);
    let one = (hops, 0u64..40, 0u8..4, 0u64..2000, 0u64..2000, 0u16..6, 0u64..300, prop::bool::ANY);
    prop::collection::vec(one, 0..40).prop_map(|many| {
        let mut spans = vec![span("browser", 1, None, Kind::Internal, "journey", (500, 1500))];
        for (n, (hop, parent, kind, start, end, to, offset, stamped)) in many.into_iter().enumerate() {
            let n = n as u64 + 2;
            let kind = [Kind::Internal, Kind::Server, Kind::Client, Kind::Producer][usize::from(kind)];
            let mut span = span(hop, n, Some(parent % n), kind, "x", (start, end.max(start)));
            if stamped {
                let (first, last) =
                    if kind == Kind::Server { (Event::Wake, Event::Tx) } else { (Event::Tx, Event::Wake) };
                span.stamps.push(stamp(flow(to), Direction::Request, offset, first, start));
                let back = if kind == Kind::Internal { flow(to + 1) } else { flow(to) };
                let direction = if kind == Kind::Internal { Direction::Request } else { Direction::Response };
                span.stamps.push(stamp(back, direction, offset, last, end));
            }
            spans.push(span);
        }
        spans
    })
}

/// A chain of hops, each with gaps of its own, with or without relays: consistent times.
fn any_chain() -> impl Strategy<Value = (Vec<Span>, Vec<u64>)> {
    prop::collection::vec((1u64..100, 1u64..100, 1u64..100, 1u64..100), 1..8).prop_map(|gaps| {
        const HOPS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let total: u64 = 1000 + gaps.iter().map(|(a, b, c, d)| a + b + c + d).sum::<u64>();
        let mut spans = vec![span("browser", 1, None, Kind::Internal, "journey", (0, total))];
        let (mut from, mut to, mut parent) = (0, total, 1);
        let mut own = Vec::new();
        for (n, (leg_in, work_in, work_out, leg_out)) in gaps.iter().enumerate() {
            let (client_id, server_id) = (2 * n as u64 + 2, 2 * n as u64 + 3);
            let caller = if n == 0 { "browser" } else { HOPS[n - 1] };
            spans.push(client(caller, client_id, parent, flow(n as u16), (from, to)));
            (from, to) = (from + leg_in, to - leg_out);
            spans.push(server(HOPS[n], server_id, Some(client_id), flow(n as u16), (from, to)));
            (from, to) = (from + work_in, to - work_out);
            parent = server_id;
            own.push(work_in + work_out);
        }
        if let Some(last) = own.last_mut() {
            *last += to - from;
        }
        (spans, own)
    })
}

proptest! {
    #[test]
    fn whatever_is_reported_parts_tile_and_none_is_negative(spans in any_spans()) {
        tiles(&assembled(spans, &Roster::default()));
    }

    #[test]
    fn consistent_stamps_give_every_hop_exactly_its_own_time((spans, own) in any_chain()) {
        let journey = assembled(spans, &Roster::default());
        tiles(&journey);
        prop_assert_eq!(journey.unaccounted_ns, 0);
        prop_assert!(journey.anomalies.is_empty());
        for (hop, time) in ["a", "b", "c", "d", "e", "f", "g", "h"].iter().zip(own) {
            prop_assert_eq!(journey.own(hop), time);
        }
    }
}
