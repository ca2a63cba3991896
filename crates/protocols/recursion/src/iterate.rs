//! From the root down to the records.
//!
//! [`Recursor::resolve`] follows aliases from name to name; `Iteration::descend` goes down the tree for one of
//! them, from the closest zone whose servers are known to the one that answers. The algorithm is that of
//! RFC 1034 §5.3.3, with the names shortened as RFC 9156 §3 says. How a usable response is got out of one
//! zone's servers is in `zone_servers`.

use std::net::IpAddr;
use std::sync::Arc;

use dnswire::ExtendedError;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};

use crate::bailiwick::Classified;
use crate::cache::{Cache, Delegation, End, Finding, NameServer};
use crate::chain::Chain;
use crate::minimise::{Minimiser, PROBE};
use crate::outcome::Outcome;
use crate::query_trace::QueryTrace;
use crate::server_map::ServerMap;
use crate::servers::Servers;
use crate::zone_servers::{Boxed, ZoneServers};

/// How deep the search for a server's address may itself need a server's address.
const DEPTH: usize = 4;

/// Finds what questions come to. It knows the root, and what it has learned since.
pub struct Recursor {
    root: Delegation,
    servers: Arc<Servers>,
    cache: Arc<dyn Cache>,
}

impl Recursor {
    /// Begins with nothing but the addresses of the root's servers, and whatever `cache` knows.
    pub fn new(roots: Vec<IpAddr>, map: ServerMap, cache: Arc<dyn Cache>) -> Self {
        let root = NameServer { name: Name::root(), glue: roots };
        Recursor {
            root: Delegation { zone: Name::root(), servers: vec![root] },
            servers: Arc::new(Servers::new(map, Arc::clone(&cache))),
            cache,
        }
    }

    /// What the question comes to, if the cache has all of it.
    pub fn cached(&self, name: &Name, kind: RecordType) -> Option<Outcome> {
        Chain::new(name, kind).follow_in(&*self.cache)
    }

    /// Finds what the question comes to by querying name servers, each query a child of `trace`.
    pub async fn resolve(&self, name: Name, kind: RecordType, trace: Arc<QueryTrace>) -> Outcome {
        let zones = ZoneServers::new(&self.servers, &*self.cache, trace);
        Iteration { recursor: self, zones }.lookup(name, kind, &[]).await
    }
}

/// The work for one client's question.
struct Iteration<'a> {
    recursor: &'a Recursor,
    zones: ZoneServers<'a>,
}

impl Iteration<'_> {
    /// Follows `name` through its aliases to the records of the type. `dependents` are the names that wait for
    /// this one, because it is a name server of theirs.
    fn lookup<'b>(&'b self, name: Name, kind: RecordType, dependents: &'b [Name]) -> Boxed<'b, Outcome> {
        Box::pin(async move {
            let mut chain = Chain::new(&name, kind);
            loop {
                if let Some(outcome) = chain.follow_in(&*self.recursor.cache) {
                    return outcome;
                }
                let dependents: Vec<Name> = dependents.iter().chain([&chain.at]).cloned().collect();
                match self.descend(&chain.at, kind, &dependents).await {
                    Ok(finding) => {
                        if let Some(outcome) = chain.take(finding) {
                            return outcome;
                        }
                    }
                    Err(reason) => return reason.into(),
                }
            }
        })
    }

    /// Goes down the tree to the servers that answer for `name`.
    async fn descend(
        &self,
        name: &Name,
        kind: RecordType,
        dependents: &[Name],
    ) -> Result<Finding, ExtendedError> {
        let cache = &self.recursor.cache;
        let mut delegation = cache.delegation(name, kind).unwrap_or_else(|| self.recursor.root.clone());
        let mut minimiser = Minimiser::new(name);
        loop {
            let shown = minimiser.next(&delegation.zone);
            let probing = shown != *name;
            let query_type = if probing { PROBE } else { kind };
            if probing && let Some(known) = cache.find(&shown, PROBE) {
                if matches!(known.end, End::NxDomain(_)) {
                    minimiser.give_up();
                }
                continue;
            }
            minimiser.count_sent();
            let find_address = |server| self.addresses_of(server, dependents);
            match self.zones.query(&delegation, &shown, query_type, &find_address).await? {
                Classified::Referral(next, ttl) => {
                    cache.keep_delegation(next.clone(), ttl);
                    delegation = next;
                }
                Classified::Finding(finding) => {
                    cache.keep(&shown, query_type, &finding);
                    if !probing {
                        return Ok(finding);
                    }
                    if matches!(finding.end, End::NxDomain(_)) {
                        minimiser.give_up();
                    }
                }
                Classified::Lame(_) if probing => minimiser.give_up(),
                Classified::Lame(text) => {
                    return Err(ExtendedError { code: ExtendedError::NO_REACHABLE_AUTHORITY, text });
                }
            }
        }
    }

    /// Finds the addresses of a name server that came without glue.
    fn addresses_of<'b>(&'b self, server: Name, dependents: &'b [Name]) -> Boxed<'b, Vec<IpAddr>> {
        Box::pin(async move {
            // Two zones can each have their only server in the other.
            if dependents.len() >= DEPTH || dependents.contains(&server) {
                return Vec::new();
            }
            for kind in [RecordType::A, RecordType::AAAA] {
                let outcome = self.lookup(server.clone(), kind, dependents).await;
                let found: Vec<IpAddr> =
                    outcome.answers.iter().filter_map(|record| record.data.ip_addr()).collect();
                if !found.is_empty() || outcome.code != ResponseCode::NoError {
                    return found;
                }
            }
            Vec::new()
        })
    }
}
