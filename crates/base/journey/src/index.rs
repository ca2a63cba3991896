//! All spans, found by cause (parent) or by the bytes they speak of (flow and offset).

mod causes;
mod joined;
mod passages;
mod wanted;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;

use crate::semconv::attribute;
use crate::span::{Kind, Span};
use crate::stamp::{Direction, Event, Flow, Stamp, Transport};
use crate::trace::{SpanId, TraceId};

pub use wanted::Wanted;

pub use passages::Arrived;
use passages::Passages;

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
    spans: HashMap<Arrived, Span>,
    arrived: Arrived,
    by_id: HashMap<SpanId, Arrived>,
    by_trace: HashMap<TraceId, Vec<Arrived>>,
    children: HashMap<SpanId, Vec<Arrived>>,
    servers: HashMap<Flow, Passages>,
    relays_in: HashMap<Stream, Passages>,
    relays_out: HashMap<Stream, Passages>,
    connects: HashMap<Flow, Vec<Arrived>>,
    /// Spans that link to a trace.
    linked: HashMap<TraceId, Vec<Arrived>>,
}

/// How many layer-4 proxies a message may pass: spans come from outside and may form a circle.
const MAX_RELAYS: usize = 32;

/// The ways by which a span is found: filled in and emptied together.
enum Way {
    Server(Flow, Stamp),
    Relay(Stamp, Stamp),
    Connect(Flow),
    None,
}

impl Way {
    fn of(span: &Span) -> Self {
        match span.kind {
            Kind::Server | Kind::Consumer => match span.stamp(Direction::Request, Event::Wake) {
                Some(read) => Way::Server(read.flow, *read),
                None => Way::None,
            },
            Kind::Internal => {
                if let Some((read, written)) = relay_stamps(span) {
                    return Way::Relay(read, written);
                }
                let accepted = span.text(attribute::FLOW_IN).and_then(|flow| flow.parse().ok());
                accepted.map_or(Way::None, Way::Connect)
            }
            Kind::Client | Kind::Producer => Way::None,
        }
    }
}

impl Index {
    /// Adds a span and says under which number; `None` when it is here already.
    pub fn insert(&mut self, span: Span) -> Option<Arrived> {
        let known = self.by_id.get(&span.span_id).and_then(|at| self.spans.get(at));
        if known.is_some_and(|known| known.trace_id == span.trace_id && known.hop == span.hop) {
            return None;
        }
        let at = self.arrived;
        self.arrived += 1;
        self.by_id.insert(span.span_id, at);
        self.by_trace.entry(span.trace_id).or_default().push(at);
        if let Some(parent) = span.parent {
            self.children.entry(parent).or_default().push(at);
        }
        for trace_id in span.linked_traces() {
            self.linked.entry(trace_id).or_default().push(at);
        }
        let size = span.whole(attribute::READ_SIZE);
        match Way::of(&span) {
            Way::Server(flow, read) => self.servers.entry(flow).or_default().add(&read, size, at),
            Way::Relay(read, written) => {
                for (passages, stamp) in [(&mut self.relays_in, read), (&mut self.relays_out, written)] {
                    passages.entry((stamp.flow, stamp.direction)).or_default().add(&stamp, size, at);
                }
            }
            Way::Connect(accepted) => self.connects.entry(accepted).or_default().push(at),
            Way::None => {}
        }
        self.spans.insert(at, span);
        Some(at)
    }

    /// Takes a span out again.
    pub fn remove(&mut self, at: Arrived) -> Option<Span> {
        let span = self.spans.remove(&at)?;
        if self.by_id.get(&span.span_id) == Some(&at) {
            self.by_id.remove(&span.span_id);
        }
        take(&mut self.by_trace, span.trace_id, |of_trace| without(of_trace, at));
        if let Some(parent) = span.parent {
            take(&mut self.children, parent, |children| without(children, at));
        }
        for trace_id in span.linked_traces() {
            take(&mut self.linked, trace_id, |linked| without(linked, at));
        }
        match Way::of(&span) {
            Way::Server(flow, read) => take(&mut self.servers, flow, |passages| passages.without(&read, at)),
            Way::Relay(read, written) => {
                for (passages, stamp) in [(&mut self.relays_in, read), (&mut self.relays_out, written)] {
                    take(passages, (stamp.flow, stamp.direction), |passages| passages.without(&stamp, at));
                }
            }
            Way::Connect(accepted) => take(&mut self.connects, accepted, |connects| without(connects, at)),
            Way::None => {}
        }
        Some(span)
    }

    /// How many spans there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The span of a trace that has no parent among the known spans and began first.
    pub fn root(&self, trace_id: TraceId) -> Option<&Span> {
        let spans = self.by_trace.get(&trace_id)?.iter().map(|at| &self.spans[at]);
        spans
            .filter(|span| {
                let known = |parent| parent != span.span_id && self.by_id.contains_key(&parent);
                !span.parent.is_some_and(known)
            })
            .min_by_key(|span| (span.start, std::cmp::Reverse(span.end)))
    }

    /// The spans that carry a trace's id.
    pub(crate) fn with_trace(&self, trace_id: TraceId) -> impl Iterator<Item = &Span> {
        self.by_trace.get(&trace_id).into_iter().flatten().map(|at| &self.spans[at])
    }

    /// The spans that a span caused directly.
    pub(crate) fn children(&self, parent: SpanId) -> impl Iterator<Item = &Span> {
        self.children.get(&parent).into_iter().flatten().map(|at| &self.spans[at])
    }

    /// The span of this name.
    pub fn span(&self, id: SpanId) -> Option<&Span> {
        self.by_id.get(&id).map(|at| &self.spans[at])
    }

    /// The server that read the byte of a request stamp.
    pub(crate) fn server_of(&self, sent: &Stamp) -> Option<&Span> {
        self.servers.get(&sent.flow)?.after(sent).map(|at| &self.spans[&at])
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
            flows.flat_map(|(_, passages)| passages.0.range((sent.at, 0)..=(received.at, Arrived::MAX)));
        let spans =
            passages.filter(|(_, bytes)| bytes.last == sent.offset).map(|((_, at), _)| &self.spans[at]);
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
        self.connects.get(&accepted).into_iter().flatten().map(|at| &self.spans[at])
    }

    fn relayed(&self, at: Arrived) -> Option<Relayed<'_>> {
        let span = &self.spans[&at];
        let (read, written) = relay_stamps(span)?;
        Some(Relayed { span, read, written })
    }
}

/// Takes one of the things under a key away, and the key with the last of them.
fn take<K: Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, take: impl FnOnce(&mut V) -> bool) {
    if map.get_mut(&key).is_some_and(take) {
        map.remove(&key);
    }
}

/// True when nothing is left.
fn without(spans: &mut Vec<Arrived>, at: Arrived) -> bool {
    spans.retain(|other| *other != at);
    spans.is_empty()
}

impl Extend<Span> for Index {
    fn extend<I: IntoIterator<Item = Span>>(&mut self, spans: I) {
        for span in spans {
            self.insert(span);
        }
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
