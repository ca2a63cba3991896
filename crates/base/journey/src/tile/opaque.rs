//! Programs that report nothing: what they had is concluded from their neighbours, and who else should have reported.

use super::arrival::Arrival;
use super::exchange::Call;
use super::{Owner, Tiler};
use crate::index::Relayed;
use crate::part::Stage;
use crate::roster::Hop;
use crate::span::Span;
use crate::stamp::{Direction, Event, Stamp};

impl<'a> Tiler<'a> {
    /// An opaque program (or several in a row) got the request at `last`, and called `servers`, which know the cause,
    /// one after the other. It has the time in which none of the programs that report has the request.
    pub(super) fn opaque_between(
        &mut self,
        call: &Call<'a, '_>,
        last: &Stamp,
        servers: &[&'a Span],
        mut through: Vec<String>,
    ) {
        self.expect(last);
        let before = self.stage;
        self.pass_edge();
        let opaque = self.opaque_name(last);
        let mut when = "request";
        let mut first = String::new();
        let mut home = None;
        for server in servers {
            // One that began while another was answering is not on the way of the time.
            if server.latest_end() <= self.cursor {
                self.visited(server);
                continue;
            }
            let relays = self.relays_before(server.stamp(Direction::Request, Event::Wake));
            let to = relays.first().map_or(&*server.hop, |first| &first.span.hop).to_owned();
            let stamped = !relays.is_empty() || server.stamp(Direction::Request, Event::Wake).is_some();
            self.between(last, &to, stamped);
            let names = self.opaque_names(last, &to);
            let name = format!("{names} ({when})");
            let back = self.responded(server, call);
            self.visit(Owner::opaque(&opaque, &name), &relays, server, &[], back, &mut through);
            let (from, written) = self.relays_back(server, call.received, call.back, &mut through);
            home = written
                .filter(|written| call.received.is_some_and(|it| it.flow == written.flow))
                .map(|_| from);
            when = "between";
            first = to;
        }
        let begun = self.stage;
        let into = self.returning(call);
        if let Some(from) = home {
            // Whoever was missing on the way there has reported the way back.
            self.end_stage(before, begun);
            let name = format!("{from} → {}", call.hop);
            self.arrive(Owner::leg(call.hop, &name), &into, into.read());
            return self.missed(through);
        }
        let relays = self.relays_home(call, &mut through);
        let name = format!("{} (response)", self.opaque_names(last, &first));
        let owner = Owner::opaque(&opaque, &name);
        self.until_gone(owner, &relays, &into);
        self.end_stage(before, begun);
        self.across(owner, &relays, &into, into.read());
        self.missed(through);
    }

    /// Nobody reported these bytes: an opaque program had them, or one that should have reported.
    pub(super) fn unreported(&mut self, call: &Call<'a, '_>, last: Option<&Stamp>, mut through: Vec<String>) {
        let into = self.returning(call);
        let back = into.read();
        let Some(last) = last else {
            // Without a stamp, only what the client says of its peer tells whom it called.
            let peer = call.client.peer().and_then(|peer| self.roster.at(peer));
            if call.client.passes_context_on() {
                self.may_follow(peer, call.hop);
            }
            let owner = Owner::opaque(peer.map_or(call.hop, |peer| &peer.name), &call.client.name);
            return self.until(back, owner);
        };
        self.expect(last);
        let opaque = self.opaque_at(last);
        // A handshake is never passed on: nobody behind has anything to say about it.
        if let Some(opaque) = opaque.filter(|_| self.stage != Stage::Tls) {
            for behind in self.roster.reporters_behind(opaque) {
                self.may_report(&behind.name);
            }
        }
        let hop = self.opaque_name(last);
        let before = self.stage;
        self.begin_stage(&hop);
        let begun = self.stage;
        let relays = self.relays_home(call, &mut through);
        let owner = Owner::opaque(&hop, "");
        self.until_gone(owner, &relays, &into);
        self.end_stage(before, begun);
        if relays.is_empty() {
            self.arrive(owner, &into, back);
        } else {
            self.across(owner, &relays, &into, back);
        }
        self.missed(through);
    }

    /// Between a program without stamps and `to`, the first one behind it that reported, layer-4 proxies may lie that
    /// have not reported yet.
    pub(super) fn may_lie_between(&mut self, caller: &str, to: &str) {
        let roster = self.roster;
        let Some(caller) = roster.named(caller).filter(|hop| !hop.onward.iter().any(|it| it == to)) else {
            return;
        };
        for behind in roster.reporters_behind(caller) {
            if behind.name != to && roster.leads(behind, to) {
                self.may_report(&behind.name);
            }
        }
    }

    /// A program without stamps may have called somebody who has not reported yet: `peer`, where it says so, else
    /// whomever the plan has behind it.
    pub(super) fn may_follow(&mut self, peer: Option<&'a Hop>, hop: &str) {
        let roster = self.roster;
        if let Some(peer) = peer.filter(|peer| peer.reports) {
            return self.may_report(&peer.name);
        }
        for behind in
            peer.or_else(|| roster.named(hop)).into_iter().flat_map(|it| roster.reporters_behind(it))
        {
            self.may_report(&behind.name);
        }
    }

    /// The time is an opaque program's until whoever is next has its response.
    fn until_gone(&mut self, owner: Owner<'_>, relays: &[Relayed<'a>], into: &Arrival<'a>) {
        let gone = into.at_first(relays).had().min(into.read());
        self.until(gone.max(self.cursor), owner);
    }

    /// The server behind an opaque layer-4 program: such a program changes no byte, so it is the one that read and
    /// wrote as many bytes on its connection, within the time of the exchange. `None` when there are several.
    pub(super) fn behind_opaque_layer_4(&self, sent: &Stamp, received: &Stamp) -> Option<&'a Span> {
        let opaque = self.opaque_at(sent)?;
        let is_behind =
            |server| self.roster.at(server).is_some_and(|known| self.roster.leads(opaque, &known.name));
        let mut found = self.index.servers_that_passed(sent, received, is_behind);
        let server = found.next()?;
        found.next().is_none().then_some(server)
    }

    /// The hop that listens where these bytes went, if it reports nothing.
    fn opaque_at(&self, stamp: &Stamp) -> Option<&'a Hop> {
        self.roster.at(stamp.flow.server).filter(|known| !known.reports)
    }

    /// The hop that listens where these bytes went.
    pub(super) fn opaque_name(&self, stamp: &Stamp) -> String {
        let server = stamp.flow.server;
        self.roster.at(server).map_or_else(|| server.to_string(), |known| known.name.clone())
    }

    /// Everyone who had the request between an opaque hop and the next one that reports.
    pub(super) fn opaque_names(&self, stamp: &Stamp, to: &str) -> String {
        self.opaque_at(stamp)
            .map_or_else(|| self.opaque_name(stamp), |known| self.roster.opaque_chain(known, to).join(" + "))
    }

    /// A hop that should have reported these bytes has not, or not yet.
    pub(super) fn expect(&mut self, sent: &Stamp) {
        if let Some(known) = self.roster.at(sent.flow.server).filter(|known| known.reports) {
            self.miss(&known.name);
        }
    }

    /// These passed a request on and have not said that they passed the response.
    pub(super) fn missed(&mut self, through: Vec<String>) {
        through.iter().for_each(|name| self.miss(name));
    }

    /// Between an opaque program at `last` and `first`, the first one behind it that reported, others may lie. Only
    /// stamps of `first` would tell that one of them is missing.
    fn between(&mut self, last: &Stamp, first: &str, stamped: bool) {
        let (roster, Some(opaque)) = (self.roster, self.opaque_at(last)) else { return };
        for name in roster.opaque_chain(opaque, first) {
            self.begin_stage(name);
        }
        for skipped in roster.reporters_behind(opaque) {
            if skipped.name == first || !roster.leads(skipped, first) {
                continue;
            }
            let next_to_it = skipped.onward.iter().any(|onward| onward == first);
            if next_to_it && stamped { self.miss(&skipped.name) } else { self.may_report(&skipped.name) }
        }
    }

    /// The journey is not sealed before this hop has reported.
    fn miss(&mut self, name: &str) {
        if !self.silent.iter().any(|it| it == name) {
            self.silent.push(name.to_owned());
        }
    }

    /// Nobody saw whether this hop was called at all.
    fn may_report(&mut self, name: &str) {
        if !self.awaited.iter().any(|it| it == name) {
            self.awaited.push(name.to_owned());
        }
    }
}
