//! Whose fault is it that a request failed? Each hop is sent itself what it is there for, those first that others need:
//! the first that answers wrongly is the one, whatever those in front of it say.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use futures_util::future::join_all;
use hickory_proto::rr::{Name, RecordType};
use plan::{Hop, Plan, Role, Runs, Settings};

use crate::probe::{Probe, Refusal, Wanted};
use crate::running::View;
use crate::state;
use crate::supervise::{last_lines, page, typed, write_log};

/// A hop that answers wrongly.
#[derive(Clone, Debug)]
pub struct Suspect {
    /// The hop's, such as `cart-pod-def34`.
    pub name: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What it was sent, and what it answered.
    pub refusal: Refusal,
    role: Role,
    own: bool,
    /// A foreign program's command.
    command: Option<String>,
    /// The end of its log.
    lines: Vec<String>,
    log: PathBuf,
    page: String,
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { sent, answered, .. } = &self.refusal;
        writeln!(f, "it failed at {}", self.name)?;
        if let Some(command) = &self.command {
            writeln!(f, "  in its slot runs: {command}")?;
        }
        writeln!(f, "  probe: {sent}\n  answered: {answered}")?;
        match self.own {
            true => writeln!(f, "  what to do: it is the lab's own program, and its log tells why")?,
            false => writeln!(f, "  what to do: let it {}", duty(self.role))?,
        }
        write_log(f, &self.lines, &self.log)?;
        write!(f, "  what a program must do: {}", self.page)
    }
}

/// What a program of this role is there for, in one line of the contract.
fn duty(role: Role) -> &'static str {
    match role {
        Role::Dns => "answer for its zones (ZONES), with AA=1",
        Role::Resolver => "find names from the root down (ROOTS)",
        Role::Lb => "end TLS with TLS_CERT, and pass requests on to UPSTREAMS",
        Role::Ingress => "pass requests on as RULES say, and answer GET /healthz with 200",
        Role::Clusterip => "pass each connection on to one of ENDPOINTS, byte for byte",
        Role::Cart => "answer GET /cart with 200 and POST /cart/items with 201",
        Role::Inventory => "answer GET /stock/PRODUCT with 200, and take reservations",
        Role::Store => "speak RESP at LISTEN",
        Role::Events => "speak Kafka's protocol at LISTEN",
    }
}

/// The request that failed.
#[derive(Clone, Debug)]
pub struct Failed<'a> {
    /// The customer's, good for a while.
    pub token: &'a str,
    /// What is bought.
    pub product: &'a str,
    /// The body of `POST /cart/items`.
    pub item: &'a str,
}

impl View {
    /// Who answers wrongly, as near to the end of the way as possible; several when they are equally near. Nobody, when
    /// each hop by itself does what it should.
    pub async fn suspects(&self, failed: &Failed<'_>) -> Vec<Suspect> {
        let plan = self.plan();
        type Choice = fn(&Plan, &Hop, &Failed<'_>) -> Vec<Probe>;
        // What changes something only when what changes nothing found nobody.
        let choices: [Choice; 2] = [reading, writing];
        for choice in choices {
            for wave in plan.waves() {
                let hops = wave.iter().map(|id| plan.hop(*id));
                let found = join_all(hops.map(|hop| self.suspect(hop, choice(plan, hop, failed)))).await;
                let found: Vec<Suspect> = found.into_iter().flatten().collect();
                if !found.is_empty() {
                    return found;
                }
            }
        }
        Vec::new()
    }

    /// The hop, if one of these is refused.
    async fn suspect(&self, hop: &Hop, probes: Vec<Probe>) -> Option<Suspect> {
        for probe in probes {
            if probe.run(hop.listen).await.is_ok() {
                continue;
            }
            // Once may be a busy machine's fault, and nobody is accused of that.
            let Err(refusal) = probe.run(hop.listen).await else { continue };
            let log = state::log(self.folder(), &hop.name);
            let command = match &hop.runs {
                Runs::Command(words) => Some(typed(words)),
                Runs::Own | Runs::External(_) => None,
            };
            return Some(Suspect {
                name: hop.name.clone(),
                listen: hop.listen,
                refusal,
                role: hop.role(),
                own: hop.runs == Runs::Own,
                page: page(hop.role().as_str(), hop.runs == Runs::Own),
                command,
                lines: last_lines(&log, 0),
                log,
            });
        }
        None
    }
}

/// What tells whether a hop plays its role, and then what it does for a journey.
fn reading(plan: &Plan, hop: &Hop, failed: &Failed<'_>) -> Vec<Probe> {
    let get = |line: &str| Probe::http(plan, hop, line, Some(failed.token), "", Wanted::Success);
    let work = match traffic(plan, hop) {
        Some(Role::Cart) => Some(get("GET /cart")),
        Some(Role::Inventory) => Some(get(&format!("GET /stock/{}", failed.product))),
        Some(Role::Resolver) => {
            Name::from_ascii(&plan.host).ok().map(|name| Probe::Resolve(name, RecordType::A))
        }
        _ => None,
    };
    [Probe::of(plan, hop)].into_iter().chain(work).collect()
}

/// The very request that failed.
fn writing(plan: &Plan, hop: &Hop, failed: &Failed<'_>) -> Vec<Probe> {
    let post =
        || Probe::http(plan, hop, "POST /cart/items", Some(failed.token), failed.item, Wanted::Success);
    (traffic(plan, hop) == Some(Role::Cart)).then(post).into_iter().collect()
}

/// Whose requests a hop answers or passes on.
fn traffic(plan: &Plan, hop: &Hop) -> Option<Role> {
    match &hop.settings {
        Settings::Lb { .. } | Settings::Ingress { .. } | Settings::Cart { .. } => Some(Role::Cart),
        Settings::Inventory { .. } => Some(Role::Inventory),
        Settings::Clusterip { endpoints, .. } => endpoints.first().map(|pod| plan.hop(*pod).role()),
        Settings::Resolver { .. } => Some(Role::Resolver),
        Settings::Dns { .. } | Settings::Store { .. } | Settings::Events { .. } => None,
    }
}
