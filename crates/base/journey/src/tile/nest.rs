//! Spans of one program, those that lie within another one inside it.

use crate::index::Index;
use crate::span::{Kind, Span};
use crate::stamp::{Direction, Event};

/// A span and what its program did meanwhile.
pub(super) struct Nested<'a> {
    pub(super) span: &'a Span,
    /// When it began, as well as that is known.
    pub(super) start: u64,
    pub(super) inside: Vec<Nested<'a>>,
}

impl<'a> Nested<'a> {
    /// What happened while a span lasted, in the order of time: what its program did, and the servers that name one
    /// of these spans as their parent, without a CLIENT span in between. `others` name the span's own parent: those
    /// among them that lie within it are such servers, too, of a program that passes on what it got.
    pub(super) fn descendants(
        index: &'a Index,
        parent: &Span,
        others: &[&'a Span],
        counts: impl Fn(&Span) -> bool,
    ) -> Vec<Self> {
        let within = |it: &&&Span| it.start >= parent.start && it.end <= parent.end;
        let mut found: Vec<Self> =
            index.descendants(parent, counts).into_iter().map(|span| Nested::new(index, span)).collect();
        found.extend(others.iter().filter(within).map(|span| Nested::new(index, span)));
        beside(index, &mut found);
        found.sort_by_key(|it| (it.start, std::cmp::Reverse(it.end())));
        let mut nested = Vec::new();
        found.into_iter().for_each(|it| place(&mut nested, it));
        nested
    }

    fn new(index: &Index, span: &'a Span) -> Self {
        let start = if is_coarse_call(span) { sent(index, span) } else { span.start };
        Nested { span, start, inside: Vec::new() }
    }

    fn end(&self) -> u64 {
        self.span.end_after(self.start)
    }

    /// Was another program called in it?
    pub(super) fn calls(&self) -> bool {
        self.span.kind != Kind::Internal || self.inside.iter().any(Nested::calls)
    }

    /// When its program began with it; 0 for another program's span: what happened before that arrived is told by
    /// its stamps.
    pub(super) fn begins(&self) -> u64 {
        if self.span.kind == Kind::Server { 0 } else { self.start }
    }

    /// May it hold another span? By a coarse clock one request after the other may seem to be within it.
    fn holds(&self, other: &Nested<'_>) -> bool {
        let within = other.end() <= self.end() && other.start >= self.start;
        within && (!is_coarse_call(self.span) || other.span.parent == Some(self.span.span_id))
    }
}

/// Does it call somebody at a moment that it knows to the millisecond only?
fn is_coarse_call(span: &Span) -> bool {
    matches!(span.kind, Kind::Client | Kind::Producer) && span.latest_start() > span.start
}

/// Calls of which nothing but the millisecond is known lie beside those of which more is: a program does one thing
/// after the other.
fn beside(index: &Index, calls: &mut [Nested<'_>]) {
    let server_end = |span: &Span| {
        let servers = index.children(span.span_id).filter(|child| child.kind == Kind::Server);
        servers.map(|server| server.end).max()
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for call in calls.iter_mut().filter(|call| is_coarse_call(call.span)) {
        match server_end(call.span) {
            Some(end) => known.push((call.start, end)),
            None => unknown.push(call),
        }
    }
    known.sort_unstable();
    for call in unknown {
        for &(start, end) in &known {
            let overlaps = call.start < end && start < call.end();
            if overlaps && end <= call.span.latest_start() {
                call.start = end;
            }
        }
    }
}

/// When a client of which that is known to the millisecond only had sent its request: as late in it as whoever got
/// the request allows.
fn sent(index: &Index, client: &Span) -> u64 {
    let servers = index.children(client.span_id).filter(|span| span.kind == Kind::Server);
    let had = servers.map(|server| arrived(index, server)).min();
    had.map_or(client.start, |had| had.clamp(client.start, client.latest_start()))
}

/// When a request arrived at a server, or at the first layer-4 proxy in front of it.
fn arrived(index: &Index, server: &Span) -> u64 {
    let read = server.stamp(Direction::Request, Event::Wake);
    let relays = index.relays_before(read);
    let first = relays.first();
    let queued = first.map_or(server, |first| first.span).stamp(Direction::Request, Event::Rx);
    let read = first.map(|first| &first.read).or(read);
    queued.or(read).map_or(server.start, |stamp| stamp.at)
}

fn place<'a>(siblings: &mut Vec<Nested<'a>>, it: Nested<'a>) {
    match siblings.last_mut() {
        Some(last) if last.holds(&it) => place(&mut last.inside, it),
        _ => siblings.push(it),
    }
}
