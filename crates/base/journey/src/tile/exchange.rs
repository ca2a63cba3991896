//! What happens between a request's write and its response's read: legs, layer-4 proxies, the server, and the way
//! back.

use super::arrival::Arrival;
use super::{MAX_DEPTH, MAX_SPANS, Nested, Owner, Tiler};
use crate::index::Relayed;
use crate::span::{Kind, Span};
use crate::stamp::{Direction, Event, Stamp};

impl<'a> Tiler<'a> {
    /// A program sends a request: its own preparation, then whatever happens until the response is read.
    pub(super) fn exchange(&mut self, child: &Nested<'a>, hop: &str, limit: u64) {
        let client = child.span;
        let sent = client.stamp(Direction::Request, Event::Tx);
        let received = client.stamp(Direction::Response, Event::Wake);
        let (Some(sent), Some(received)) = (sent, received) else {
            let owner = Owner::opaque(hop, &client.name);
            self.until(client.end.min(limit).max(self.cursor), owner);
            return;
        };
        for inner in child.inside.iter().filter(|inner| inner.span.start < sent.at) {
            self.until(inner.span.start.clamp(self.cursor, limit.max(self.cursor)), Owner::own(hop, ""));
            self.child(inner, hop, limit);
        }
        self.until(sent.at.min(limit).max(self.cursor), Owner::own(hop, ""));
        let back = received.at.min(limit).max(self.cursor);
        if self.depth < MAX_DEPTH && self.counts.spans < MAX_SPANS {
            self.depth += 1;
            self.beyond(client, sent, received, hop, back);
            self.depth -= 1;
        }
        self.skip(back);
        self.until(client.end.min(limit).max(self.cursor), Owner::own(hop, ""));
    }

    /// Beyond the sender's socket: layer-4 proxies, the server or an opaque hop, and the way back.
    fn beyond(&mut self, client: &'a Span, sent: &Stamp, received: &Stamp, hop: &str, back: u64) {
        let by_cause = self.index.children(client.span_id).find(|span| span.kind == Kind::Server);
        let (forth, last_sent) = self.relays_forth(sent);
        self.sent_by(client);
        let server = by_cause.or_else(|| self.index.server_of(&last_sent));
        let mut from = hop.to_owned();
        let mut through = Vec::new();
        for relayed in &forth {
            from = self.relay(&from, relayed, back);
            through.push(from.clone());
        }
        let Some(server) = server else {
            return self.unreported(&last_sent, client, back);
        };
        let read = server.stamp(Direction::Request, Event::Wake);
        self.approach(&server.hop, &last_sent, read);
        if let Some(read) = read
            && read.flow != last_sent.flow
        {
            from = self.opaque_between(&last_sent, read, server, &mut through, back);
        }
        let name = format!("{from} → {}", server.hop);
        let read = read.map_or(server.start, |stamp| stamp.at);
        self.arrive(Owner::leg(&server.hop, &name), &Arrival::of(server, Direction::Request, read), back);
        self.counts.spans += 1;
        let written = server.stamp(Direction::Response, Event::Tx);
        self.server(server, back);
        self.sent_by(server);
        self.way_back(server, written, (client, received), &mut through, hop, back);
        // What passed the request on passed the response, too; it has just not said so yet.
        for name in through {
            if !self.silent.contains(&name) {
                self.silent.push(name);
            }
        }
    }

    /// The response's way from a server through relays (and perhaps an opaque hop) to the client.
    ///
    /// Removes the hops that it passes from `through`.
    fn way_back(
        &mut self,
        server: &'a Span,
        written: Option<&Stamp>,
        (client, received): (&Span, &Stamp),
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
            let owner = Owner::opaque(&between, &name);
            self.held = None;
            // What an opaque program wrote, and when, nobody saw: its time ends where the kernel had it.
            let queued = Arrival::of(client, Direction::Response, back).queued();
            self.until(queued.map_or(back, |stamp| stamp.at.min(back)), owner);
            from = between;
        }
        let name = format!("{from} → {hop}");
        let back = back.max(self.cursor);
        self.arrive(Owner::leg(hop, &name), &Arrival::of(client, Direction::Response, back), back);
    }

    /// Follows a request through layer-4 proxies that reported it.
    fn relays_forth(&self, sent: &Stamp) -> (Vec<Relayed<'a>>, Stamp) {
        let mut found = Vec::new();
        let mut at = *sent;
        while let Some(relayed) = self.index.relay_from(&at).filter(|_| found.len() < usize::from(MAX_DEPTH))
        {
            at = relayed.written;
            found.push(relayed);
        }
        (found, at)
    }

    /// A leg into a layer-4 proxy and the proxy's own time; returns the proxy's name.
    pub(super) fn relay(&mut self, from: &str, relayed: &Relayed<'_>, back: u64) -> String {
        self.counts.spans += 1;
        let hop = relayed.span.hop.to_string();
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
        self.arrive(Owner::leg(&hop, &name), &arrival.after(connect), back);
        if relayed.read.direction == Direction::Request {
            self.begin_stage(&hop);
        }
        self.until(relayed.written.at.min(back), Owner::own(&hop, ""));
        hop
    }
}
