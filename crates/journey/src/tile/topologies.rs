//! Random topologies: any depth, layer-4 proxies, opaque programs, DNS, with and without the kernel's
//! stamps. What happened is made up first, so it is known which parts must come out, to the nanosecond.
//! Then spans get lost and stamps lie, and the parts must still tile.

use proptest::prelude::*;

use super::tests::{TRACE, span, stamp, tiles};
use super::*;
use crate::index::Known;
use crate::stamp::{Flow, Stamp};

/// How many journeys each property is tried on.
const MANY: u32 = 10_000;

/// Decisions, made beforehand; when they run out, all are 0.
struct Tape(std::vec::IntoIter<u16>);

impl Tape {
    /// Below `n`.
    fn next(&mut self, n: u16) -> u16 {
        self.0.next().map_or(0, |decision| decision % n)
    }

    fn yes(&mut self) -> bool {
        self.next(2) == 1
    }

    /// Some nanoseconds, never none.
    fn time(&mut self) -> u64 {
        u64::from(self.next(500)) + 1
    }
}

/// A part as it must come out: whose, what kind, its name, how long.
type Expected = (String, PartKind, String, u64);

/// What happens, what is reported of it, and which parts that must give.
struct World {
    tape: Tape,
    now: u64,
    made: u64,
    spans: Vec<Span>,
    expected: Vec<Expected>,
    roster: Roster,
    unaccounted: u64,
}

/// Who had to make a connection onward, and when.
type Connected = Option<(u64, u64)>;

impl World {
    fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn flow(&mut self, transport: Transport, server: &str, reports: bool) -> Flow {
        let n = self.number();
        let [_, _, _, _, _, _, high, low] = n.to_be_bytes();
        let client = std::net::SocketAddr::from(([127, 0, high, low], 40_000));
        let address = std::net::SocketAddr::from(([127, 1, high, low], 80));
        let known = Known { name: server.into(), role: server.into(), reports, onward: Vec::new() };
        self.roster.add(known, [address]);
        Flow { transport, client, server: address }
    }

    /// Time passes, and it is known whose it was.
    fn pass(&mut self, hop: &str, kind: PartKind, name: &str, time: u64) {
        self.now += time;
        self.expected.push((hop.to_owned(), kind, name.to_owned(), time));
    }

    fn span(
        &mut self,
        hop: &str,
        parent: Option<u64>,
        kind: Kind,
        name: &'static str,
        t: (u64, u64),
    ) -> Span {
        let n = self.number();
        let mut made = span("", n, parent, kind, name, t);
        made.hop = hop.to_owned().into();
        made
    }

    /// A message comes to a program: returns the stamps of it.
    ///
    /// `from` is who sent it; an opaque program's time ends only here.
    fn arrival(
        &mut self,
        (from, opaque): (&str, Option<&str>),
        hop: &str,
        (flow, direction, offset): (Flow, Direction, u64),
        (accepts, connects): (bool, bool),
    ) -> (Vec<Stamp>, Connected) {
        let name = format!("{from} → {hop}");
        let (kernel, way) = (self.tape.yes(), self.tape.time());
        let (whose, kind, part) = match opaque {
            Some(part) => (from, PartKind::Opaque, part),
            None => (hop, PartKind::Leg, &*name),
        };
        self.pass(whose, kind, part, way);
        let mut stamps = Vec::new();
        let mut connected = None;
        if kernel {
            stamps.push(Stamp {
                quality: Quality::Kernel,
                ..stamp(flow, direction, offset, Event::Rx, self.now)
            });
        }
        if kernel && accepts && self.tape.yes() {
            let time = self.tape.time();
            self.pass(hop, PartKind::Wait, name::ACCEPT_QUEUE, time);
            stamps.push(stamp(flow, direction, offset, Event::Accept, self.now));
        }
        if connects && self.tape.yes() {
            let (from, time) = (self.now, self.tape.time());
            self.pass(hop, PartKind::Wait, "connect", time);
            connected = Some((from, self.now));
        }
        let time = self.tape.time();
        match (kernel, connected) {
            (true, _) => self.pass(hop, PartKind::Wake, name::WAKE_UP, time),
            (false, Some(_)) => self.pass(hop, PartKind::Own, "", time),
            // Without the kernel's stamp nobody can tell: it belongs to whatever came before.
            (false, None) => self.pass(whose, kind, part, time),
        }
        stamps.push(stamp(flow, direction, offset, Event::Wake, self.now));
        (stamps, connected)
    }

    /// A layer-4 proxy: from `flow` to the one that it returns.
    fn relay(
        &mut self,
        from: (&str, Option<&str>),
        hop: &str,
        (flow, direction, offset): (Flow, Direction, u64),
        onward: Flow,
    ) {
        let forth = direction == Direction::Request;
        // Behind an opaque program, only the time in which it connected is known, not that it did.
        let (stamps, connected) =
            self.arrival(from, hop, (flow, direction, offset), (forth, forth && from.1.is_none()));
        if let Some(times) = connected {
            let connect = self.span(hop, None, Kind::Internal, "connect", times);
            self.report(connect.with(attribute::FLOW_IN, flow.to_string()), false);
        }
        let (read, time) = (self.now, self.tape.time());
        self.pass(hop, PartKind::Own, "", time);
        let mut relay = self.span(hop, None, Kind::Internal, "relay", (read, self.now));
        relay.stamps = stamps;
        relay.stamps.push(stamp(onward, direction, offset, Event::Tx, self.now));
        self.report(relay, false);
    }

    /// A span goes to the collector; without headers its trace is one of its own.
    fn report(&mut self, mut span: Span, in_trace: bool) {
        if !in_trace {
            span.trace_id = TraceId([9; 16]);
            span.parent = None;
        }
        self.spans.push(span);
    }

    /// `hop` asks someone, somehow, and reads the answer.
    fn call(&mut self, hop: &str, parent: u64, depth: u16) {
        let begun = self.now;
        let time = self.tape.time();
        self.pass(hop, PartKind::Own, "", time);
        let (asked_at, offsets) = (self.now, (self.tape.time(), self.tape.time()));
        let udp = self.tape.next(4) == 3;
        let opaque = !udp && self.tape.next(4) == 3;
        let transport = if udp { Transport::Udp } else { Transport::Tcp };
        let offsets = if udp { (offsets.0, offsets.0) } else { offsets };
        let n = self.number();
        let first = if opaque { format!("opaque-{n}") } else { format!("hop-{n}") };
        let sent = self.flow(transport, &first, !opaque);
        let mut asked = self.span(hop, Some(parent), Kind::Client, "GET /", (begun, begun));
        let cause = u64::from_be_bytes(asked.span_id.0);
        asked.stamps.push(stamp(sent, Direction::Request, offsets.0, Event::Tx, asked_at));

        let (forth, back) = (format!("{first} (request)"), format!("{first} (response)"));
        let mut from: (String, Option<&str>) = (hop.to_owned(), None);
        let mut flows = vec![sent];
        let mut relays = Vec::new();
        if opaque && self.tape.yes() {
            // Nobody behind it says anything.
            from = (first.clone(), Some(""));
        } else {
            if opaque {
                from = (first.clone(), Some(&forth));
                flows = vec![self.flow(transport, "x", true)];
            }
            let count = if udp { 0 } else { self.tape.next(3) };
            for _ in 0..count {
                let n = self.number();
                let (relay, onward) = (format!("relay-{n}"), self.flow(transport, "y", true));
                let on = (flows[flows.len() - 1], Direction::Request, offsets.0);
                self.relay((&from.0, from.1), &relay, on, onward);
                flows.push(onward);
                from = (relay.clone(), None);
                relays.push(relay);
            }
            let server = if opaque || count > 0 { format!("server-{n}") } else { first.clone() };
            let on = flows[flows.len() - 1];
            let by_cause = opaque || (!udp && self.tape.yes());
            let written =
                self.server((&from.0, from.1), &server, on, offsets, by_cause.then_some(cause), depth);
            from = (server, None);
            let mut at = written;
            for relay in relays.iter().rev() {
                flows.pop();
                let onward = flows[flows.len() - 1];
                self.relay((&from.0, None), relay, (at, Direction::Response, offsets.1), onward);
                from = (relay.clone(), None);
                at = onward;
            }
            if opaque {
                from = (first.clone(), Some(&back));
            }
        }
        let (stamps, _) =
            self.arrival((&from.0, from.1), hop, (sent, Direction::Response, offsets.1), (false, false));
        asked.stamps.extend(stamps);
        let time = self.tape.time();
        self.pass(hop, PartKind::Own, "", time);
        asked.end = self.now;
        self.report(asked, true);
    }

    /// A program answers; returns the flow on which it did.
    fn server(
        &mut self,
        from: (&str, Option<&str>),
        hop: &str,
        flow: Flow,
        offsets: (u64, u64),
        cause: Option<u64>,
        depth: u16,
    ) -> Flow {
        let (stamps, _) = self.arrival(from, hop, (flow, Direction::Request, offsets.0), (true, false));
        let mut server = self.span(hop, cause, Kind::Server, "GET /", (self.now, self.now));
        let id = u64::from_be_bytes(server.span_id.0);
        self.work(hop, id, depth);
        server.end = self.now;
        server.stamps = stamps;
        server.stamps.push(stamp(flow, Direction::Response, offsets.1, Event::Tx, self.now));
        self.report(server, cause.is_some());
        flow
    }

    /// What a program does to answer: steps with a name, steps without, calls.
    fn work(&mut self, hop: &str, parent: u64, depth: u16) {
        let time = self.tape.time();
        self.pass(hop, PartKind::Own, "", time);
        for _ in 0..self.tape.next(4) {
            if depth > 0 && self.tape.yes() {
                self.call(hop, parent, depth - 1);
            } else {
                let (name, kind) =
                    [("validate", PartKind::Own), ("queue", PartKind::Wait)][usize::from(self.tape.next(2))];
                let (from, time) = (self.now, self.tape.time());
                self.pass(hop, kind, name, time);
                let step = self.span(hop, Some(parent), Kind::Internal, name, (from, self.now)).part(kind);
                self.report(step, true);
            }
            let time = self.tape.time();
            self.pass(hop, PartKind::Own, "", time);
        }
    }

    /// A whole journey.
    fn journey(decisions: Vec<u16>) -> World {
        let mut world = World {
            tape: Tape(decisions.into_iter()),
            now: 1_000_000,
            made: 1,
            spans: Vec::new(),
            expected: Vec::new(),
            roster: Roster::default(),
            unaccounted: 0,
        };
        let root = world.span("browser", None, Kind::Internal, "journey", (world.now, world.now));
        let id = u64::from_be_bytes(root.span_id.0);
        let start = world.now;
        for _ in 0..=world.tape.next(4) {
            // Between what the browser names lies what it does not.
            let gap = u64::from(world.tape.next(50));
            world.now += gap;
            world.unaccounted += gap;
            let depth = world.tape.next(7);
            world.call("browser", id, depth);
        }
        world.spans.insert(0, Span { start, end: world.now, ..root });
        world
    }
}

/// Stretches of the same thing in a row are one, and what took no time is nothing: how they are cut is
/// not what is tested here.
fn joined(parts: impl IntoIterator<Item = Expected>) -> Vec<Expected> {
    let mut joined: Vec<Expected> = Vec::new();
    for part in parts.into_iter().filter(|part| part.3 > 0) {
        match joined.last_mut() {
            Some(last) if (&last.0, last.1, &last.2) == (&part.0, part.1, &part.2) => last.3 += part.3,
            _ => joined.push(part),
        }
    }
    joined
}

fn put_together(spans: Vec<Span>, roster: &Roster) -> Journey {
    let mut index = Index::default();
    spans.into_iter().for_each(|span| index.insert(span));
    assemble(&index, roster, TRACE).expect("there is a root")
}

fn decisions() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(prop::num::u16::ANY, 0..400)
}

/// What goes wrong with one span.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Lost,
    /// One of its stamps is this much earlier or later than it was.
    Stamp(usize, i64),
    /// It says that it was this much earlier or later.
    Span(i64),
}

fn wrong() -> impl Strategy<Value = (prop::sample::Index, Wrong)> {
    let by = -3_000i64..3_000;
    let how = prop_oneof![
        Just(Wrong::Lost),
        (0usize..4, by.clone()).prop_map(|(which, by)| Wrong::Stamp(which, by)),
        by.prop_map(Wrong::Span),
    ];
    (any::<prop::sample::Index>(), how)
}

fn go_wrong(spans: &mut Vec<Span>, at: prop::sample::Index, how: Wrong) {
    // Not the first: without it, it is another journey.
    if spans.len() < 2 {
        return;
    }
    let at = at.index(spans.len() - 1) + 1;
    match how {
        Wrong::Lost => drop(spans.remove(at)),
        Wrong::Stamp(which, by) => {
            let count = spans[at].stamps.len().max(1);
            if let Some(stamp) = spans[at].stamps.get_mut(which % count) {
                stamp.at = stamp.at.saturating_add_signed(by);
            }
        }
        Wrong::Span(by) => {
            spans[at].start = spans[at].start.saturating_add_signed(by);
            spans[at].end = spans[at].end.saturating_add_signed(by);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: MANY, ..ProptestConfig::default() })]

    #[test]
    fn what_happened_is_what_comes_out(decisions in decisions(), order in prop::num::u64::ANY) {
        let mut world = World::journey(decisions);
        // They come in any order.
        let count = world.spans.len() as u64;
        world.spans.rotate_left((order % count) as usize);
        let journey = put_together(world.spans, &world.roster);
        tiles(&journey);
        prop_assert!(journey.anomalies.is_empty() && journey.sealed(), "{journey:?}");
        prop_assert_eq!(journey.unaccounted_ns, world.unaccounted.cast_signed());
        let parts = journey.parts.into_iter().map(|p| (p.hop, p.kind, p.name, p.duration_ns));
        prop_assert_eq!(joined(parts), joined(world.expected));
    }

    #[test]
    fn whatever_is_lost_or_impossible_the_parts_tile(
        decisions in decisions(),
        wrongs in prop::collection::vec(wrong(), 1..12),
    ) {
        let mut world = World::journey(decisions);
        wrongs.into_iter().for_each(|(at, how)| go_wrong(&mut world.spans, at, how));
        tiles(&put_together(world.spans, &world.roster));
    }
}

/// The twin: a generator that made only short and simple journeys would prove nothing.
#[test]
fn the_made_up_journeys_have_everything_that_real_ones_have() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..1_000 {
        let world = World::journey(decisions().new_tree(&mut runner).expect("decisions").current());
        let part = |kind, name: &str| world.expected.iter().any(|p| p.1 == kind && p.2.contains(name));
        let stamped = |event| world.spans.iter().flat_map(|s| &s.stamps).any(|stamp| stamp.event == event);
        let calls = world.spans.iter().filter(|span| span.kind == Kind::Client).count();
        for (what, there) in [
            ("accept queue", part(PartKind::Wait, name::ACCEPT_QUEUE)),
            ("connect", part(PartKind::Wait, "connect")),
            ("wake-up", part(PartKind::Wake, name::WAKE_UP)),
            ("opaque, passing on", part(PartKind::Opaque, "(response)")),
            ("opaque, answering", world.expected.iter().any(|p| p.1 == PartKind::Opaque && p.2.is_empty())),
            ("relay", part(PartKind::Leg, "→ relay")),
            ("two relays in a row", world.expected.iter().any(|p| p.2.matches("relay").count() == 2)),
            ("DNS", world.spans.iter().any(is_datagram)),
            ("no kernel stamps at all", calls > 0 && !stamped(Event::Rx)),
            ("many calls", calls > 10),
            ("unaccounted", world.unaccounted > 0),
        ] {
            *seen.entry(what).or_default() += usize::from(there);
        }
    }
    assert!(seen.values().all(|count| *count >= 10), "of 1000: {seen:?}");
}
