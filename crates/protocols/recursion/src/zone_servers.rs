//! One question to the servers of one zone, some of which may be dead, slow or lame.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dnswire::ExtendedError;
use hickory_proto::rr::{Name, RecordType};
use hop::clock;
use parking_lot::Mutex;
use rand::seq::SliceRandom as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bailiwick::{self, Classified};
use crate::cache::{Cache, Delegation, End, Finding};
use crate::query_trace::{MAX_QUERIES, QueryTrace};
use crate::servers::Servers;
use crate::upstream::{RETRANSMIT_AFTER, TIMEOUT};

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// Finds the addresses of a name server that came without glue.
pub(crate) type FindAddresses<'a> = dyn Fn(Name) -> Boxed<'a, Vec<IpAddr>> + Send + Sync + 'a;

/// The servers of any zone, for one client's question.
pub(crate) struct ZoneServers<'a> {
    servers: &'a Arc<Servers>,
    cache: &'a dyn Cache,
    trace: Arc<QueryTrace>,
    /// How much longer name servers may leave us waiting for nothing, in all.
    time_left: Mutex<Duration>,
}

impl<'a> ZoneServers<'a> {
    pub(crate) fn new(servers: &'a Arc<Servers>, cache: &'a dyn Cache, trace: Arc<QueryTrace>) -> Self {
        ZoneServers { servers, cache, trace, time_left: Mutex::new(TIMEOUT) }
    }

    /// Queries the servers of a zone, one after the other, until one says something useful; the last lame
    /// response if none does.
    ///
    /// Who is silent for [`RETRANSMIT_AFTER`] gets company: the next server is queried as well, and the first
    /// response counts.
    pub(crate) async fn query(
        &self,
        delegation: &Delegation,
        name: &Name,
        kind: RecordType,
        find_addresses: &FindAddresses<'_>,
    ) -> Result<Classified, ExtendedError> {
        let _permit = self.servers.wait_for(&delegation.zone)?;
        let begun = clock::monotonic();
        let time_left = *self.time_left.lock();
        let mut last = Err(unreachable(format!("no name server of {} has an address", delegation.zone)));
        let (mut addresses, mut without_glue) = self.addresses(delegation, &mut last);
        let mut queries = JoinSet::new();
        let mut silent: Vec<IpAddr> = Vec::new();
        loop {
            if addresses.is_empty()
                && let Some(server) = without_glue.pop()
            {
                addresses.extend(find_addresses(server).await);
                addresses.retain(|address| self.usable(*address, &mut last));
            }
            if let Some(address) = addresses.pop_front() {
                if !self.trace.may_query() {
                    let text = format!("this question needs more than {MAX_QUERIES} others");
                    return Err(ExtendedError { code: ExtendedError::OTHER, text });
                }
                silent.push(address);
                let (servers, trace) = (Arc::clone(self.servers), Arc::clone(&self.trace));
                let query = servers.query(address, name.clone(), kind, trace);
                queries.spawn(async move { (address, query.await) });
            }
            let more = !addresses.is_empty() || !without_glue.is_empty();
            // The query ends by itself a moment before.
            let left = (time_left + RETRANSMIT_AFTER / 3).saturating_sub(clock::since(begun));
            let wait = if more { left.min(RETRANSMIT_AFTER) } else { left };
            match timeout(wait, queries.join_next()).await {
                Ok(Some(Ok((address, Ok(response))))) => {
                    silent.retain(|other| *other != address);
                    match bailiwick::classify(&delegation.zone, name, kind, &response) {
                        Classified::Lame(text) => last = Ok(self.lame(address, text)),
                        useful => {
                            let (mut health, now) = (self.servers.health(), clock::monotonic());
                            silent.into_iter().for_each(|server| health.avoid(server, now));
                            return Ok(useful);
                        }
                    }
                }
                Ok(Some(Ok((address, Err(text))))) => {
                    silent.retain(|other| *other != address);
                    last = Err(unreachable(text));
                }
                Ok(None) if !more => break,
                Ok(_) => {}
                Err(_) if more && clock::since(begun) < time_left => {}
                Err(_) => break,
            }
        }
        let mut left = self.time_left.lock();
        *left = left.saturating_sub(clock::since(begun));
        last
    }

    /// Others of its zone are queried first from now on.
    fn lame(&self, address: IpAddr, text: String) -> Classified {
        self.servers.health().avoid(address, clock::monotonic());
        let server = self.servers.locate(address);
        let server = server.map_or_else(|error| error, |server| format!("name server {server}: "));
        Classified::Lame(format!("{server}{text}"))
    }

    /// The addresses of a zone's servers that are known, best first, and the servers without any.
    fn addresses(
        &self,
        delegation: &Delegation,
        last: &mut Result<Classified, ExtendedError>,
    ) -> (VecDeque<IpAddr>, Vec<Name>) {
        let (mut addresses, mut without) = (Vec::new(), Vec::new());
        for server in &delegation.servers {
            // What the server's own zone says counts more than the parent's glue (RFC 2181 §5.4.1).
            let own = [RecordType::A, RecordType::AAAA].map(|kind| self.cache.find(&server.name, kind));
            let own: Vec<IpAddr> =
                own.into_iter().flatten().flat_map(|finding| addresses_in(&finding)).collect();
            match (own.is_empty(), server.glue.is_empty()) {
                (false, _) => addresses.extend(own),
                (true, false) => addresses.extend(&server.glue),
                (true, true) => without.push(server.name.clone()),
            }
        }
        // Two names can be one server.
        addresses.sort_unstable();
        addresses.dedup();
        // In no fixed order: it spreads the load, and a forger has more to guess (RFC 5452 §9.2).
        addresses.shuffle(&mut rand::rng());
        without.shuffle(&mut rand::rng());
        addresses.retain(|address| self.usable(*address, last));
        let now = clock::monotonic();
        addresses.sort_by_key(|address| self.servers.health().is_avoided(*address, now));
        (addresses.into(), without)
    }

    /// Is the server thought to be alive? If not, that is why this question fails too.
    fn usable(&self, address: IpAddr, last: &mut Result<Classified, ExtendedError>) -> bool {
        let health = self.servers.health();
        let Some(reason) = health.is_dead(address, clock::monotonic()) else { return true };
        if last.is_err() {
            *last = Err(unreachable(format!("{reason}, a moment ago")));
        }
        false
    }
}

fn unreachable(text: String) -> ExtendedError {
    ExtendedError { code: ExtendedError::NO_REACHABLE_AUTHORITY, text }
}

fn addresses_in(finding: &Finding) -> Vec<IpAddr> {
    match &finding.end {
        End::Records(records) => records.iter().filter_map(|record| record.data.ip_addr()).collect(),
        _ => Vec::new(),
    }
}
