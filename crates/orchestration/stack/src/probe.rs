//! What a program is sent, in its role's own protocol, to find out whether it works; and what it answered
//! when it does not.
//!
//! | module | asks |
//! |---|---|
//! | `http` | an HTTP hop, with and without TLS |
//! | `dns` | a name server for its zones, a resolver for anything |
//! | `engines` | PING of a Redis, ApiVersions of a Kafka |
//! | `exchange` | (how bytes are sent, awaited and shown) |
//! | `refusal` | (what came instead of the answer) |

mod dns;
mod engines;
mod exchange;
mod http;
mod refusal;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use hickory_proto::rr::{Name, RecordType};
use plan::{Hop, Plan, Role, Runs, Settings};
use redis_client::Url;

pub(crate) use http::{Https, Request, Wanted};
pub use refusal::Refusal;

/// Whether an HTTP hop works; our own ingress, and the load balancer's health check, know it.
const HEALTH: &str = "GET /healthz";

/// What tells whether a program plays its role.
#[derive(Clone, Debug)]
pub(crate) enum Probe {
    /// Who passes bytes on says nothing by itself: it must accept a connection.
    Connect,
    Http(Request),
    Https(Https),
    /// The SOA record of each zone, from whom it is authoritative for.
    Zones(Vec<Name>),
    /// Any name, from whom finds it elsewhere.
    Resolve(Name, RecordType),
    Ping(Url),
    ApiVersions,
}

impl Probe {
    /// The one of a hop's role.
    pub(crate) fn of(plan: &Plan, hop: &Hop) -> Self {
        let health = |wanted| Probe::http(plan, hop, HEALTH, None, "", wanted);
        match &hop.settings {
            Settings::Dns { zones } => {
                Probe::Zones(zones.iter().filter_map(|(zone, _)| Name::from_ascii(zone).ok()).collect())
            }
            // Not the shop's name: whoever caches it would no longer be cold.
            Settings::Resolver { .. } => Probe::Resolve(Name::root(), RecordType::SOA),
            Settings::Ingress { .. } => health(Wanted::Success),
            Settings::Lb { .. } | Settings::Cart { .. } | Settings::Inventory { .. } => health(Wanted::Http),
            Settings::Clusterip { .. } => Probe::Connect,
            Settings::Store { .. } => Probe::Ping(match &hop.runs {
                Runs::External(url) => url.parse().unwrap_or_else(|_| Url::from(hop.listen)),
                _ => Url::from(hop.listen),
            }),
            Settings::Events { .. } => Probe::ApiVersions,
        }
    }

    /// A request to an HTTP hop; to the load balancer over TLS. Without a body when that is empty.
    pub(crate) fn http(
        plan: &Plan,
        hop: &Hop,
        line: &str,
        bearer: Option<&str>,
        body: &str,
        wanted: Wanted,
    ) -> Self {
        let (line, bearer, body) = (line.to_owned(), bearer.map(str::to_owned), body.to_owned());
        let request = Request { line, host: plan.host.clone(), bearer, body, wanted };
        match hop.role() {
            Role::Lb => Probe::Https(Https { ca: crate::certs::authority(&plan.certs_folder()), request }),
            _ => Probe::Http(request),
        }
    }

    /// Probes once.
    ///
    /// # Errors
    /// What came instead of the answer.
    pub(crate) async fn run(&self, at: SocketAddr) -> Result<(), Refusal> {
        match self {
            Probe::Connect => exchange::connect("a connection", at).await.map(drop),
            Probe::Http(request) => request.run(at).await,
            Probe::Https(https) => https.run(at).await,
            Probe::Zones(zones) => dns::zones(zones, at).await,
            Probe::Resolve(name, kind) => dns::resolve(name, *kind, at).await,
            Probe::Ping(login) => engines::ping(login, at).await,
            Probe::ApiVersions => engines::api_versions(at).await,
        }
    }
}
