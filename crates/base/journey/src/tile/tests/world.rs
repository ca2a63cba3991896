//! A made-up journey: what happens, what is reported of it, and which parts that must give.

use super::*;
use crate::roster::Hop;
use crate::stamp::Transport;

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
pub(super) type Expected = (String, PartKind, String, u64);

/// What happens, what is reported of it, and which parts that must give.
pub(super) struct World {
    role: fn(&str) -> String,
    tape: Tape,
    now: u64,
    made: u64,
    pub(super) spans: Vec<Span>,
    pub(super) expected: Vec<Expected>,
    pub(super) roster: Roster,
    pub(super) unaccounted: u64,
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
        let begins = [None, Some(Stage::ToPod), Some(Stage::Application)][usize::from(self.tape.next(3))];
        let known = Hop {
            name: server.into(),
            role: (self.role)(server),
            reports,
            keeps: false,
            begins,
            onward: Vec::new(),
        };
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

    /// `hop` calls someone, somehow, and reads the response.
    fn call(&mut self, hop: &str, parent: u64, depth: u16) {
        let begun = self.now;
        let time = self.tape.time();
        self.pass(hop, PartKind::Own, "", time);
        let (sent_at, offsets) = (self.now, (self.tape.time(), self.tape.time()));
        let udp = self.tape.next(4) == 3;
        let opaque = !udp && self.tape.next(4) == 3;
        let transport = if udp { Transport::Udp } else { Transport::Tcp };
        let offsets = if udp { (offsets.0, offsets.0) } else { offsets };
        let n = self.number();
        let first = if opaque { format!("opaque-{n}") } else { format!("hop-{n}") };
        let sent = self.flow(transport, &first, !opaque);
        let mut call = self.span(hop, Some(parent), Kind::Client, "GET /", (begun, begun));
        let cause = u64::from_be_bytes(call.span_id.0);
        call.stamps.push(stamp(sent, Direction::Request, offsets.0, Event::Tx, sent_at));

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
        call.stamps.extend(stamps);
        let time = self.tape.time();
        self.pass(hop, PartKind::Own, "", time);
        call.end = self.now;
        self.report(call, true);
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
    pub(super) fn journey(decisions: Vec<u16>) -> World {
        World::with_roles(decisions, str::to_owned)
    }

    /// The same, and each hop has the role that its name is given.
    pub(super) fn with_roles(decisions: Vec<u16>, role: fn(&str) -> String) -> World {
        let mut world = World {
            role,
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
