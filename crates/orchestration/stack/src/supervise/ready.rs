//! Is a program ready? Asked, never guessed.

use std::net::SocketAddr;
use std::time::Duration;

use hop::admin::client;
use hyper::{Method, StatusCode};
use plan::{Hop, Plan, Runs};

use crate::probe::{Probe, Refusal};

/// How long `/readyz` may take.
const LIMIT: Duration = Duration::from_millis(500);

/// How a program's readiness is found out.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    /// Where it serves `/readyz`, if it does.
    pub(crate) admin: Option<SocketAddr>,
    /// Where it does its work.
    pub(crate) listen: SocketAddr,
    /// What its role is sent there.
    pub(crate) probe: Probe,
    /// Is it one of ours? Then nothing but `/readyz` counts.
    pub(crate) own: bool,
}

impl Readiness {
    /// What fits this hop.
    pub(crate) fn of(plan: &Plan, hop: &Hop) -> Self {
        let (probe, own) = (Probe::of(plan, hop), hop.runs == Runs::Own);
        Readiness { admin: hop.admin, listen: hop.listen, probe, own }
    }

    /// Asks once. Our own programs say so themselves; a foreign one that serves `/readyz` may say that it is
    /// *not*, and else has to answer as its role does.
    ///
    /// # Errors
    /// What it answered instead.
    pub(crate) async fn holds(&self) -> Result<(), Refusal> {
        self.holds_by(&self.probe).await
    }

    /// Whether requests may still be sent to a program that was ready once: as [`Readiness::holds`], but a
    /// foreign one need only accept connections. Whoever works on one request at a time has no ear for others.
    pub(crate) async fn lasts(&self) -> bool {
        self.holds_by(&Probe::Connect).await.is_ok()
    }

    async fn holds_by(&self, probe: &Probe) -> Result<(), Refusal> {
        let Some(admin) = self.admin else { return probe.run(self.listen).await };
        let reply = client::request(admin, Method::GET, "/readyz", Default::default(), None, LIMIT).await;
        let answered = match reply {
            Ok(reply) if self.own && reply.status == StatusCode::OK => return Ok(()),
            Ok(reply) if self.own || reply.status == StatusCode::SERVICE_UNAVAILABLE => {
                format!("{}: {}", reply.status, String::from_utf8_lossy(&reply.body).trim())
            }
            Err(error) if self.own => format!("{error:#}"),
            _ => return probe.run(self.listen).await,
        };
        Err(Refusal { sent: format!("GET /readyz at {admin}"), answered, wanted: "status 200".to_owned() })
    }
}
