//! Programs that report nothing: what they had is concluded from their neighbours, and who else should have reported.

use super::arrival::Arrival;
use super::{MAX_DEPTH, Owner, Tiler};
use crate::part::Stage;
use crate::roster::Hop;
use crate::span::Span;
use crate::stamp::{Direction, Stamp};

impl Tiler<'_> {
    /// A program that reports nothing stands between a sender and a server that knows its cause: it had the request
    /// from the sender's write to the first layer-4 proxy (or server) behind it.
    ///
    /// Adds the layer-4 proxies that it finds behind to `through`.
    pub(super) fn opaque_between(
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
        while let Some(relayed) = self.index.relay_to(&at).filter(|_| behind.len() < usize::from(MAX_DEPTH)) {
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
        let owner = Owner::opaque(&hop, &name);
        if let Some(first) = behind.last() {
            self.arrive(owner, &Arrival::of(first.span, first.read.direction, first.read.at), back);
            self.until(first.written.at.min(back), Owner::own(&first.span.hop, ""));
            let mut from = first.span.hop.to_string();
            for relayed in behind.iter().rev().skip(1) {
                from = self.relay(&from, relayed, back);
            }
            from
        } else {
            self.held = None;
            // Who reads it is told by `arrive`, which comes next: here the opaque program's time ends.
            let queued = Arrival::of(server, Direction::Request, read.at).queued();
            self.until(queued.map_or(read.at, |stamp| stamp.at).min(back), owner);
            hop
        }
    }

    /// Nobody reported these bytes: an opaque program had them, or one that should have reported.
    pub(super) fn unreported(&mut self, sent: &Stamp, client: &Span, back: u64) {
        self.expect(sent);
        let opaque = self.roster.at(sent.flow.server).filter(|known| !known.reports);
        // A handshake is never passed on: nobody behind has anything to say about it.
        let passed_on = opaque.filter(|_| self.stage != Stage::Tls);
        if let Some(behind) = passed_on.and_then(|known| self.roster.reporters_behind(known).first().copied())
        {
            self.miss(behind);
        }
        let hop = self.opaque_name(sent);
        let owner = Owner::opaque(&hop, "");
        self.arrive(owner, &Arrival::of(client, Direction::Response, back), back);
    }

    /// The hop that listens where these bytes went.
    pub(super) fn opaque_name(&self, stamp: &Stamp) -> String {
        let server = stamp.flow.server;
        self.roster.at(server).map_or_else(|| server.to_string(), |known| known.name.clone())
    }

    /// Everyone who had the request between an opaque hop and the next one that reports.
    pub(super) fn opaque_names(&self, stamp: &Stamp, to: &str) -> String {
        let opaque = self.roster.at(stamp.flow.server).filter(|known| !known.reports);
        opaque
            .map_or_else(|| self.opaque_name(stamp), |known| self.roster.opaque_chain(known, to).join(" + "))
    }

    /// A hop that should have reported these bytes has not, or not yet.
    pub(super) fn expect(&mut self, sent: &Stamp) {
        if let Some(known) = self.roster.at(sent.flow.server).filter(|known| known.reports) {
            self.miss(known);
        }
    }

    /// The journey is not sealed before this hop has reported.
    fn miss(&mut self, known: &Hop) {
        if !self.silent.contains(&known.name) {
            self.silent.push(known.name.clone());
        }
    }
}
