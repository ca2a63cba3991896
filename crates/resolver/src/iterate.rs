//! The walk from the root to the answer.
//!
//! [`Resolver::lookup`] follows aliases from name to name; [`Iteration::iterate`] walks down the tree for one
//! of them, from the closest zone whose servers are known to the one that answers; `ask_zone` gets a usable
//! response out of one zone's servers, some of which may be dead, slow or lame. The algorithm is that of
//! RFC 1034 §5.3.3, with the names shortened as RFC 9156 §3 says.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use hop::clock;
use rand::seq::SliceRandom as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::alias::{MOST_ALIASES, target};
use crate::bailiwick::{self, Reading};
use crate::cache::{Cache, Delegation, End, FAILURE, Finding, NameServer};
use crate::coalesce::Coalesce;
use crate::exchange::{Exchange, Exchanged, NameServers, PATIENCE, RESEND_AFTER};
use crate::health::Health;
use crate::minimise::{Minimiser, PROBE};
use crate::outcome::Outcome;
use crate::query_trace::{MOST_QUESTIONS, QueryTrace};
use dnswire::ExtendedError;

/// The longest a client's query is worked on. Clients such as `dig` give up after 5 s: a SERVFAIL before that
/// is better than silence.
const LIMIT: Duration = Duration::from_millis(4_500);
/// How many different questions are walked for at once; see [`Resolver::resolve`].
const ITERATIONS: usize = 1_024;
/// How many of them may wait for the servers of the same zone: one that hangs must leave room for the others.
const PER_ZONE: usize = 512;
/// How deep the search for a server's address may itself need a server's address.
const DEPTH: usize = 4;

/// What a name server said, or why it said nothing.
type Heard = Result<Arc<Message>, String>;

/// Knows the root, and what it has learned since.
pub struct Resolver {
    roots: Delegation,
    servers: NameServers,
    cache: Mutex<Cache>,
    health: Mutex<Health>,
    /// Clients' questions that are being walked for.
    questions: Arc<Coalesce<(Name, RecordType), Outcome>>,
    /// Questions that are with a name server.
    exchanges: Arc<Coalesce<(IpAddr, Name, RecordType), Heard>>,
    iterations: Arc<Semaphore>,
    /// For each zone, how many are waiting for its servers.
    waiting: Mutex<HashMap<Name, usize>>,
}

impl Resolver {
    /// Begins with an empty cache, knowing nothing but where the root's servers are.
    pub fn new(roots: Vec<IpAddr>, servers: NameServers) -> Arc<Self> {
        let roots = NameServer { name: Name::root(), glue: roots };
        Arc::new(Resolver {
            roots: Delegation { zone: Name::root(), servers: vec![roots] },
            servers,
            cache: Mutex::new(Cache::new()),
            health: Mutex::new(Health::new()),
            questions: Arc::default(),
            exchanges: Arc::default(),
            iterations: Arc::new(Semaphore::new(ITERATIONS)),
            waiting: Mutex::default(),
        })
    }

    /// The answer, if the cache has all of it.
    pub fn remembered(&self, question: &Query) -> Option<Outcome> {
        let (name, kind) = (&question.name, question.query_type);
        let mut cache = self.cache();
        if let Some(reason) = cache.failure(name, kind, clock::monotonic()) {
            return Some(reason.into());
        }
        Chain::new(name, kind).follow_in(&mut cache)
    }

    /// Finds the answer by asking. Identical questions wait for the same walk. Who finds all walks taken is
    /// told so at once: waiting in a queue would only make it late as well.
    pub async fn resolve(self: &Arc<Self>, question: &Query, trace: &Arc<QueryTrace>) -> Outcome {
        let key = (question.name.clone(), question.query_type);
        let done = self.questions.run(key.clone(), || {
            let (this, trace) = (Arc::clone(self), Arc::clone(trace));
            async move {
                let Ok(_permit) = this.iterations.try_acquire() else {
                    let text = format!("{ITERATIONS} other questions are already being worked on");
                    return Outcome::failed(ResponseCode::ServFail, ExtendedError::OTHER, text);
                };
                let iteration = Iteration { resolver: &this, trace, patience: Mutex::new(PATIENCE) };
                let late = format!("no answer within {LIMIT:?}");
                let outcome = timeout(LIMIT, iteration.lookup(key.0.clone(), key.1, &[])).await;
                let outcome = outcome.unwrap_or_else(|_| {
                    Outcome::failed(ResponseCode::ServFail, ExtendedError::NO_REACHABLE_AUTHORITY, late)
                });
                if let Some(reason) = &outcome.reason {
                    this.cache().keep_failure(key.0, key.1, reason.clone(), clock::monotonic());
                }
                outcome
            }
        });
        match done.await {
            Some(done) => {
                if done.joined {
                    trace.count_shared();
                }
                done.value
            }
            None => Outcome::failed(
                ResponseCode::ServFail,
                ExtendedError::OTHER,
                "this resolver is being stopped",
            ),
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks one server, unless somebody already waits for its answer to the same question.
    async fn ask_server(
        self: Arc<Self>,
        address: IpAddr,
        name: Name,
        kind: RecordType,
        trace: Arc<QueryTrace>,
    ) -> Heard {
        let server = self.servers.locate(address)?;
        let key = (address, name.clone(), kind);
        let exchanges = Arc::clone(&self.exchanges);
        let asking = exchanges.run(key, || {
            let (this, trace) = (Arc::clone(&self), Arc::clone(&trace));
            async move {
                let question = Query::query(name, kind);
                let exchange = Exchange { servers: this.servers.clone(), server, question, trace };
                let mut edns = this.health().knows_edns(address, clock::monotonic());
                let exchanged = exchange.run(&mut edns).await;
                if !edns {
                    this.health().knows_no_edns(address, clock::monotonic());
                }
                this.judge(address, server, exchanged)
            }
        });
        let done = asking.await.ok_or("this resolver is being stopped")?;
        if done.joined {
            trace.count_shared();
        }
        done.value
    }

    /// Notes whether a server is alive; says what it said, or why it did not.
    fn judge(self: &Arc<Self>, address: IpAddr, server: SocketAddr, exchanged: Exchanged) -> Heard {
        let (reason, late) = match exchanged {
            Exchanged::Response(response) => {
                self.revived(address);
                return Ok(Arc::new(response));
            }
            Exchanged::Silence(late) => (format!("name server {server}: timed out after {PATIENCE:?}"), late),
            // Our own fault, or nobody's: no sockets left, say. It says nothing of the server.
            Exchanged::Local(error) => return Err(format!("ask name server {server}: {error}")),
            Exchanged::Error(error) => (format!("name server {server}: {error}"), None),
        };
        self.health().failed(address, reason.clone(), clock::monotonic());
        // For as long as the failure is remembered the socket stays open: a server that was only stopped for
        // a moment answers what has been waiting in its queue, and that ends the memory at once.
        if let Some(late) = late {
            let this = Arc::clone(self);
            tokio::spawn(async move {
                if late.answered(FAILURE).await {
                    this.revived(address);
                }
            });
        }
        Err(reason)
    }

    fn revived(&self, address: IpAddr) {
        if self.health().answered(address) {
            self.cache().forget_failures();
        }
    }
}

/// The work for one client's question.
struct Iteration<'a> {
    resolver: &'a Arc<Resolver>,
    trace: Arc<QueryTrace>,
    /// How much longer name servers may leave us waiting for nothing, in all.
    patience: Mutex<Duration>,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Iteration<'_> {
    /// Follows `name` through its aliases to the records of the type. `for_sake_of` are the names that wait
    /// for this one, because it is a name server of theirs.
    fn lookup<'b>(&'b self, name: Name, kind: RecordType, for_sake_of: &'b [Name]) -> Boxed<'b, Outcome> {
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

    /// Asks the servers of a zone, one after the other, until one says something useful; the last lame answer
    /// if none does.
    ///
    /// Who is silent for [`RESEND_AFTER`] gets company: the next server is asked as well, and the first answer
    /// counts.
    async fn ask_zone(
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

/// A question's way along its aliases.
struct Chain {
    kind: RecordType,
    at: Name,
    seen: Vec<Name>,
    answers: Vec<Record>,
}

impl Chain {
    fn new(name: &Name, kind: RecordType) -> Self {
        Chain { kind, at: name.clone(), seen: Vec::new(), answers: Vec::new() }
    }

    /// Goes as far as the cache knows the way; the outcome if that is to the end.
    fn follow_in(&mut self, cache: &mut Cache) -> Option<Outcome> {
        loop {
            let finding = cache.find(&self.at, self.kind, clock::monotonic())?;
            if let Some(outcome) = self.take(finding) {
                return Some(outcome);
            }
        }
    }

    /// Adds what was found; the outcome if that is the end.
    fn take(&mut self, finding: Finding) -> Option<Outcome> {
        for alias in finding.aliases {
            if let Some(target) = target(&alias) {
                self.seen.push(std::mem::replace(&mut self.at, target));
            }
            self.answers.push(alias);
        }
        let (code, records, soa) = match finding.end {
            End::Records(records) => (ResponseCode::NoError, records, None),
            End::NoData(soa) => (ResponseCode::NoError, Vec::new(), soa),
            End::NoName(soa) => (ResponseCode::NXDomain, Vec::new(), soa),
            End::Alias(next) if self.seen.contains(&next) => {
                let text = format!("{next} is an alias of itself");
                return Some(Outcome::failed(ResponseCode::ServFail, ExtendedError::OTHER, text));
            }
            End::Alias(_) if self.seen.len() > MOST_ALIASES => {
                let text = format!("more than {MOST_ALIASES} aliases, one after the other");
                return Some(Outcome::failed(ResponseCode::ServFail, ExtendedError::OTHER, text));
            }
            End::Alias(_) => return None,
        };
        let mut answers = std::mem::take(&mut self.answers);
        answers.extend(records);
        Some(Outcome { code, answers, authorities: soa.into_iter().collect(), reason: None })
    }
}

/// One that waits for the servers of a zone.
struct Waiting<'a> {
    resolver: &'a Resolver,
    zone: Name,
}

impl<'a> Waiting<'a> {
    fn begin(resolver: &'a Resolver, zone: &Name) -> Result<Self, ExtendedError> {
        let mut waiting = resolver.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(zone.clone()).or_default();
        if *count >= PER_ZONE {
            let text = format!("{PER_ZONE} other questions already wait for the servers of {zone}");
            return Err(ExtendedError { code: ExtendedError::NO_REACHABLE_AUTHORITY, text });
        }
        *count += 1;
        Ok(Waiting { resolver, zone: zone.clone() })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.resolver.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.zone) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.zone);
            }
        }
    }
}
