//! What happens between a request's write and its response's read: legs, layer-4 proxies, servers, and the way back.

use super::arrival::Arrival;
use super::{MAX_DEPTH, MAX_SPANS, Nested, Owner, Tiler};
use crate::index::Relayed;
use crate::part::PartKind;
use crate::span::{Kind, Span};
use crate::stamp::{Direction, Event, Quality, Stamp};

/// A request and its response as their client has them. A client without stamps (a plain OpenTelemetry SDK) says
/// only when its span began and ended.
pub(super) struct Call<'a, 'h> {
    pub(super) client: &'a Span,
    /// Whose request it is.
    pub(super) hop: &'h str,
    pub(super) sent: Option<&'a Stamp>,
    pub(super) received: Option<&'a Stamp>,
    /// When the client had the response.
    had: u64,
    /// By when it had it at the latest: the same, but for a clock of milliseconds.
    pub(super) back: u64,
}

impl<'a> Tiler<'a> {
    /// A program sends a request: its own preparation, then whatever happens until the response is read.
    pub(super) fn exchange(&mut self, child: &Nested<'a>, hop: &str, limit: u64) {
        let client = child.span;
        let sent = client.stamp(Direction::Request, Event::Tx);
        let received = client.stamp(Direction::Response, Event::Wake);
        let sent_at = sent.map_or(child.start, |stamp| stamp.at);
        for inner in child.inside.iter().filter(|inner| inner.start < sent_at) {
            self.until(inner.start.clamp(self.cursor, limit.max(self.cursor)), Owner::own(hop, ""));
            self.child(inner, hop, limit);
        }
        self.until(sent_at.min(limit).max(self.cursor), Owner::own(hop, ""));
        let (had, back) = match received {
            Some(stamp) => (stamp.at, stamp.at),
            None => (client.end, client.latest_end()),
        };
        let within = |at: u64| at.min(limit).max(self.cursor);
        let (had, back) = (within(had), within(back));
        if self.enter() {
            self.beyond(&Call { client, hop, sent, received, had, back });
            self.depth -= 1;
        }
        self.skip(had);
        self.until(client.end.min(limit).max(self.cursor), Owner::own(hop, ""));
    }

    /// One call deeper, if the walk may go on.
    pub(super) fn enter(&mut self) -> bool {
        let may = self.depth < MAX_DEPTH && self.counts.spans < MAX_SPANS;
        self.depth += u16::from(may);
        may
    }

    /// Beyond the client's socket: layer-4 proxies, the server or an opaque program, and the way back.
    fn beyond(&mut self, call: &Call<'a, '_>) {
        let (forth, last) = self.relays_forth(call.sent);
        self.sent_by(call.client);
        let servers = self.servers(call, last.as_ref());
        let mut from = call.hop.to_owned();
        // Who passed the request on and has to pass the response.
        let mut through = Vec::new();
        for relayed in &forth {
            from = self.relay(&from, relayed, call.back);
            through.push(from.clone());
        }
        let Some(&first) = servers.first() else {
            return self.unreported(call, last.as_ref(), through);
        };
        let between = last.filter(|last| match first.stamp(Direction::Request, Event::Wake) {
            Some(read) => read.flow != last.flow,
            None => self.roster.at(last.flow.server).is_some_and(|known| known.name != first.hop),
        });
        if let Some(last) = between {
            return self.opaque_between(call, &last, &servers, through);
        }
        let mut answered = first;
        for (at, &server) in servers.iter().enumerate() {
            if at > 0 {
                // Who began while another was answering was called by that one, or is not on the way of the time.
                if server.latest_end() <= self.cursor {
                    continue;
                }
                from = self.relays_back(answered, call.received, call.back, &mut through).0;
                answered = server;
            }
            let seen = last.is_some() && at == 0;
            let read = server.stamp(Direction::Request, Event::Wake).filter(|_| !seen);
            let relays = self.relays_before(read);
            let to = relays.first().map_or(&*server.hop, |first| &first.span.hop);
            if call.sent.is_none() {
                self.may_lie_between(&from, to);
            }
            let name = format!("{from} → {to}");
            let leg = Owner::leg(to, &name);
            let leg = if seen { leg } else { leg.inferred() };
            let back = self.responded(server, call);
            self.visit(leg, &relays, server, &servers[at + 1..], back, &mut through);
        }
        self.response_path(answered, call, &mut through);
        self.missed(through);
    }

    /// A server that names a span of `caller` as its cause, which is no CLIENT span: until it (or a layer-4 proxy in
    /// front of it) had the request, and from its response on, the time is the caller's own.
    pub(super) fn called(&mut self, caller: &str, server: &'a Span, limit: u64) {
        let back = limit.max(self.cursor);
        if server.latest_end() <= self.cursor || !self.enter() {
            return self.visited(server);
        }
        let mut through = Vec::new();
        let relays = self.relays_before(server.stamp(Direction::Request, Event::Wake));
        self.may_lie_between(caller, relays.first().map_or(&*server.hop, |first| &first.span.hop));
        self.visit(Owner::own(caller, "").inferred(), &relays, server, &[], back, &mut through);
        self.relays_back(server, None, back, &mut through);
        self.missed(through);
        self.depth -= 1;
    }

    /// The servers that a request was for, in the order of time: those that name its span as their parent, or else
    /// the one that read its bytes.
    fn servers(&self, call: &Call<'a, '_>, last: Option<&Stamp>) -> Vec<&'a Span> {
        let children = self.index.children(call.client.span_id);
        let mut servers: Vec<_> = children
            .filter(|span| span.kind == Kind::Server && span.span_id != call.client.span_id)
            .collect();
        servers.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        if servers.is_empty() {
            let by_bytes = last.and_then(|last| {
                let behind = || self.behind_opaque_layer_4(last, call.received?);
                self.index.server_of(last).or_else(behind)
            });
            servers.extend(by_bytes);
        }
        servers
    }

    /// A request reaches a server through the layer-4 proxies right in front of it, and is answered.
    ///
    /// The time until the first of these has it is `owner`'s. `others` are servers that name the same parent.
    pub(super) fn visit(
        &mut self,
        owner: Owner<'_>,
        relays: &[Relayed<'a>],
        server: &'a Span,
        others: &[&'a Span],
        back: u64,
        through: &mut Vec<String>,
    ) {
        through.extend(relays.iter().map(|relayed| relayed.span.hop.to_string()));
        let read = server
            .stamp(Direction::Request, Event::Wake)
            .map_or_else(|| self.begun(server), |stamp| stamp.at);
        self.across(owner, relays, &Arrival::of(server, Direction::Request, read), back);
        self.visited(server);
        self.server(server, others, back);
        self.sent_by(server);
    }

    /// When a server without stamps began: not before it was called, where its clock leaves room for that.
    pub(super) fn begun(&self, server: &Span) -> u64 {
        self.cursor.clamp(server.start, server.latest_start())
    }

    /// Until the first of some layer-4 proxies has the bytes, or their receiver when there is none, the time is
    /// `owner`'s; then they pass the proxies and arrive.
    pub(super) fn across(&mut self, owner: Owner<'_>, relays: &[Relayed<'_>], into: &Arrival<'_>, back: u64) {
        let is_leg = owner.kind == PartKind::Leg;
        if !is_leg {
            self.held = None;
        }
        let mut from = owner.hop.to_owned();
        if let Some((first, rest)) = relays.split_first() {
            from = self.pass(owner, &Arrival::at(first), first, back);
            for relayed in rest {
                from = self.relay(&from, relayed, back);
            }
        } else if is_leg {
            return self.arrive(owner, into, back);
        } else {
            // What an opaque program wrote, and when, nobody saw: its time ends where the receiver's kernel had it.
            self.until(into.had().min(back).max(self.cursor), owner);
        }
        let name = format!("{from} → {}", into.hop);
        self.arrive(Owner::leg(into.hop, &name), into, back);
    }

    /// By when a server's response was written. One without stamps ends its span a while after that, and whoever reads
    /// the response next may have it by then.
    pub(super) fn responded(&self, server: &'a Span, call: &Call<'a, '_>) -> u64 {
        if server.stamp(Direction::Response, Event::Tx).is_some() {
            return call.back;
        }
        let into = Arrival::of(call.client, Direction::Response, call.back);
        into.at_first(&self.relays_before(call.received)).had().min(call.back).max(self.cursor)
    }

    /// The response as it comes to the client.
    pub(super) fn returning(&self, call: &Call<'a, '_>) -> Arrival<'a> {
        Arrival::of(call.client, Direction::Response, call.had.max(self.cursor))
    }

    /// The response's way from a server to the client.
    fn response_path(&mut self, server: &'a Span, call: &Call<'a, '_>, through: &mut Vec<String>) {
        let (from, at) = self.relays_back(server, call.received, call.back, through);
        let into = self.returning(call);
        let back = into.read();
        let name = format!("{from} → {}", call.hop);
        if let (Some(at), Some(received)) = (at, call.received)
            && at.flow == received.flow
        {
            return self.arrive(Owner::leg(call.hop, &name), &into, back);
        }
        let relays = self.relays_home(call, through);
        if let (Some(_), Some(received)) = (at, call.received) {
            // Who had to pass it on has not said so, or reports nothing.
            let wrote = relays.first().map_or(received, |first| &first.read);
            self.expect(wrote);
            let hop = self.opaque_name(wrote);
            let name = format!("{} (response)", self.opaque_names(wrote, &from));
            return self.across(Owner::opaque(&hop, &name), &relays, &into, back);
        }
        let to = relays.first().map_or(call.hop, |first| &first.span.hop);
        let name = format!("{from} → {to}");
        self.across(Owner::leg(to, &name).inferred(), &relays, &into, back);
    }
}

impl Owner<'_> {
    /// Nobody stamped where it begins.
    pub(super) fn inferred(self) -> Self {
        Owner { quality: Quality::Inferred, ..self }
    }
}
