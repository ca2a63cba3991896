//! The lab's own certificate authority, the certificates it signs, and the shop's signing key.
//!
//! Everything is made on first use and stays on this machine. The authority is *name-constrained*
//! (RFC 5280 §4.2.1.10): whoever trusts it trusts it for the shop's domain and for loopback
//! addresses, and for nothing else, so a stolen key can impersonate nobody else.

mod files;
mod issue;
mod leaves;
mod ownership;
#[cfg(test)]
mod tests;
mod token;
mod validity;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
pub use issue::CertificateFile;
use leaves::{domain, leaves};
use plan::Plan;
pub use validity::Validity;

/// Where certificates and keys are, all of them good.
#[derive(Clone, Debug)]
pub struct Certs {
    folder: PathBuf,
}

impl Certs {
    /// Sees to it that everything the plan needs is there and good for a while, at `now` (nanoseconds
    /// since the Unix epoch); makes anew what is missing, does not fit, or has less than a third of
    /// its life left, and everything if `renew` says so.
    ///
    /// Two labs at once wait for each other.
    ///
    /// # Errors
    /// The folder cannot be written, or holds what the lab did not make: nothing is overwritten then.
    pub fn ensure(
        folder: &Path,
        plan: &Plan,
        now: u64,
        renew: bool,
    ) -> anyhow::Result<(Self, Vec<CertificateFile>)> {
        let folder = plan::workspace::absolute(folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let lock = folder.join(".lock");
        let lock = File::create(&lock).with_context(|| format!("create {}", lock.display()))?;
        lock.lock().context("wait for the lock on the certificates")?;
        let leaves = leaves(plan);
        let pairs: Vec<&str> = std::iter::once("ca").chain(leaves.iter().map(|leaf| leaf.file)).collect();
        ownership::check(&folder, &pairs)?;
        let now = now / 1_000_000_000;
        let domain = domain(&plan.host);
        let (authority, mut shown) = issue::authority(&folder, &domain, now, renew)?;
        for leaf in leaves {
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
        authority(&self.folder)
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

/// The authority's certificate in a folder of certificates.
pub(crate) fn authority(folder: &Path) -> PathBuf {
    folder.join("ca.pem")
}
