//! What is known of single name servers: who is silent, and who knows no EDNS.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::cache::FAILURE;

/// For this long a server that kept silent, or could not be reached, comes after all others of its zone.
const AVOIDED: Duration = Duration::from_secs(60);
/// For this long a server is queried without EDNS before that is tried again.
const WITHOUT_EDNS: Duration = Duration::from_secs(900);
/// The most servers of which something is remembered.
const MAX_SERVERS: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// What is known of name servers, by address.
pub(crate) struct Health {
    servers: LruCache<IpAddr, Known>,
}

#[derive(Default)]
struct Known {
    avoid_until: Option<Instant>,
    dead_until: Option<(Instant, String)>,
    without_edns_until: Option<Instant>,
}

impl Health {
    pub(crate) fn new() -> Self {
        Health { servers: LruCache::new(MAX_SERVERS) }
    }

    /// It did not respond, for this reason. It is left alone as long as any failure is remembered (RFC 9520
    /// §3.2), also for other names: thousands of questions for a zone whose server hangs must not wait each
    /// for itself.
    pub(crate) fn failed(&mut self, server: IpAddr, reason: String, now: Instant) {
        let known = self.servers.get_or_insert_mut(server, Known::default);
        known.avoid_until = Some(now + AVOIDED);
        known.dead_until = Some((now + FAILURE, reason));
    }

    /// It is slow to respond: others first.
    pub(crate) fn avoid(&mut self, server: IpAddr, now: Instant) {
        self.servers.get_or_insert_mut(server, Known::default).avoid_until = Some(now + AVOIDED);
    }

    /// It responded. True if it was thought dead.
    pub(crate) fn responded(&mut self, server: IpAddr) -> bool {
        let Some(known) = self.servers.peek_mut(&server) else { return false };
        known.avoid_until = None;
        known.dead_until.take().is_some()
    }

    /// It cannot read OPT records.
    pub(crate) fn knows_no_edns(&mut self, server: IpAddr, now: Instant) {
        self.servers.get_or_insert_mut(server, Known::default).without_edns_until = Some(now + WITHOUT_EDNS);
    }

    /// May a query have an OPT record?
    pub(crate) fn knows_edns(&self, server: IpAddr, now: Instant) -> bool {
        self.servers.peek(&server).and_then(|known| known.without_edns_until).is_none_or(|until| until <= now)
    }

    /// Do others come first?
    pub(crate) fn is_avoided(&self, server: IpAddr, now: Instant) -> bool {
        self.servers.peek(&server).and_then(|known| known.avoid_until).is_some_and(|until| now < until)
    }

    /// Why it is not queried at all at the moment.
    pub(crate) fn is_dead(&self, server: IpAddr, now: Instant) -> Option<&str> {
        let (until, reason) = self.servers.peek(&server)?.dead_until.as_ref()?;
        (now < *until).then_some(reason)
    }
}
