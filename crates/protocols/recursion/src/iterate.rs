//! The walk from the root to the answer.
//!
//! `lookup` follows aliases from name to name; `iterate` walks down the tree for one of them, from the closest
//! zone whose servers are known to the one that answers. The algorithm is that of RFC 1034 §5.3.3, with the
//! names shortened as RFC 9156 §3 says. How a usable response is got out of one zone's servers is in
//! [`zone_servers`](crate::zone_servers).

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dnswire::ExtendedError;
use hickory_proto::rr::{Name, RecordType};
use hop::clock;

use crate::bailiwick::Reading;
use crate::cache::{End, Finding};
use crate::chain::Chain;
use crate::exchange::PATIENCE;
use crate::minimise::{Minimiser, PROBE};
use crate::outcome::Outcome;
use crate::query_trace::QueryTrace;
use crate::resolver::Resolver;

/// The work for one client's question.
pub(crate) struct Iteration<'a> {
    pub(crate) resolver: &'a Arc<Resolver>,
    pub(crate) trace: Arc<QueryTrace>,
    /// How much longer name servers may leave us waiting for nothing, in all.
    pub(crate) patience: Mutex<Duration>,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<'a> Iteration<'a> {
    pub(crate) fn new(resolver: &'a Arc<Resolver>, trace: Arc<QueryTrace>) -> Self {
        Iteration { resolver, trace, patience: Mutex::new(PATIENCE) }
    }

    /// Follows `name` through its aliases to the records of the type. `for_sake_of` are the names that wait
    /// for this one, because it is a name server of theirs.
    pub(crate) fn lookup<'b>(
        &'b self,
        name: Name,
        kind: RecordType,
        for_sake_of: &'b [Name],
    ) -> Boxed<'b, Outcome> {
        Box::pin(async move {
            let mut chain = Chain::new(&name, kind);
            loop {
                let known = chain.follow_in(&mut self.resolver.cache());
                if let Some(outcome) = known {
                    return outcome;
                }
                let waits: Vec<Name> = for_sake_of.iter().chain([&chain.at]).cloned().collect();
                match self.iterate(&chain.at, kind, &waits).await {
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

    /// Walks down the tree to the servers that answer for `name`.
    async fn iterate(&self, name: &Name, kind: RecordType, waits: &[Name]) -> Result<Finding, ExtendedError> {
        let known = self.resolver.cache().delegation(name, kind, clock::monotonic());
        let mut delegation = known.unwrap_or_else(|| self.resolver.roots.clone());
        let mut minimiser = Minimiser::new(name);
        loop {
            let shown = minimiser.next(&delegation.zone);
            let probing = shown != *name;
            let asked = if probing { PROBE } else { kind };
            if probing && let Some(known) = self.resolver.cache().find(&shown, PROBE, clock::monotonic()) {
                if matches!(known.end, End::NoName(_)) {
                    minimiser.give_up();
                }
                continue;
            }
            minimiser.count_sent();
            match self.ask_zone(&delegation, &shown, asked, waits).await {
                Ok(Reading::Referral(next, ttl)) => {
                    self.resolver.cache().keep_delegation(next.clone(), ttl, clock::monotonic());
                    delegation = next;
                }
                Ok(Reading::Finding(finding)) => {
                    self.resolver.cache().keep(&shown, asked, &finding, clock::monotonic());
                    if !probing {
                        return Ok(finding);
                    }
                    if matches!(finding.end, End::NoName(_)) {
                        minimiser.give_up();
                    }
                }
                Ok(Reading::Lame(_)) if probing => minimiser.give_up(),
                Ok(Reading::Lame(text)) => {
                    return Err(ExtendedError { code: ExtendedError::NO_REACHABLE_AUTHORITY, text });
                }
                Err(reason) => return Err(reason),
            }
        }
    }
}
