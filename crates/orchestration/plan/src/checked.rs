//! The checked plan: its types cannot be wrong, and nothing behind it looks at text again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::hop::{Hop, HopId, Runs};
use crate::role::Role;
use crate::{waves, workspace};

/// The phases of a journey that `[budget]` can limit; its other keys are hops and roles.
pub const BUDGET_PHASES: [&str; 9] =
    ["browser", "dns", "tcp", "tls", "to-load-balancer", "to-pod", "application", "response", "total"];

/// The user's own host, in a real network.
pub const BROWSER_HOST: &str = "browser";
/// Its address: TEST-NET-2 (RFC 5737), as the chapter's resolver has.
pub const BROWSER_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// The lab's own address there, on no host of the chapter's: TEST-NET-1 (RFC 5737).
pub const LAB_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Which network the programs meet in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkMode {
    /// Each program on an address of 127.0.0.0/8.
    Loopback,
    /// Each host in a network namespace of its own, the programs on the chapter's addresses and ports.
    Real,
}

/// A checked plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The lab's name: its folder and its lock.
    pub name: String,
    /// Where the plan came from, as it is shown: a path, or `the built-in lab.toml`.
    pub source: String,
    /// Relative paths in the plan start here.
    pub folder: PathBuf,
    /// The folder of all labs' states, unless the usual one is meant.
    pub state: Option<PathBuf>,
    /// The folder of certificates and keys, unless the usual one is meant.
    pub certs: Option<PathBuf>,
    /// Which network the programs meet in.
    pub mode: NetworkMode,
    /// What was added to every port, on loopback.
    pub port_offset: u16,
    /// Where `lab status`, `stop` and `measure` reach the running lab; port 0 takes a free one.
    pub control: SocketAddr,
    /// Where spans are collected; port 0 takes a free one.
    pub collector: SocketAddr,
    /// The shop's host name, as the user types it.
    pub host: String,
    /// Whose cart it is: the token's `sub`.
    pub user: String,
    /// What every program is told about spans and logs.
    pub telemetry: TelemetryPlan,
    /// How programs are watched.
    pub supervise: Supervision,
    /// Limits for `lab check`, in milliseconds: a hop's name, a role, or a phase of the journey.
    pub budget: Vec<(String, f64)>,
    pub(crate) hops: Vec<Hop>,
}

/// What every program is told about spans and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPlan {
    /// `OTEL_TRACES_SAMPLER`.
    pub sampler: String,
    /// `OTEL_TRACES_SAMPLER_ARG`: how many requests from outside are recorded in a second.
    pub outside_per_second: u64,
    /// `FLIGHT_RECORDER`: how many exchanges each of our programs without trace context keeps; 0: it sends spans.
    pub flight_recorder: u64,
    /// `OTEL_BSP_SCHEDULE_DELAY`, in milliseconds.
    pub delay_ms: u64,
    /// `RUST_LOG`.
    pub log: String,
    /// A collector of the user's own, which gets every span as well.
    pub forward: Option<SocketAddr>,
}

/// How programs are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supervision {
    /// How long a program may take until it is ready.
    pub ready: Duration,
    /// How long a program may take to finish running work when told to stop.
    pub drain: Duration,
    /// How often pods are probed for readiness.
    pub probe: Duration,
}

impl Plan {
    /// Every hop, in the order of the file.
    pub fn hops(&self) -> impl ExactSizeIterator<Item = (HopId, &Hop)> {
        self.hops.iter().enumerate().map(|(index, hop)| (HopId(index), hop))
    }

    /// The hosts of a real network, with their addresses: the browser's, and those of the plan's programs.
    pub fn hosts(&self) -> BTreeMap<&str, Vec<Ipv4Addr>> {
        let mut hosts = BTreeMap::from([(BROWSER_HOST, vec![BROWSER_ADDRESS])]);
        for hop in self.hops.iter().filter(|hop| !matches!(hop.runs, Runs::External(_))) {
            let addresses: &mut Vec<Ipv4Addr> = hosts.entry(hop.host.as_str()).or_default();
            if let IpAddr::V4(address) = hop.listen.ip()
                && !addresses.contains(&address)
            {
                addresses.push(address);
            }
        }
        hosts
    }

    /// The hop that `id` stands for.
    pub fn hop(&self, id: HopId) -> &Hop {
        &self.hops[id.0]
    }

    /// The hop of this name.
    pub fn find(&self, name: &str) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.name == name)
    }

    /// The roles that programs of ours play.
    pub fn own_roles(&self) -> BTreeSet<Role> {
        self.hops.iter().filter(|hop| hop.runs == Runs::Own).map(Hop::role).collect()
    }

    /// The first hop of this role. A plan always has a resolver and an lb.
    pub fn first(&self, role: Role) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.role() == role)
    }

    /// How long a program may take until it is ready.
    pub fn ready_limit(&self, hop: &Hop) -> Duration {
        self.supervise.ready.max(hop.recipe.map_or(Duration::ZERO, |recipe| recipe.ready))
    }

    /// How long a program may take to finish running work when told to stop.
    pub fn drain_limit(&self, hop: &Hop) -> Duration {
        self.supervise.drain.max(hop.recipe.map_or(Duration::ZERO, |recipe| recipe.drain))
    }

    /// Hops in waves: each needs only hops of earlier waves.
    pub fn waves(&self) -> Vec<Vec<HopId>> {
        waves::waves(&self.hops)
    }

    /// The folder of all labs' states, as the plan has it.
    pub fn states(&self) -> PathBuf {
        self.state.as_ref().map_or_else(workspace::states, |state| self.folder.join(state))
    }

    /// The folder of certificates and keys, as the plan has it.
    pub fn certs_folder(&self) -> PathBuf {
        self.certs.as_ref().map_or_else(workspace::certs, |certs| self.folder.join(certs))
    }
}
