//! Bytes reach a program: the way to its socket, and what they waited for there until they were read.

use super::{Owner, Tiler};
use crate::index::Relayed;
use crate::part::PartKind;
use crate::semconv::{attribute, name};
use crate::span::{Span, Value};
use crate::stamp::{Direction, Event, Quality, Stamp};

/// A message as its receiver saw it come.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    /// Who received it.
    pub(super) hop: &'a str,
    stamps: &'a [Stamp],
    direction: Direction,
    /// When it had been read.
    read: u64,
    /// The connection onward that a relay had to make first.
    connect: Option<&'a Span>,
    /// Until then its receiver was answering the message before it.
    predecessor: Option<u64>,
}

impl<'a> Arrival<'a> {
    /// What `span` says of the message that went in this direction and that was read at a time.
    pub(super) fn of(span: &'a Span, direction: Direction, read: u64) -> Self {
        let predecessor = span.whole(attribute::PREDECESSOR_UNTIL);
        let predecessor = predecessor.filter(|_| direction == Direction::Request);
        Arrival { hop: &span.hop, stamps: &span.stamps, direction, read, connect: None, predecessor }
    }

    /// What a layer-4 proxy says of a chunk that came to it.
    pub(super) fn at(relayed: &Relayed<'a>) -> Self {
        Arrival::of(relayed.span, relayed.read.direction, relayed.read.at)
    }

    /// The same message where it came first: at the first of some layer-4 proxies in front of its receiver.
    pub(super) fn at_first(self, relays: &[Relayed<'a>]) -> Self {
        relays.first().map_or(self, Arrival::at)
    }

    /// Before a relay read it, it had to make this connection onward.
    pub(super) fn after(self, connect: Option<&'a Span>) -> Self {
        Arrival { connect, ..self }
    }

    fn stamp(&self, event: Event) -> Option<&'a Stamp> {
        self.stamps.iter().find(|stamp| stamp.direction == self.direction && stamp.event == event)
    }

    /// When it had been read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// When the kernel had it, where that is known.
    pub(super) fn queued(&self) -> Option<&'a Stamp> {
        self.stamp(Event::Rx)
    }

    /// When its receiver had it: in the kernel, where that is known, else when it had been read.
    pub(super) fn had(&self) -> u64 {
        self.queued().map_or(self.read, |stamp| stamp.at)
    }
}

impl<'a> Tiler<'a> {
    /// The next message to arrive is the one that this span sent.
    pub(super) fn sent_by(&mut self, span: &'a Span) {
        let held = span.attribute(attribute::SEND_HELD) == Some(&Value::Bool(true));
        self.held = held.then_some(&*span.hop);
    }

    /// Until the receiver's socket had the bytes the time was the owner's: a leg, or a program that reports
    /// nothing. From then on they waited for the receiver: for its `accept` on a new connection, for a
    /// relay's connection onward, and for the program to run and read them.
    ///
    /// Without the kernel's stamp all this is one part.
    pub(super) fn arrive(&mut self, owner: Owner<'_>, into: &Arrival<'_>, back: u64) {
        let wait = |name| Owner { kind: PartKind::Wait, ..Owner::own(into.hop, name) };
        let read = into.read.min(back);
        let held = self.held.take().filter(|_| owner.kind == PartKind::Leg);
        if let Some(sender) = held {
            let there = into.had().min(back);
            self.until(there, Owner { kind: PartKind::Wait, ..Owner::own(sender, name::SEND_QUEUE) });
        }
        let Some(queued) = into.queued() else {
            // Often the connection is made while the sender still prepares; then nobody waits for it.
            if let Some(connect) = into.connect.filter(|connect| connect.end > self.cursor) {
                self.until(connect.start.max(self.cursor).min(back), owner);
                self.connects(connect, wait(name::CONNECT), back);
                return self.until(read, Owner::own(into.hop, ""));
            }
            return self.until(read, owner);
        };
        let stamped = owner.kind == PartKind::Leg && owner.quality != Quality::Inferred;
        let quality = if stamped { queued.quality } else { owner.quality };
        self.until(queued.at.min(back), Owner { quality, ..owner });
        if let Some(accepted) = into.stamp(Event::Accept) {
            self.until(accepted.at.min(back), wait(name::ACCEPT_QUEUE));
        }
        if let Some(connect) = into.connect.filter(|connect| connect.end > self.cursor) {
            self.connects(connect, wait(name::CONNECT), back);
        }
        // It was read only when its predecessor had its response. One that was read before waits on: see `server`.
        if let Some(until) = into.predecessor.filter(|until| (self.cursor..=read).contains(until)) {
            self.until(until, wait(name::PREDECESSOR));
        }
        self.until(read, Owner { kind: PartKind::Wake, ..Owner::own(into.hop, name::WAKE_UP) });
    }
}
