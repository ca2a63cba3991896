//! One hop of a checked plan.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::programs;
use crate::recipe::Recipe;
use crate::role::Role;

/// A hop of this plan; only a [`crate::Plan`] hands them out, so it always finds its hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HopId(pub(crate) usize);

/// One program, or one that runs elsewhere on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// The instance's name, such as `cart-pod-def34`.
    pub name: String,
    /// Where it listens for its work.
    pub listen: SocketAddr,
    /// Where it listens on loopback: its address in zone files as they are written.
    pub loopback: SocketAddr,
    /// The host that it runs on, in a real network.
    pub host: String,
    /// Where it serves `/livez`, `/readyz` and `/metrics`; an external program does not.
    pub admin: Option<SocketAddr>,
    /// Our own program, a foreign command, or nothing because it runs already.
    pub runs: Runs,
    /// Does it send spans? If not, its time is inferred from its neighbours'.
    pub reports: bool,
    /// The recipe that its command comes from.
    pub recipe: Option<&'static Recipe>,
    /// How a foreign resolver's cache is emptied: a command, its words with `{NAMES}`.
    pub flush: Option<Vec<String>>,
    /// A file that is filled in and handed to a foreign command as `{CONFIG}`.
    pub config: Option<PathBuf>,
    /// Variables that lab.toml adds to its environment; they win over the lab's own.
    pub env: Vec<(String, String)>,
    /// What its role needs to know.
    pub settings: Settings,
}

impl Hop {
    /// What it does in the stack; its settings say so.
    pub fn role(&self) -> Role {
        match self.settings {
            Settings::Dns { .. } => Role::Dns,
            Settings::Resolver { .. } => Role::Resolver,
            Settings::Lb { .. } => Role::Lb,
            Settings::Ingress { .. } => Role::Ingress,
            Settings::Clusterip { .. } => Role::Clusterip,
            Settings::Cart { .. } => Role::Cart,
            Settings::Inventory { .. } => Role::Inventory,
            Settings::Store { .. } => Role::Store,
            Settings::Events { .. } => Role::Events,
        }
    }

    /// The hops that must be ready before this one: those it sends requests to.
    pub fn needs(&self) -> Vec<HopId> {
        match &self.settings {
            Settings::Resolver { roots, .. } => roots.clone(),
            Settings::Lb { upstreams, .. } => upstreams.clone(),
            Settings::Ingress { rules, default } => {
                rules.iter().map(|rule| rule.service).chain(*default).collect()
            }
            Settings::Clusterip { endpoints, .. } => endpoints.clone(),
            Settings::Cart { inventory, store, events, .. } => vec![*inventory, *store, *events],
            Settings::Dns { .. }
            | Settings::Inventory { .. }
            | Settings::Store { .. }
            | Settings::Events { .. } => Vec::new(),
        }
    }

    /// The recipe whose program is not installed. A hop may have a PATH of its own.
    pub fn missing(&self) -> Option<&'static Recipe> {
        let path = self.env.iter().find(|(name, _)| name == "PATH");
        self.recipe.filter(|recipe| {
            let found = match path {
                Some((_, path)) => programs::find_in(&recipe.program, path.as_ref()),
                None => recipe.installed(),
            };
            found.is_none()
        })
    }

    /// Every address it binds, with the key that says so.
    pub fn binds(&self) -> Vec<(&'static str, SocketAddr)> {
        if matches!(self.runs, Runs::External(_)) {
            return Vec::new();
        }
        let mut binds = vec![("listen", self.listen)];
        if let Settings::Resolver { doh, .. } = &self.settings {
            binds.push(("doh", *doh));
        }
        binds.extend(self.admin.map(|admin| ("admin", admin)));
        binds
    }
}

/// Who plays a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runs {
    /// The crate named after the role.
    Own,
    /// A program of the user's, started by the lab: its words, the first being the program.
    Command(Vec<String>),
    /// A program that somebody else started: its URL.
    External(String),
}

/// What a role needs to know.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "lab.toml explains each key")]
pub enum Settings {
    Dns { zones: Vec<(String, PathBuf)> },
    Resolver { roots: Vec<HopId>, doh: SocketAddr },
    Lb { upstreams: Vec<HopId>, balance: String },
    Ingress { rules: Vec<Rule>, default: Option<HopId> },
    Clusterip { endpoints: Vec<HopId>, mode: String },
    Cart { inventory: HopId, store: HopId, events: HopId, workers: u32 },
    Inventory { database: String },
    Store { appendfsync: String },
    Events { partitions: u16 },
}

/// An ingress rule: which requests go to which service.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// `api.myshop.com`, `*.myshop.com`, or `*` for every host.
    pub host: String,
    /// `Prefix` or `Exact`.
    pub kind: String,
    /// Begins with a slash.
    pub path: String,
    /// Which service gets the request.
    pub service: HopId,
}
