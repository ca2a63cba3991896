//! What a program is sent, in its role's own protocol, to find out whether it works; and what it answered
//! when it does not.
//!
//! | module | asks |
//! |---|---|
//! | `http` | `GET` of an HTTP hop, with and without TLS |
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
use plan::{Hop, Plan, Runs, Settings};
use redis_client::Url;

pub(crate) use http::{Get, Https, Wanted};
pub use refusal::Refusal;

/// What asks whether an HTTP hop works; our own ingress, and the load balancer's health check, know it.
const HEALTH_PATH: &str = "/healthz";

/// What tells whether a program plays its role.
#[derive(Clone, Debug)]
pub(crate) enum Probe {
    /// Who passes bytes on says nothing by itself: it must accept a connection.
    Connect,
    Http(Get),
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
        let get = |wanted| Get { host: plan.host.clone(), path: HEALTH_PATH.into(), bearer: None, wanted };
        match &hop.settings {
            Settings::Dns { zones } => {
                Probe::Zones(zones.iter().filter_map(|(zone, _)| Name::from_ascii(zone).ok()).collect())
            }
            // Not the shop's name: whoever caches it would no longer be cold.
            Settings::Resolver { .. } => Probe::Resolve(Name::root(), RecordType::SOA),
            Settings::Lb { .. } => {
                let ca = crate::certs::authority(&plan.certs_folder());
                Probe::Https(Https { ca, get: get(Wanted::Http) })
            }
            Settings::Ingress { .. } => Probe::Http(get(Wanted::Success)),
            Settings::Cart { .. } | Settings::Inventory { .. } => Probe::Http(get(Wanted::Http)),
            Settings::Clusterip { .. } => Probe::Connect,
            Settings::Store { .. } => Probe::Ping(match &hop.runs {
                Runs::External(url) => url.parse().unwrap_or_else(|_| Url::from(hop.listen)),
                _ => Url::from(hop.listen),
            }),
            Settings::Events { .. } => Probe::ApiVersions,
        }
    }

    /// Probes once.
    ///
    /// # Errors
    /// What came instead of the answer.
    pub(crate) async fn run(&self, at: SocketAddr) -> Result<(), Refusal> {
        match self {
            Probe::Connect => exchange::connect("a connection", at).await.map(drop),
            Probe::Http(get) => get.run(at).await,
            Probe::Https(https) => https.run(at).await,
            Probe::Zones(zones) => dns::zones(zones, at).await,
            Probe::Resolve(name, kind) => dns::resolve(name, *kind, at).await,
            Probe::Ping(login) => engines::ping(login, at).await,
            Probe::ApiVersions => engines::api_versions(at).await,
        }
    }
}
