//! Random stacks in which any program may report everything, spans only, its SERVER span only, or nothing: whoever
//! stands in a slot, all others get exactly their own time.

use proptest::prelude::*;

use super::*;
use crate::roster::Hop;
use crate::stamp::Transport;

/// What a program tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reports {
    /// SERVER and CLIENT spans with stamps.
    Stamps,
    /// SERVER and CLIENT spans, as a stock SDK sends them.
    Spans,
    /// A SERVER span, whose id it passes on.
    ServerSpan,
    /// Nothing; it passes the trace context on.
    Nothing,
}

/// A program, what is in front of it, and whom it calls.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Layer-4 proxies in front of it: does each report?
    proxies: Vec<bool>,
    reports: Reports,
    /// A store: its protocol carries no trace context.
    headerless: bool,
    calls: Vec<Program>,
}

impl Program {
    /// Of several that it calls, none has spans without stamps.
    pub(super) fn calls_nobody_coarse(&self) -> bool {
        let coarse = |it: &Program| matches!(it.reports, Reports::Spans | Reports::ServerSpan);
        self.calls.len() < 2 || !self.calls.iter().any(coarse)
    }

    /// It calls nobody, and reports as a stock SDK does.
    pub(super) fn leaf_with_spans() -> Program {
        Program { proxies: Vec::new(), reports: Reports::Spans, headerless: false, calls: Vec::new() }
    }

    /// Is it so of this one and of all that it calls?
    pub(super) fn all(&self, is: &impl Fn(&Program) -> bool) -> bool {
        is(self) && self.calls.iter().all(|it| it.all(is))
    }
}

pub(super) fn programs() -> impl Strategy<Value = Program> {
    let reports = prop_oneof![
        3 => Just(Reports::Stamps),
        1 => Just(Reports::Spans),
        1 => Just(Reports::ServerSpan),
        3 => Just(Reports::Nothing),
    ];
    let proxies = || prop::collection::vec(prop::bool::ANY, 0..3);
    let leaf = (proxies(), reports.clone(), prop::bool::ANY).prop_map(|(proxies, reports, headerless)| {
        let plain = if reports == Reports::Stamps { reports } else { Reports::Nothing };
        let reports = if headerless { plain } else { reports };
        Program { proxies, reports, headerless, calls: Vec::new() }
    });
    leaf.prop_recursive(5, 12, 3, move |inner| {
        (proxies(), reports.clone(), prop::collection::vec(inner, 0..3))
            .prop_map(|(proxies, reports, calls)| Program { proxies, reports, headerless: false, calls })
    })
}

/// Whose the time is until somebody visible has the message.
#[derive(Clone, Debug)]
enum Until {
    /// Its sender's last byte was stamped: a leg to who gets it.
    Leg,
    /// This opaque program got it.
    Opaque(String),
    /// Of its sender only a CLIENT span is known: a leg if a server is found, else the client's own affair.
    Client,
    /// Not even that.
    Own(String),
}

/// Who calls, as a trace has it.
#[derive(Clone)]
struct Caller {
    hop: String,
    /// The span that it names to whom it calls.
    cause: u64,
    until: Until,
    reports: Reports,
}

impl Caller {
    fn stamps(&self) -> bool {
        self.reports == Reports::Stamps
    }
}

/// The programs that a request passes one after the other: proxies, and in the end whom it is for.
struct Way {
    names: Vec<String>,
    flows: Vec<Flow>,
    /// Does it appear in the trace?
    visible: Vec<bool>,
    offsets: (u64, u64),
}

impl Way {
    /// On the way back from `at`: whose the time is until the next visible program in front of it has the response.
    fn back_from(&self, at: usize, caller: &Caller) -> Until {
        let front = (0..at).rev().find(|at| self.visible[*at]);
        match (front, &caller.until) {
            (None, Until::Client) => Until::Leg,
            (None, until @ (Until::Own(_) | Until::Opaque(_))) => until.clone(),
            (front, _) => {
                let next = front.map_or(0, |front| front + 1);
                if next < at { Until::Opaque(self.names[next].clone()) } else { Until::Leg }
            }
        }
    }
}

#[derive(Default)]
pub(super) struct Stack {
    times: std::vec::IntoIter<u16>,
    now: u64,
    made: u64,
    /// Time since the last visible moment.
    pending: u64,
    pub(super) spans: Vec<Span>,
    pub(super) roster: Roster,
    /// Spans that somebody visible named as the cause.
    named: std::collections::HashSet<u64>,
    expected: Vec<(String, PartKind, u64)>,
}

impl Stack {
    fn time(&mut self) -> u64 {
        u64::from(self.times.next().unwrap_or(7) % 500) + 1
    }

    fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn address(&mut self, net: u8) -> std::net::SocketAddr {
        let [.., high, low] = self.number().to_be_bytes();
        std::net::SocketAddr::from(([127, net, high, low], 80))
    }

    fn wait(&mut self) {
        let time = self.time();
        self.now += time;
        self.pending += time;
    }

    fn owned(&mut self, hop: &str, kind: PartKind) {
        let time = std::mem::take(&mut self.pending);
        self.expected.push((hop.to_owned(), kind, time));
    }

    /// Somebody visible has the message: the time so far was this one's.
    fn seen_by(&mut self, hop: &str, until: &Until) {
        match until {
            Until::Leg | Until::Client => self.owned(hop, PartKind::Leg),
            Until::Opaque(name) => self.owned(name, PartKind::Opaque),
            Until::Own(name) => self.owned(name, PartKind::Own),
        }
    }

    /// It arrives at somebody who stamps it.
    fn arrives(
        &mut self,
        hop: &str,
        until: &Until,
        (flow, direction, offset): (Flow, Direction, u64),
    ) -> Vec<Stamp> {
        let kernel = self.time().is_multiple_of(2);
        let mut stamps = Vec::new();
        self.wait();
        if kernel {
            self.seen_by(hop, until);
            stamps.push(Stamp {
                quality: Quality::Kernel,
                ..stamp(flow, direction, offset, Event::Rx, self.now)
            });
            self.wait();
            self.owned(hop, PartKind::Wake);
        } else {
            self.seen_by(hop, until);
        }
        stamps.push(stamp(flow, direction, offset, Event::Wake, self.now));
        stamps
    }

    fn span(&mut self, hop: &str, parent: u64, kind: Kind) -> Span {
        let (n, now) = (self.number(), self.now);
        let mut made = span("", n, Some(parent), kind, "x", (now, now));
        made.hop = hop.to_owned().into();
        made
    }

    fn report(&mut self, span: Span, in_trace: bool) {
        let span = Span { end: self.now, ..span };
        let alone = Span { trace_id: TraceId([9; 16]), parent: None, ..span.clone() };
        self.spans.push(if in_trace { span } else { alone });
    }

    /// A proxy passes a message on.
    fn relay(&mut self, way: &Way, at: usize, reports: bool, until: &Until, direction: Direction) {
        let (name, mut from, mut to, mut offset) =
            (&way.names[at], way.flows[at], way.flows[at + 1], way.offsets.0);
        if direction == Direction::Response {
            (from, to, offset) = (to, from, way.offsets.1);
        }
        let stamps = if way.visible[at] {
            self.arrives(name, until, (from, direction, offset))
        } else {
            self.wait();
            vec![stamp(from, direction, offset, Event::Wake, self.now)]
        };
        let mut relay = self.span(name, 0, Kind::Internal);
        relay.stamps = stamps;
        self.wait();
        relay.stamps.push(stamp(to, direction, offset, Event::Tx, self.now));
        if way.visible[at] {
            self.owned(name, PartKind::Own);
        }
        if reports {
            self.report(relay, false);
        }
    }

    fn way(&mut self, caller: &Caller, program: &Program) -> Way {
        let count = program.proxies.len();
        // What knows no trace context is found by its bytes alone, if its caller stamped them.
        let found = program.reports != Reports::Nothing && (!program.headerless || caller.stamps());
        let stamped = found && program.reports == Reports::Stamps;
        let all = |proxies: &[bool]| proxies.iter().all(|reports| *reports);
        let visible = |at: usize| {
            program.proxies[at]
                && ((caller.stamps() && all(&program.proxies[..at]))
                    || (stamped && all(&program.proxies[at..])))
        };
        Way {
            names: (0..=count).map(|_| format!("hop-{}", self.number())).collect(),
            flows: (0..=count)
                .map(|_| Flow { transport: Transport::Tcp, client: self.address(2), server: self.address(1) })
                .collect(),
            visible: (0..count).map(visible).chain([found]).collect(),
            offsets: (1_000 + self.number(), 1_000_000 + self.number()),
        }
    }

    /// Somebody calls a program through its proxies; returns the stamps of its CLIENT span and whom it wrote to.
    fn call(&mut self, caller: &Caller, program: &Program) -> (Vec<Stamp>, String) {
        let way = self.way(caller, program);
        let last = program.proxies.len();
        let mut stamps = vec![stamp(way.flows[0], Direction::Request, way.offsets.0, Event::Tx, self.now)];
        let mut until = caller.until.clone();
        for at in 0..=last {
            if let (Until::Leg, false) = (&until, way.visible[at]) {
                until = Until::Opaque(way.names[at].clone());
            }
            if at < last {
                self.relay(&way, at, program.proxies[at], &until, Direction::Request);
            }
            if way.visible[at] && at < last {
                until = Until::Leg;
            }
        }
        let calls = self.server(&way, program, &until, caller.cause);
        if way.visible[last] {
            until = way.back_from(last, caller);
        }
        for at in (0..last).rev() {
            self.relay(&way, at, program.proxies[at], &until, Direction::Response);
            if way.visible[at] {
                until = way.back_from(at, caller);
            }
        }
        if caller.stamps() {
            let on = (way.flows[0], Direction::Response, way.offsets.1);
            stamps.extend(self.arrives(&caller.hop, &until, on));
        } else {
            self.wait();
            let found = self.named.contains(&caller.cause);
            match caller.reports {
                Reports::Spans if found => self.owned(&caller.hop, PartKind::Leg),
                // No server was found: the client knows only that it waited.
                Reports::Spans => self.owned(&caller.hop, PartKind::Opaque),
                // The time goes on to be whose it was until somebody visible has the message.
                _ => {}
            }
        }
        for (at, name) in way.names.iter().enumerate() {
            let reports = program.proxies.get(at).copied().unwrap_or(program.reports != Reports::Nothing);
            let onward = way.names.get(at + 1).map_or_else(|| calls.clone(), |next| vec![next.clone()]);
            let begins = [None, Some(Stage::ToPod), Some(Stage::Application)][self.time() as usize % 3];
            // Who sees no trace context may keep what it did until it is asked for.
            let keeps = reports && (at < last || program.headerless);
            let known = Hop { name: name.clone(), role: "any".into(), reports, keeps, begins, onward };
            self.roster.add(known, [way.flows[at].server]);
        }
        (stamps, way.names[0].clone())
    }

    /// A program answers; returns whom it wrote to.
    fn server(&mut self, way: &Way, program: &Program, until: &Until, cause: u64) -> Vec<String> {
        let last = program.proxies.len();
        let (name, flow, reports) = (&way.names[last], way.flows[last], program.reports);
        let visible = way.visible[last];
        let stamps = if visible && reports == Reports::Stamps {
            self.arrives(name, until, (flow, Direction::Request, way.offsets.0))
        } else {
            self.wait();
            if visible {
                self.seen_by(name, until);
            }
            vec![stamp(flow, Direction::Request, way.offsets.0, Event::Wake, self.now)]
        };
        if visible {
            self.named.insert(cause);
        }
        let mut server = self.span(name, cause, Kind::Server);
        let id = u64::from_be_bytes(server.span_id.0);
        let mut onward = Vec::new();
        for call in &program.calls {
            self.wait();
            // A step of its own in between, as frameworks report it, changes nothing.
            let step = self.span(name, id, Kind::Internal);
            let stepped = self.time().is_multiple_of(2) && reports != Reports::Nothing;
            let id = if stepped { u64::from_be_bytes(step.span_id.0) } else { id };
            // Who hands a message to a broker waits as who sends a request.
            let kind = if self.time().is_multiple_of(2) { Kind::Producer } else { Kind::Client };
            let mut client = self.span(name, id, kind);
            let of_client = u64::from_be_bytes(client.span_id.0);
            let (cause, until) = match reports {
                Reports::Stamps => (of_client, Until::Leg),
                Reports::Spans => (of_client, Until::Client),
                Reports::ServerSpan => (id, Until::Own(name.clone())),
                Reports::Nothing => (cause, until.clone()),
            };
            if matches!(reports, Reports::Stamps | Reports::Spans) {
                self.owned(name, PartKind::Own);
            }
            let caller = Caller { hop: name.clone(), cause, until, reports };
            let (stamps, first) = self.call(&caller, call);
            onward.push(first);
            if reports == Reports::Stamps {
                client.stamps = stamps;
            }
            if matches!(reports, Reports::Stamps | Reports::Spans) {
                self.report(client, true);
            }
            if stepped {
                self.report(step, true);
            }
        }
        self.wait();
        if visible {
            self.owned(name, PartKind::Own);
        }
        if reports == Reports::Stamps {
            server.stamps = stamps;
            server.stamps.push(stamp(flow, Direction::Response, way.offsets.1, Event::Tx, self.now));
        }
        if reports != Reports::Nothing {
            self.report(server, !program.headerless);
        }
        onward
    }

    /// The browser calls a program.
    pub(super) fn journey(program: &Program, times: Vec<u16>) -> Stack {
        let mut stack = Stack { times: times.into_iter(), now: 1_000, made: 1, ..Stack::default() };
        let (root, mut client) = (
            span("browser", 1, None, Kind::Internal, "journey", (1_000, 1_000)),
            stack.span("browser", 1, Kind::Client),
        );
        let cause = u64::from_be_bytes(client.span_id.0);
        let browser = Caller { hop: "browser".into(), cause, until: Until::Leg, reports: Reports::Stamps };
        client.stamps = stack.call(&browser, program).0;
        stack.report(client, true);
        stack.spans.push(Span { end: stack.now, ..root });
        stack
    }
}

/// Stretches of the same time in a row are one; what took none is nothing.
fn joined(parts: impl IntoIterator<Item = (String, PartKind, u64)>) -> Vec<(String, PartKind, u64)> {
    let mut joined: Vec<(String, PartKind, u64)> = Vec::new();
    for part in parts.into_iter().filter(|part| part.2 > 0) {
        match joined.last_mut() {
            Some(last) if (&last.0, last.1) == (&part.0, part.1) => last.2 += part.2,
            _ => joined.push(part),
        }
    }
    joined
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_opaque_all_others_have_exactly_their_own_time(
        program in programs(),
        times in prop::collection::vec(prop::num::u16::ANY, 0..300),
    ) {
        let stack = Stack::journey(&program, times);
        let journey = assembled(stack.spans, &stack.roster);
        tiles(&journey);
        prop_assert!(journey.anomalies.is_empty() && journey.sealed(), "{program:#?}
{journey:#?}");
        prop_assert_eq!(journey.unaccounted_ns, 0);
        let parts = journey.parts.iter().map(|part| (part.hop.clone(), part.kind, part.duration_ns));
        prop_assert_eq!(joined(parts), joined(stack.expected), "{:#?}", program);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Programs report in any order, each when it likes.
    #[test]
    fn no_journey_is_complete_before_everybody_on_its_way_has_reported(
        program in programs(),
        times in prop::collection::vec(prop::num::u16::ANY, 0..300),
    ) {
        // Of several calls that nobody but the called saw, nobody tells that there was one more.
        let counted = |it: &Program| it.calls.len() < 2 || matches!(it.reports, Reports::Stamps | Reports::Spans);
        prop_assume!(program.all(&counted));
        let stack = Stack::journey(&program, times);
        let whole = assembled(stack.spans.clone(), &stack.roster);
        let hops: std::collections::BTreeSet<_> = stack.spans.iter().map(|span| span.hop.clone()).collect();
        for late in hops.iter().filter(|hop| *hop != "browser") {
            let so_far = stack.spans.iter().filter(|span| span.hop != *late).cloned().collect();
            let journey = assembled(so_far, &stack.roster);
            prop_assert!(
                !journey.complete() || journey.parts == whole.parts,
                "without {late}: {program:#?}\n{journey:#?}\n{whole:#?}",
            );
        }
    }
}

/// The twin: stacks in which nobody is opaque, or nobody is seen behind an opaque one, would prove nothing.
#[test]
fn the_stacks_have_every_mixture() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..1_000 {
        let program = programs().new_tree(&mut runner).expect("a stack").current();
        let stack = Stack::journey(&program, vec![3, 1, 4, 1, 5]);
        let journey = assembled(stack.spans, &stack.roster);
        let opaque = |name: &str| {
            journey.parts.iter().any(|part| part.kind == PartKind::Opaque && part.name.ends_with(name))
        };
        let inferred =
            |kind| journey.parts.iter().any(|part| part.kind == kind && part.quality == Quality::Inferred);
        for (what, there) in [
            (
                "an opaque program that answers",
                journey.parts.iter().any(|part| part.kind == PartKind::Opaque && part.name.is_empty()),
            ),
            ("an opaque program that calls one", opaque("(request)") && !opaque("(between)")),
            ("an opaque program that calls several", opaque("(between)")),
            ("several opaque programs in a row", journey.parts.iter().any(|part| part.name.contains(" + "))),
            ("legs of programs without stamps", inferred(PartKind::Leg)),
            ("a program with a SERVER span alone that calls others", inferred(PartKind::Own)),
            (
                "a store behind an opaque proxy",
                program
                    .calls
                    .iter()
                    .any(|it| it.headerless && it.reports == Reports::Stamps && it.proxies.contains(&false)),
            ),
            ("somebody who may still report", !journey.complete()),
        ] {
            *seen.entry(what).or_default() += usize::from(there);
        }
    }
    assert!(seen.len() == 8 && seen.values().all(|count| *count >= 10), "of 1000: {seen:?}");
}
