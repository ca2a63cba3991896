//! All spans, found by cause (parent) or by the bytes they speak of (flow and offset).

mod joined;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

use crate::semconv::attribute;
use crate::span::{Kind, Span};
use crate::stamp::{Direction, Event, Flow, Stamp, Transport};
use crate::trace::{SpanId, TraceId};

/// A chunk of bytes that a layer-4 proxy passed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed<'a> {
    pub(crate) span: &'a Span,
    pub(crate) read: Stamp,
    pub(crate) written: Stamp,
}

/// Bytes of a flow that go in one direction: one of the two streams of a connection.
type Stream = (Flow, Direction);

/// All spans, findable. Insertion order does not matter.
#[derive(Debug, Default)]
pub struct Index {
    spans: Vec<Span>,
    by_id: HashMap<SpanId, usize>,
    by_trace: HashMap<TraceId, Vec<usize>>,
    children: HashMap<SpanId, Vec<usize>>,
    servers: HashMap<Flow, Passages>,
    relays_in: HashMap<Stream, Passages>,
    relays_out: HashMap<Stream, Passages>,
    connects: HashMap<Flow, Vec<usize>>,
}

/// A stamp that is earlier than its cause by more than this is of an earlier connection between the same
/// two sockets, in nanoseconds. A port is free again after a second at the earliest (RFC 6191; Linux's
/// `tcp_tw_reuse`, on by default for loopback). One that is earlier by less is a clock's or a hop's fault
/// and is shown.
const EARLIER_CONNECTION: u64 = 500_000_000;

/// How many layer-4 proxies a message may pass: spans come from outside and may form a circle.
const MAX_RELAYS: usize = 32;

/// The messages of a stream that passed one program, in the order of time: when, in which span, up to which offset.
#[derive(Debug, Default)]
struct Passages(BTreeMap<(u64, usize), u64>);

impl Passages {
    fn add(&mut self, stamp: &Stamp, span: usize) {
        self.0.insert((stamp.at, span), stamp.offset);
    }

    /// The span in which the byte of `sent` arrived.
    fn after(&self, sent: &Stamp) -> Option<usize> {
        let mut later = self.0.range((sent.at.saturating_sub(EARLIER_CONNECTION), 0)..);
        let fits = |offset: u64| match sent.flow.transport {
            Transport::Udp => offset == sent.offset,
            Transport::Tcp => offset >= sent.offset,
        };
        later.find(|(_, offset)| fits(**offset)).map(|((_, span), _)| *span)
    }

    /// The span in which the byte of `received` left.
    fn before(&self, received: &Stamp) -> Option<usize> {
        let mut found = None;
        // Back in time offsets become smaller; where they do not, an earlier connection ended.
        let mut next = u64::MAX;
        for ((_, span), offset) in
            self.0.range(..=(received.at.saturating_add(EARLIER_CONNECTION), usize::MAX)).rev()
        {
            if *offset < received.offset || *offset >= next {
                break;
            }
            next = *offset;
            found = Some(*span);
        }
        found
    }
}

impl Index {
    /// Adds a span.
    pub fn insert(&mut self, span: Span) {
        let at = self.spans.len();
        self.by_id.insert(span.span_id, at);
        self.by_trace.entry(span.trace_id).or_default().push(at);
        if let Some(parent) = span.parent {
            self.children.entry(parent).or_default().push(at);
        }
        match span.kind {
            Kind::Server | Kind::Consumer => {
                if let Some(read) = span.stamp(Direction::Request, Event::Wake) {
                    self.servers.entry(read.flow).or_default().add(read, at);
                }
            }
            Kind::Internal => {
                if let Some((read, written)) = relay_stamps(&span) {
                    self.relays_in.entry((read.flow, read.direction)).or_default().add(&read, at);
                    self.relays_out.entry((written.flow, written.direction)).or_default().add(&written, at);
                } else if let Some(flow) = span.text(attribute::FLOW_IN).and_then(|flow| flow.parse().ok()) {
                    self.connects.entry(flow).or_default().push(at);
                }
            }
            Kind::Client | Kind::Producer => {}
        }
        self.spans.push(span);
    }

    /// How many spans there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Forgets all spans that ended before a time (nanoseconds since the Unix epoch).
    pub fn forget_before(&mut self, time: u64) {
        let kept: Vec<Span> = std::mem::take(&mut self.spans).into_iter().filter(|s| s.end >= time).collect();
        *self = Index::default();
        kept.into_iter().for_each(|span| self.insert(span));
    }

    /// The span of a trace that has no parent among the known spans and began first.
    pub fn root(&self, trace_id: TraceId) -> Option<&Span> {
        let spans = self.by_trace.get(&trace_id)?.iter().map(|&at| &self.spans[at]);
        spans
            .filter(|span| {
                let known = |parent| parent != span.span_id && self.by_id.contains_key(&parent);
                !span.parent.is_some_and(known)
            })
            .min_by_key(|span| (span.start, std::cmp::Reverse(span.end)))
    }

    /// The spans that carry a trace's id.
    pub(crate) fn with_trace(&self, trace_id: TraceId) -> impl Iterator<Item = &Span> {
        self.by_trace.get(&trace_id).into_iter().flatten().map(|&at| &self.spans[at])
    }

    /// The spans that a span caused directly.
    pub(crate) fn children(&self, parent: SpanId) -> impl Iterator<Item = &Span> {
        self.children.get(&parent).into_iter().flatten().map(|&at| &self.spans[at])
    }

    /// The spans that a span caused, those of INTERNAL ones among them included. No CONSUMER's: a message is handled when
    /// its turn comes, and whoever sent it does not wait for that.
    pub(crate) fn descendants(&self, ancestor: &Span) -> Vec<&Span> {
        let mut found: Vec<&Span> = Vec::new();
        let mut parents = vec![ancestor.span_id];
        let mut seen = HashSet::from([ancestor.span_id]);
        while let Some(parent) = parents.pop() {
            for child in self.children(parent).filter(|child| child.kind != Kind::Consumer) {
                if seen.insert(child.span_id) {
                    found.push(child);
                    parents.extend((child.kind == Kind::Internal).then_some(child.span_id));
                }
            }
        }
        found
    }

    /// The spans that caused a span, as far as they are known: its parent first.
    pub fn ancestors<'a>(&'a self, span: &'a Span) -> Vec<&'a Span> {
        let mut found: Vec<&Span> = Vec::new();
        let mut at = span;
        while let Some(parent) = at.parent.and_then(|parent| self.span(parent)) {
            if parent.span_id == span.span_id || found.iter().any(|it| it.span_id == parent.span_id) {
                break;
            }
            found.push(parent);
            at = parent;
        }
        found
    }

    /// The span of this name.
    pub fn span(&self, id: SpanId) -> Option<&Span> {
        self.by_id.get(&id).map(|&at| &self.spans[at])
    }

    /// The server that read the byte of a request stamp.
    pub(crate) fn server_of(&self, sent: &Stamp) -> Option<&Span> {
        self.servers.get(&sent.flow)?.after(sent).map(|at| &self.spans[at])
    }

    /// The servers, at addresses that `listens` picks, that read and wrote as many bytes of a TCP stream as were sent
    /// and received, in between.
    pub(crate) fn servers_that_passed(
        &self,
        sent: &Stamp,
        received: &Stamp,
        listens: impl Fn(SocketAddr) -> bool,
    ) -> impl Iterator<Item = &Span> {
        let flows = self.servers.iter().filter(move |(flow, _)| {
            sent.flow.transport == Transport::Tcp && flow.transport == Transport::Tcp && listens(flow.server)
        });
        let passages =
            flows.flat_map(|(_, passages)| passages.0.range((sent.at, 0)..=(received.at, usize::MAX)));
        let spans =
            passages.filter(|(_, offset)| **offset == sent.offset).map(|((_, at), _)| &self.spans[*at]);
        spans.filter(|span| {
            let wrote = span.stamp(Direction::Response, Event::Tx);
            wrote.is_some_and(|wrote| wrote.offset == received.offset && wrote.at <= received.at)
        })
    }

    /// The layer-4 chunk in which the byte of a stamp was read.
    pub(crate) fn relay_from(&self, sent: &Stamp) -> Option<Relayed<'_>> {
        let passages = self.relays_in.get(&(sent.flow, sent.direction))?;
        self.relayed(passages.after(sent)?)
    }

    /// The layer-4 chunk in which the byte of a stamp was written.
    pub(crate) fn relay_to(&self, received: &Stamp) -> Option<Relayed<'_>> {
        let passages = self.relays_out.get(&(received.flow, received.direction))?;
        self.relayed(passages.before(received)?)
    }

    /// The layer-4 proxies that reported a message right before it was read, in the order in which it passed them.
    pub(crate) fn relays_before(&self, read: Option<&Stamp>) -> Vec<Relayed<'_>> {
        let mut found = Vec::new();
        let mut at = read.copied();
        while let Some(relayed) = at.and_then(|at| self.relay_to(&at)).filter(|_| found.len() < MAX_RELAYS) {
            at = Some(relayed.read);
            found.push(relayed);
        }
        found.reverse();
        found
    }

    /// When a layer-4 proxy made connections onward for a flow that it accepted: one, unless the same two
    /// sockets met again.
    pub(crate) fn connects_for(&self, accepted: Flow) -> impl Iterator<Item = &Span> {
        self.connects.get(&accepted).into_iter().flatten().map(|&at| &self.spans[at])
    }

    fn relayed(&self, at: usize) -> Option<Relayed<'_>> {
        let span = &self.spans[at];
        let (read, written) = relay_stamps(span)?;
        Some(Relayed { span, read, written })
    }
}

/// A relay reads from one flow and writes to another, in one direction.
fn relay_stamps(span: &Span) -> Option<(Stamp, Stamp)> {
    let read = span.stamps.iter().find(|stamp| stamp.event == Event::Wake)?;
    let written = span.stamps.iter().find(|stamp| stamp.event == Event::Tx)?;
    (read.flow != written.flow && read.direction == written.direction).then_some((*read, *written))
}

#[cfg(test)]
mod tests;
