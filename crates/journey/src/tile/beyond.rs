//! What happens between a program's question and the answer that it reads: legs, layer-4 proxies, the
//! program that answers, programs that report nothing, and the way back.

use super::arrive::Arrival;
use super::{DEEPEST, MOST, Nested, Tiler, Whose, leg};
use crate::index::{Known, Relayed};
use crate::part::{PartKind, Stage};
use crate::span::{Kind, Span};
use crate::stamp::{Direction, Event, Quality, Stamp};

impl<'a> Tiler<'a> {
    /// A program asks another: its own preparation, then whatever happens until the answer is read.
    pub(super) fn exchange(&mut self, child: &Nested<'a>, hop: &str, limit: u64) {
        let asked = child.span;
        let sent = asked.stamp(Direction::Request, Event::Tx);
        let received = asked.stamp(Direction::Response, Event::Wake);
        let (Some(sent), Some(received)) = (sent, received) else {
            let whose = Whose { hop, kind: PartKind::Opaque, name: &asked.name, quality: Quality::Inferred };
            self.until(asked.end.min(limit).max(self.cursor), whose);
            return;
        };
        for inner in child.inside.iter().filter(|inner| inner.span.start < sent.at) {
            self.until(inner.span.start.clamp(self.cursor, limit.max(self.cursor)), Whose::own(hop, ""));
            self.child(inner, hop, limit);
        }
        self.until(sent.at.min(limit).max(self.cursor), Whose::own(hop, ""));
        let back = received.at.min(limit).max(self.cursor);
        if self.depth < DEEPEST && self.counts.spans < MOST {
            self.depth += 1;
            self.beyond(asked, sent, received, hop, back);
            self.depth -= 1;
        }
        self.skip(back);
        self.until(asked.end.min(limit).max(self.cursor), Whose::own(hop, ""));
    }

    /// Beyond the asking program's socket: relays, the server or an opaque hop, and the way back.
    fn beyond(&mut self, asked: &'a Span, sent: &Stamp, received: &Stamp, hop: &str, back: u64) {
        let by_cause = self.index.children(asked.span_id).find(|span| span.kind == Kind::Server);
        let (forth, last_sent) = self.relays_forth(sent);
        self.sent_by(asked);
        let server = by_cause.or_else(|| self.index.server_of(&last_sent));
        let mut from = hop.to_owned();
        let mut through = Vec::new();
        for relayed in &forth {
            from = self.relay(&from, relayed, back);
            through.push(from.clone());
        }
        let Some(server) = server else {
            return self.nobody(&last_sent, asked, back);
        };
        if self.stage == Stage::ToLoadBalancer && self.roster.role(&server.hop) != "lb" {
            self.stage = Stage::ToPod;
        }
        let read = server.stamp(Direction::Request, Event::Wake);
        if let Some(read) = read
            && read.flow != last_sent.flow
        {
            from = self.opaque_between(&last_sent, read, server, &mut through, back);
        }
        let name = format!("{from} → {}", server.hop);
        let read = read.map_or(server.start, |stamp| stamp.at);
        self.arrive(leg(&server.hop, &name), &Arrival::of(server, Direction::Request, read), back);
        self.counts.spans += 1;
        if self.roster.role(&server.hop) == "lb" && self.stage == Stage::ToLoadBalancer {
            self.stage = Stage::ToPod;
        }
        let written = server.stamp(Direction::Response, Event::Tx);
        self.server(server, back);
        self.sent_by(server);
        self.way_back(server, written, (asked, received), &mut through, hop, back);
        // What passed the request on passed the answer, too; it has just not said so yet.
        for name in through {
            if !self.silent.contains(&name) {
                self.silent.push(name);
            }
        }
    }

    /// The response's way from a server through relays (and perhaps an opaque hop) to who asked.
    ///
    /// Removes from `through` whom it passes.
    fn way_back(
        &mut self,
        server: &'a Span,
        written: Option<&Stamp>,
        (asked, received): (&Span, &Stamp),
        through: &mut Vec<String>,
        hop: &str,
        back: u64,
    ) {
        let mut from = server.hop.to_string();
        let mut at = written.copied();
        while let Some(stamp) = at.filter(|stamp| stamp.flow != received.flow) {
            let Some(relayed) = self.index.relay_from(&stamp) else { break };
            from = self.relay(&from, &relayed, back);
            through.retain(|name| *name != from);
            at = Some(relayed.written);
        }
        let direct = at.is_none_or(|stamp| stamp.flow == received.flow);
        if !direct {
            self.expect(received);
            let between = self.opaque_name(received);
            let name = format!("{} (response)", self.opaque_names(received, &from));
            let whose =
                Whose { hop: &between, kind: PartKind::Opaque, name: &name, quality: Quality::Inferred };
            self.held = None;
            // What an opaque program wrote, and when, nobody saw: its time ends where the kernel had it.
            let queued = Arrival::of(asked, Direction::Response, back).queued();
            self.until(queued.map_or(back, |stamp| stamp.at.min(back)), whose);
            from = between;
        }
        let name = format!("{from} → {hop}");
        let back = back.max(self.cursor);
        self.arrive(leg(hop, &name), &Arrival::of(asked, Direction::Response, back), back);
    }

    /// Follows a request through layer-4 proxies that reported it.
    fn relays_forth(&self, sent: &Stamp) -> (Vec<Relayed<'a>>, Stamp) {
        let mut found = Vec::new();
        let mut at = *sent;
        while let Some(relayed) = self.index.relay_from(&at).filter(|_| found.len() < usize::from(DEEPEST)) {
            at = relayed.written;
            found.push(relayed);
        }
        (found, at)
    }

    /// A leg into a layer-4 proxy and the proxy's own time; returns the proxy's name.
    fn relay(&mut self, from: &str, relayed: &Relayed<'_>, back: u64) -> String {
        self.counts.spans += 1;
        let hop = relayed.span.hop.to_string();
        if self.stage == Stage::ToLoadBalancer {
            self.stage = Stage::ToPod;
        }
        let name = format!("{from} → {hop}");
        let connect = self.index.connects_for(relayed.read.flow).find(|connect| {
            let forth = relayed.read.direction == Direction::Request;
            forth && connect.start >= self.start && connect.end <= relayed.read.at
        });
        if connect.is_some() {
            self.counts.connections_opened += 1;
            self.counts.spans += 1;
        }
        let arrival = Arrival::of(relayed.span, relayed.read.direction, relayed.read.at);
        self.arrive(leg(&hop, &name), &arrival.after(connect), back);
        self.until(relayed.written.at.min(back), Whose::own(&hop, ""));
        hop
    }

    /// Something that reports nothing stands between a sender and a server that knows its cause: it
    /// had the request from the sender's write to the first relay (or server) behind it.
    ///
    /// Adds to `through` the relays that it finds behind.
    fn opaque_between(
        &mut self,
        sent: &Stamp,
        read: &Stamp,
        server: &Span,
        through: &mut Vec<String>,
        back: u64,
    ) -> String {
        self.expect(sent);
        let mut behind = Vec::new();
        let mut at = *read;
        while let Some(relayed) = self.index.relay_to(&at).filter(|_| behind.len() < usize::from(DEEPEST)) {
            at = relayed.read;
            behind.push(relayed);
        }
        through.extend(behind.iter().rev().map(|relayed| relayed.span.hop.to_string()));
        let first = behind.last().map_or(&*server.hop, |relayed| &relayed.span.hop);
        let opaque = self.roster.at(sent.flow.server).filter(|known| !known.reports);
        let reporters = opaque.map(|known| self.roster.reporters_behind(known)).unwrap_or_default();
        if let Some(skipped) = reporters.into_iter().find(|known| self.roster.leads(known, first)) {
            self.miss(skipped);
        }
        let hop = self.opaque_name(sent);
        let name = format!("{} (request)", self.opaque_names(sent, first));
        let whose = Whose { hop: &hop, kind: PartKind::Opaque, name: &name, quality: Quality::Inferred };
        if let Some(first) = behind.last() {
            self.arrive(whose, &Arrival::of(first.span, first.read.direction, first.read.at), back);
            self.until(first.written.at.min(back), Whose::own(&first.span.hop, ""));
            let mut from = first.span.hop.to_string();
            for relayed in behind.iter().rev().skip(1) {
                from = self.relay(&from, relayed, back);
            }
            from
        } else {
            self.held = None;
            // Who reads it is told by `arrive`, which comes next: here the opaque program's time ends.
            let queued = Arrival::of(server, Direction::Request, read.at).queued();
            self.until(queued.map_or(read.at, |stamp| stamp.at).min(back), whose);
            hop
        }
    }

    /// No one answers for these bytes: an opaque program, or one that should have reported.
    fn nobody(&mut self, sent: &Stamp, asked: &Span, back: u64) {
        self.expect(sent);
        let opaque = self.roster.at(sent.flow.server).filter(|known| !known.reports);
        // A handshake is never passed on: nobody behind has anything to say about it.
        let passed_on = opaque.filter(|_| self.stage != Stage::Tls);
        if let Some(behind) = passed_on.and_then(|known| self.roster.reporters_behind(known).first().copied())
        {
            self.miss(behind);
        }
        let hop = self.opaque_name(sent);
        let whose = Whose { hop: &hop, kind: PartKind::Opaque, name: "", quality: Quality::Inferred };
        self.arrive(whose, &Arrival::of(asked, Direction::Response, back), back);
    }

    fn opaque_name(&self, stamp: &Stamp) -> String {
        let server = stamp.flow.server;
        self.roster.at(server).map_or_else(|| server.to_string(), |known| known.name.clone())
    }

    /// Everyone who had the request between an opaque hop and the next one that reports.
    fn opaque_names(&self, stamp: &Stamp, to: &str) -> String {
        let opaque = self.roster.at(stamp.flow.server).filter(|known| !known.reports);
        opaque
            .map_or_else(|| self.opaque_name(stamp), |known| self.roster.opaque_chain(known, to).join(" + "))
    }

    /// A hop that should have reported these bytes has not, or not yet.
    fn expect(&mut self, sent: &Stamp) {
        if let Some(known) = self.roster.at(sent.flow.server).filter(|known| known.reports) {
            self.miss(known);
        }
    }

    fn miss(&mut self, known: &Known) {
        if !self.silent.contains(&known.name) {
            self.silent.push(known.name.clone());
        }
    }
}
