//! One question to the servers of one zone, some of which may be dead, slow or lame.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use dnswire::ExtendedError;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};
use hop::clock;
use rand::seq::SliceRandom as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bailiwick::{self, Reading};
use crate::cache::{Delegation, End, Finding};
use crate::exchange::RESEND_AFTER;
use crate::iterate::Iteration;
use crate::query_trace::MOST_QUESTIONS;
use crate::resolver::Waiting;

/// How deep the search for a server's address may itself need a server's address.
const DEPTH: usize = 4;

impl Iteration<'_> {
    /// Asks the servers of a zone, one after the other, until one says something useful; the last lame answer
    /// if none does.
    ///
    /// Who is silent for [`RESEND_AFTER`] gets company: the next server is asked as well, and the first answer
    /// counts.
    pub(crate) async fn ask_zone(
        &self,
        delegation: &Delegation,
        name: &Name,
        kind: RecordType,
        waits: &[Name],
    ) -> Result<Reading, ExtendedError> {
        let _waiting = Waiting::begin(self.resolver, &delegation.zone)?;
        let begun = clock::monotonic();
        let patience = *self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = Err(ExtendedError {
            code: ExtendedError::NO_REACHABLE_AUTHORITY,
            text: format!("no name server of {} has an address", delegation.zone),
        });
        let (mut addresses, mut without_glue) = self.addresses(delegation, &mut last);
        let mut asking = JoinSet::new();
        let mut silent: Vec<IpAddr> = Vec::new();
        loop {
            if addresses.is_empty()
                && let Some(server) = without_glue.pop()
            {
                addresses.extend(self.address_of(&server, waits).await);
                addresses.retain(|address| self.usable(*address, &mut last));
            }
            if let Some(address) = addresses.pop_front() {
                if !self.trace.may_ask() {
                    let text = format!("this question needs more than {MOST_QUESTIONS} others");
                    return Err(ExtendedError { code: ExtendedError::OTHER, text });
                }
                silent.push(address);
                let asked = Arc::clone(self.resolver).ask_server(
                    address,
                    name.clone(),
                    kind,
                    Arc::clone(&self.trace),
                );
                asking.spawn(async move { (address, asked.await) });
            }
            let more = !addresses.is_empty() || !without_glue.is_empty();
            // The exchange ends by itself a moment before.
            let left = (patience + RESEND_AFTER / 3).saturating_sub(clock::since(begun));
            let wait = if more { left.min(RESEND_AFTER) } else { left };
            match timeout(wait, asking.join_next()).await {
                Ok(Some(Ok((address, Ok(response))))) => {
                    silent.retain(|other| *other != address);
                    match bailiwick::read(&delegation.zone, name, kind, &response) {
                        Reading::Lame(text) => {
                            self.resolver.health().avoid(address, clock::monotonic());
                            let server = self.resolver.servers.locate(address);
                            let server =
                                server.map_or_else(|error| error, |server| format!("name server {server}: "));
                            last = Ok(Reading::Lame(format!("{server}{text}")));
                        }
                        useful => {
                            let (mut health, now) = (self.resolver.health(), clock::monotonic());
                            silent.into_iter().for_each(|server| health.avoid(server, now));
                            return Ok(useful);
                        }
                    }
                }
                Ok(Some(Ok((address, Err(text))))) => {
                    silent.retain(|other| *other != address);
                    last = Err(ExtendedError { code: ExtendedError::NO_REACHABLE_AUTHORITY, text });
                }
                Ok(None) if !more => break,
                Ok(_) => {}
                Err(_) if more && clock::since(begun) < patience => {}
                Err(_) => break,
            }
        }
        let mut left = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(clock::since(begun));
        last
    }

    /// The addresses of a zone's servers that are known, best first, and the servers without any.
    fn addresses(
        &self,
        delegation: &Delegation,
        last: &mut Result<Reading, ExtendedError>,
    ) -> (VecDeque<IpAddr>, Vec<Name>) {
        let now = clock::monotonic();
        let (mut addresses, mut without) = (Vec::new(), Vec::new());
        for server in &delegation.servers {
            // What the server's own zone says counts more than the parent's glue (RFC 2181 §5.4.1).
            let mut cache = self.resolver.cache();
            let own = [RecordType::A, RecordType::AAAA].map(|kind| cache.find(&server.name, kind, now));
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
        addresses.sort_by_key(|address| self.resolver.health().is_avoided(*address, now));
        (addresses.into(), without)
    }

    /// Is the server thought to be alive? If not, that is why this question fails too.
    fn usable(&self, address: IpAddr, last: &mut Result<Reading, ExtendedError>) -> bool {
        let health = self.resolver.health();
        let Some(reason) = health.is_dead(address, clock::monotonic()) else { return true };
        let text = format!("{reason}, a moment ago");
        if last.is_err() {
            *last = Err(ExtendedError { code: ExtendedError::NO_REACHABLE_AUTHORITY, text });
        }
        false
    }

    /// Finds the address of a name server that came without glue.
    async fn address_of(&self, server: &Name, waits: &[Name]) -> Vec<IpAddr> {
        // Two zones can each have their only server in the other.
        if waits.len() >= DEPTH || waits.contains(server) {
            return Vec::new();
        }
        for kind in [RecordType::A, RecordType::AAAA] {
            let outcome = self.lookup(server.clone(), kind, waits).await;
            let found: Vec<IpAddr> =
                outcome.answers.iter().filter_map(|record| record.data.ip_addr()).collect();
            if !found.is_empty() || outcome.code != ResponseCode::NoError {
                return found;
            }
        }
        Vec::new()
    }
}

fn addresses_in(finding: &Finding) -> Vec<IpAddr> {
    match &finding.end {
        End::Records(records) => records.iter().filter_map(|record| record.data.ip_addr()).collect(),
        _ => Vec::new(),
    }
}
