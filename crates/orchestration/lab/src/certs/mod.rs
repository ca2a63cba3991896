//! The lab's own certificate authority, the certificates it signs, and the shop's signing key.
//!
//! Everything is made on first use and stays on this machine. The authority is *name-constrained*
//! (RFC 5280 §4.2.1.10): whoever trusts it trusts it for the shop's domain and for loopback
//! addresses, and for nothing else, so a stolen key can impersonate nobody else.

mod files;
mod issue;
#[cfg(test)]
mod tests;
mod token;
mod validity;

use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

pub use validity::Validity;

use crate::plan::{Plan, Role, Settings};

/// How long the authority is valid, in seconds.
const AUTHORITY_SECONDS: u64 = 365 * DAY;
/// How long a leaf is valid, in seconds.
const LEAF_SECONDS: u64 = 30 * DAY;
const DAY: u64 = 86_400;

/// Where certificates and keys are, all of them good.
#[derive(Clone, Debug)]
pub struct Certs {
    folder: PathBuf,
}

/// A certificate as `lab certs` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The file.
    pub file: PathBuf,
    /// What it is for.
    pub names: Vec<String>,
    /// From when to when it is valid, in seconds since the Unix epoch.
    pub validity: Validity,
    /// Was it made just now?
    pub renewed: bool,
}

/// A certificate that somebody needs.
struct Leaf {
    file: &'static str,
    names: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Leaf {
    fn all_names(&self) -> Vec<String> {
        self.names.iter().cloned().chain(self.addresses.iter().map(IpAddr::to_string)).collect()
    }
}

impl Certs {
    /// Sees to it that everything the plan needs is there and good for a while, at `now` (nanoseconds
    /// since the Unix epoch); makes anew what is missing, does not fit, or has less than a third of
    /// its life left, and everything if `renew` says so.
    ///
    /// Two labs at once wait for each other.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn ensure(folder: &Path, plan: &Plan, now: u64, renew: bool) -> anyhow::Result<(Self, Vec<Shown>)> {
        let folder = crate::workspace::absolute(folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let lock = folder.join(".lock");
        let lock = File::create(&lock).with_context(|| format!("create {}", lock.display()))?;
        lock.lock().context("wait for the lock on the certificates")?;
        let now = now / 1_000_000_000;
        let domain = domain(&plan.host);
        let (authority, mut shown) = issue::authority(&folder, &domain, now, renew)?;
        for leaf in leaves(plan) {
            shown.push(issue::leaf(&folder, &authority, &leaf, now, renew || shown[0].renewed)?);
        }
        token::ensure(&folder, renew)?;
        Ok((Certs { folder }, shown))
    }

    /// The folder, an absolute path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The authority's certificate, for `curl --cacert`.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A bearer token as the shop's login would issue it: signed with ES256, good for an hour from
    /// `now` (nanoseconds since the Unix epoch), for the cart of `subject`.
    ///
    /// # Errors
    /// The key cannot be read.
    pub fn token(&self, host: &str, subject: &str, now: u64) -> anyhow::Result<String> {
        token::mint(&self.folder, host, subject, now / 1_000_000_000)
    }
}

/// The certificates that the plan's hops need: TLS ends at the lb and at the resolver's DoH.
fn leaves(plan: &Plan) -> Vec<Leaf> {
    let mut lb = Leaf {
        file: "lb",
        names: vec![plan.host.clone(), domain(&plan.host), format!("*.{}", domain(&plan.host))],
        addresses: Vec::new(),
    };
    lb.names.dedup();
    let mut resolver = Leaf { file: "resolver", names: Vec::new(), addresses: Vec::new() };
    for (_, hop) in plan.hops() {
        match &hop.settings {
            Settings::Resolver { doh, .. } => resolver.addresses.push(doh.ip()),
            _ if hop.role() == Role::Lb => lb.addresses.push(hop.listen.ip()),
            _ => {}
        }
    }
    vec![lb, resolver]
}

/// `api.myshop.com` → `myshop.com`: the last two labels.
fn domain(host: &str) -> String {
    let labels: Vec<&str> = host.split('.').collect();
    labels[labels.len().saturating_sub(2)..].join(".")
}
