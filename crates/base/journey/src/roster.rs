//! What the plan says of the programs on the way: who listens where, who reports, and where the stages begin.
//!
//! Everything that the tiler knows of a stack it has from here, so that any stack tiles: with or without a load
//! balancer, an ingress, several regions.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::part::Stage;

/// One program of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The instance's name (`service.name` of its spans).
    pub name: String,
    /// Its role, the same for all replicas. A label: nothing depends on which it is.
    pub role: String,
    /// Does it report spans? If not it is opaque, and its time is inferred from its neighbours.
    pub reports: bool,
    /// Does it keep what it reports in a flight recorder until somebody asks for it? It sees no trace context, so it
    /// cannot know what is recorded.
    pub keeps: bool,
    /// Which stage of the journey begins when a request has arrived here: [`Stage::ToPod`] at the edge,
    /// [`Stage::Application`] at what answers in the end; `None` for all others on the way.
    pub begins: Option<Stage>,
    /// Who gets the requests that it passes on, by name. While nobody behind an opaque hop has
    /// reported, the journey is not complete.
    pub onward: Vec<String>,
}

/// Who listens where, and who reports.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    by_address: HashMap<SocketAddr, Hop>,
    by_name: HashMap<String, Hop>,
}

impl Roster {
    /// Adds a hop and the addresses it listens on.
    pub fn add(&mut self, hop: Hop, addresses: impl IntoIterator<Item = SocketAddr>) {
        for address in addresses {
            self.by_address.insert(address, hop.clone());
        }
        self.by_name.insert(hop.name.clone(), hop);
    }

    /// The hop that listens on an address.
    pub fn at(&self, address: SocketAddr) -> Option<&Hop> {
        self.by_address.get(&address)
    }

    /// An opaque hop that passes requests on to another one, directly.
    pub fn opaque_before(&self, name: &str) -> Option<&Hop> {
        let before = |hop: &&Hop| !hop.reports && hop.onward.iter().any(|onward| onward == name);
        self.by_name.values().filter(before).min_by_key(|hop| &hop.name)
    }

    /// The hops behind an opaque one that should report, through opaque ones in between.
    pub(crate) fn reporters_behind(&self, opaque: &Hop) -> Vec<&Hop> {
        self.behind(opaque, |hop| !hop.reports).into_iter().filter(|hop| hop.reports).collect()
    }

    /// Do requests pass a hop on their way to another one?
    pub(crate) fn leads(&self, from: &Hop, to: &str) -> bool {
        self.behind(from, |_| true).into_iter().any(|hop| hop.name == to)
    }

    /// An opaque hop and the opaque ones behind it, in order, on the way to another hop: between them nobody
    /// can tell who had the request.
    pub(crate) fn opaque_chain<'a>(&'a self, first: &'a Hop, to: &str) -> Vec<&'a str> {
        let mut chain = vec![first];
        while let Some(next) = chain.last().and_then(|last| {
            let mut behind = last.onward.iter().filter_map(|name| self.by_name.get(name));
            behind.find(|hop| !hop.reports && !chain.contains(hop) && self.leads(hop, to))
        }) {
            chain.push(next);
        }
        chain.into_iter().map(|hop| hop.name.as_str()).collect()
    }

    /// Everyone behind a hop, looking through those that `through` allows.
    fn behind(&self, first: &Hop, through: impl Fn(&Hop) -> bool) -> Vec<&Hop> {
        let mut found: Vec<&Hop> = Vec::new();
        let mut waiting: Vec<&String> = first.onward.iter().collect();
        while let Some(name) = waiting.pop() {
            let Some(hop) = self.by_name.get(name) else { continue };
            if found.iter().all(|seen| seen.name != hop.name) {
                found.push(hop);
                if through(hop) {
                    waiting.extend(&hop.onward);
                }
            }
        }
        found
    }

    /// Does no hop of the plan pass requests on to this one? What it gets comes from outside.
    pub fn is_first(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
            && self.by_name.values().all(|hop| hop.onward.iter().all(|onward| onward != name))
    }

    /// The hops with a flight recorder that pass requests on to another one, directly.
    pub(crate) fn recorders_before(&self, name: &str) -> impl Iterator<Item = &Hop> {
        let before = move |hop: &&Hop| hop.keeps && hop.onward.iter().any(|onward| onward == name);
        self.by_name.values().filter(before)
    }

    /// The hops with a flight recorder behind an opaque one, however far.
    pub(crate) fn recorders_behind(&self, opaque: &Hop) -> impl Iterator<Item = &Hop> {
        self.behind(opaque, |_| true).into_iter().filter(|hop| hop.keeps)
    }

    /// The hop of this name.
    pub fn named(&self, name: &str) -> Option<&Hop> {
        self.by_name.get(name)
    }

    /// A hop's role; its own name when the plan does not know it.
    pub fn role<'a>(&'a self, name: &'a str) -> &'a str {
        self.by_name.get(name).map_or(name, |hop| &hop.role)
    }
}
