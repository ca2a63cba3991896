//! What all questions share: the cache, the recursions in progress, and their limits.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dnswire::ExtendedError;
use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hop::clock;
use recursion::{Coalesce, Outcome, QueryTrace, Recursor, ServerMap};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::cache::SharedCache;

/// The longest a client's query is worked on. Clients such as `dig` give up after 5 s: a SERVFAIL before that
/// is better than silence.
const LIMIT: Duration = Duration::from_millis(4_500);
/// How many recursions, each for a different question, run at once; see [`Resolver::resolve`].
const RECURSIONS: usize = 1_024;

/// The cache, and how it is filled.
pub struct Resolver {
    cache: Arc<SharedCache>,
    recursor: Arc<Recursor>,
    /// Clients' questions that a recursion is running for.
    questions: Arc<Coalesce<(Name, RecordType), Outcome>>,
    recursions: Arc<Semaphore>,
}

impl Resolver {
    /// Begins with an empty cache, knowing nothing but where the root's servers are.
    pub fn new(roots: Vec<IpAddr>, servers: ServerMap) -> Self {
        let cache = Arc::new(SharedCache::new());
        let recursor = Arc::new(Recursor::new(roots, servers, Arc::clone(&cache) as _));
        let recursions = Arc::new(Semaphore::new(RECURSIONS));
        Resolver { cache, recursor, questions: Arc::default(), recursions }
    }

    /// What the question comes to, if the cache has all of it.
    pub fn cached(&self, question: &Query) -> Option<Outcome> {
        let (name, kind) = (&question.name, question.query_type);
        if let Some(reason) = self.cache.lock().failure(name, kind, clock::monotonic()) {
            return Some(reason.into());
        }
        self.recursor.cached(name, kind)
    }

    /// Finds what the question comes to by recursion. Identical questions wait for the same one. Who finds all
    /// recursions taken is told so at once: waiting in a queue would only make it late as well.
    pub async fn resolve(&self, question: &Query, trace: &Arc<QueryTrace>) -> Outcome {
        let (name, kind) = (question.name.clone(), question.query_type);
        let done = self.questions.run((name.clone(), kind), || {
            let (cache, recursor) = (Arc::clone(&self.cache), Arc::clone(&self.recursor));
            let (recursions, trace) = (Arc::clone(&self.recursions), Arc::clone(trace));
            async move {
                let Ok(_permit) = recursions.try_acquire() else {
                    return failed(format!("{RECURSIONS} other questions are already being worked on"));
                };
                let outcome = timeout(LIMIT, recursor.resolve(name.clone(), kind, trace)).await;
                let outcome = outcome.unwrap_or_else(|_| {
                    let text = format!("no answer within {LIMIT:?}");
                    Outcome::failed(ResponseCode::ServFail, ExtendedError::NO_REACHABLE_AUTHORITY, text)
                });
                if let Some(reason) = &outcome.reason {
                    cache.lock().keep_failure(name, kind, reason.clone(), clock::monotonic());
                }
                outcome
            }
        });
        let Some(done) = done.await else { return failed("this resolver is being stopped") };
        if done.joined {
            trace.count_shared();
        }
        done.value
    }
}

fn failed(text: impl Into<String>) -> Outcome {
    Outcome::failed(ResponseCode::ServFail, ExtendedError::OTHER, text)
}
