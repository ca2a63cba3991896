//! Layer-4 proxies on a message's way: who passed it on, as they reported it, and for how long each had it.

use super::arrival::Arrival;
use super::exchange::Call;
use super::{MAX_DEPTH, Owner, Tiler};
use crate::index::Relayed;
use crate::span::Span;
use crate::stamp::{Direction, Event, Stamp};

impl<'a> Tiler<'a> {
    /// Follows a response through the layer-4 proxies that reported it, as far as they did: who has it then, and
    /// where it was written last.
    pub(super) fn relays_back(
        &mut self,
        server: &'a Span,
        received: Option<&Stamp>,
        back: u64,
        through: &mut Vec<String>,
    ) -> (String, Option<Stamp>) {
        let mut from = server.hop.to_string();
        let mut at = server.stamp(Direction::Response, Event::Tx).copied();
        while let Some(stamp) = at.filter(|stamp| received.is_none_or(|it| it.flow != stamp.flow)) {
            let Some(relayed) = self.index.relay_from(&stamp) else { break };
            from = self.relay(&from, &relayed, back);
            through.retain(|name| *name != from);
            at = Some(relayed.written);
        }
        (from, at)
    }

    /// Follows a request through layer-4 proxies that reported it, to where it was written last.
    pub(super) fn relays_forth(&self, sent: Option<&Stamp>) -> (Vec<Relayed<'a>>, Option<Stamp>) {
        let mut found = Vec::new();
        let mut at = sent.copied();
        while let Some(relayed) =
            at.and_then(|at| self.index.relay_from(&at)).filter(|_| found.len() < usize::from(MAX_DEPTH))
        {
            at = Some(relayed.written);
            found.push(relayed);
        }
        (found, at)
    }

    /// The layer-4 proxies that reported a message right before it arrived, in the order in which it passed them.
    pub(super) fn relays_before(&self, read: Option<&Stamp>) -> Vec<Relayed<'a>> {
        self.index.relays_before(read)
    }

    /// A leg into a layer-4 proxy and the proxy's own time; returns the proxy's name.
    pub(super) fn relay(&mut self, from: &str, relayed: &Relayed<'_>, back: u64) -> String {
        let hop = &*relayed.span.hop;
        let name = format!("{from} → {hop}");
        let connect = self.index.connects_for(relayed.read.flow).find(|connect| {
            let forth = relayed.read.direction == Direction::Request;
            forth && connect.start >= self.start && connect.end <= relayed.read.at
        });
        if connect.is_some() {
            self.counts.connections_opened += 1;
            self.counts.spans += 1;
        }
        self.pass(Owner::leg(hop, &name), &Arrival::at(relayed).after(connect), relayed, back)
    }

    /// Until a layer-4 proxy has a chunk the time is `owner`'s, then the proxy's own; returns the proxy's name.
    pub(super) fn pass(
        &mut self,
        owner: Owner<'_>,
        into: &Arrival<'_>,
        relayed: &Relayed<'_>,
        back: u64,
    ) -> String {
        self.counts.spans += 1;
        self.arrive(owner, into, back);
        if relayed.read.direction == Direction::Request {
            self.begin_stage(into.hop);
        }
        self.until(relayed.written.at.min(back), Owner::own(into.hop, ""));
        into.hop.to_owned()
    }

    /// The layer-4 proxies that reported the response right before the client had it: they are no longer among those
    /// that have to pass it.
    pub(super) fn relays_home(&self, call: &Call<'a, '_>, through: &mut Vec<String>) -> Vec<Relayed<'a>> {
        let relays = self.relays_before(call.received);
        through.retain(|name| relays.iter().all(|relayed| relayed.span.hop != *name));
        relays
    }
}
