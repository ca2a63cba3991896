//! What is known of name servers, and which queries are with them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dnswire::ExtendedError;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use hop::clock;
use parking_lot::{Mutex, MutexGuard};

use crate::cache::{Cache, FAILURE};
use crate::coalesce::Coalesce;
use crate::health::Health;
use crate::query_trace::QueryTrace;
use crate::server_map::ServerMap;
use crate::upstream::{QueryResult, TIMEOUT, UpstreamQuery};

/// How many questions may wait for the servers of the same zone: one zone that hangs must leave room for the
/// others.
const PER_ZONE: usize = 512;

/// A name server's response, or why there is none.
pub(crate) type ServerResponse = Result<Arc<Message>, String>;

/// All name servers, as far as they are known.
pub(crate) struct Servers {
    map: ServerMap,
    cache: Arc<dyn Cache>,
    health: Mutex<Health>,
    /// The queries that are with a name server.
    queries: Arc<Coalesce<(IpAddr, Name, RecordType), ServerResponse>>,
    /// For each zone, how many are waiting for its servers.
    waiting: Mutex<HashMap<Name, usize>>,
}

impl Servers {
    pub(crate) fn new(map: ServerMap, cache: Arc<dyn Cache>) -> Self {
        let (health, queries, waiting) = (Mutex::new(Health::new()), Arc::default(), Mutex::default());
        Servers { map, cache, health, queries, waiting }
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock()
    }

    /// Where this server listens, for messages about it.
    pub(crate) fn locate(&self, address: IpAddr) -> Result<SocketAddr, String> {
        self.map.locate(address)
    }

    /// Queries one server, unless somebody already waits for its response to the same question.
    pub(crate) async fn query(
        self: Arc<Self>,
        address: IpAddr,
        name: Name,
        kind: RecordType,
        trace: Arc<QueryTrace>,
    ) -> ServerResponse {
        let server = self.map.locate(address)?;
        let key = (address, name.clone(), kind);
        let query = self.queries.run(key, || {
            let (this, trace) = (Arc::clone(&self), Arc::clone(&trace));
            async move {
                let question = Query::query(name, kind);
                let query = UpstreamQuery { map: &this.map, server, question, trace: &trace };
                let mut edns = this.health().knows_edns(address, clock::monotonic());
                let result = query.send(&mut edns).await;
                if !edns {
                    this.health().knows_no_edns(address, clock::monotonic());
                }
                this.note(address, server, result)
            }
        });
        let done = query.await.ok_or("this resolver is being stopped")?;
        if done.joined {
            trace.count_shared();
        }
        done.value
    }

    /// Notes whether a server is alive.
    fn note(self: &Arc<Self>, address: IpAddr, server: SocketAddr, result: QueryResult) -> ServerResponse {
        let (reason, late) = match result {
            QueryResult::Response(response) => {
                self.responded(address);
                return Ok(Arc::new(response));
            }
            QueryResult::TimedOut(late) => {
                (format!("name server {server}: timed out after {TIMEOUT:?}"), late)
            }
            // Our own fault, or nobody's: no sockets left, say. It says nothing of the server.
            QueryResult::Local(error) => return Err(format!("query name server {server}: {error}")),
            QueryResult::Error(error) => (format!("name server {server}: {error}"), None),
        };
        self.health().failed(address, reason.clone(), clock::monotonic());
        // For as long as the failure is remembered the socket stays open: a server that was only stopped for
        // a moment responds to what has been waiting in its queue, and that ends the failure at once.
        if let Some(late) = late {
            let this = Arc::clone(self);
            tokio::spawn(async move {
                if late.comes(FAILURE).await {
                    this.responded(address);
                }
            });
        }
        Err(reason)
    }

    fn responded(&self, address: IpAddr) {
        if self.health().responded(address) {
            self.cache.server_recovered();
        }
    }

    /// The right to wait for the servers of `zone`, until it is dropped.
    pub(crate) fn wait_for(&self, zone: &Name) -> Result<ZonePermit<'_>, ExtendedError> {
        let mut waiting = self.waiting.lock();
        let count = waiting.entry(zone.clone()).or_default();
        if *count >= PER_ZONE {
            let text = format!("{PER_ZONE} other questions already wait for the servers of {zone}");
            return Err(ExtendedError { code: ExtendedError::NO_REACHABLE_AUTHORITY, text });
        }
        *count += 1;
        Ok(ZonePermit { servers: self, zone: zone.clone() })
    }
}

/// One of the [`PER_ZONE`] that may wait for a zone's servers.
pub(crate) struct ZonePermit<'a> {
    servers: &'a Servers,
    zone: Name,
}

impl Drop for ZonePermit<'_> {
    fn drop(&mut self) {
        let mut waiting = self.servers.waiting.lock();
        if let Some(count) = waiting.get_mut(&self.zone) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.zone);
            }
        }
    }
}
