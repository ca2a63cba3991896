//! What all questions share: the cache, the knowledge of name servers, the work in progress, and its limits.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dnswire::ExtendedError;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hop::clock;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::cache::{Cache, Delegation, FAILURE, NameServer};
use crate::chain::Chain;
use crate::coalesce::Coalesce;
use crate::exchange::{Exchange, Exchanged, NameServers, PATIENCE};
use crate::health::Health;
use crate::iterate::Iteration;
use crate::outcome::Outcome;
use crate::query_trace::QueryTrace;

/// The longest a client's query is worked on. Clients such as `dig` give up after 5 s: a SERVFAIL before that
/// is better than silence.
const LIMIT: Duration = Duration::from_millis(4_500);
/// How many different questions are walked for at once; see [`Resolver::resolve`].
const ITERATIONS: usize = 1_024;
/// How many of them may wait for the servers of the same zone: one that hangs must leave room for the others.
const PER_ZONE: usize = 512;
/// What a name server said, or why it said nothing.
type Heard = Result<Arc<Message>, String>;

/// Knows the root, and what it has learned since.
pub struct Resolver {
    pub(crate) roots: Delegation,
    pub(crate) servers: NameServers,
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
                let iteration = Iteration::new(&this, trace);
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

    pub(crate) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks one server, unless somebody already waits for its answer to the same question.
    pub(crate) async fn ask_server(
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

/// One that waits for the servers of a zone.
pub(crate) struct Waiting<'a> {
    resolver: &'a Resolver,
    zone: Name,
}

impl<'a> Waiting<'a> {
    pub(crate) fn begin(resolver: &'a Resolver, zone: &Name) -> Result<Self, ExtendedError> {
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
