//! From a plan to a running stack, step by step.

use anyhow::Context as _;
use net::Network;
use plan::{LAB_ADDRESS, NetworkMode, Plan, RunContext};

use crate::binaries::Binaries;
use crate::certs::Certs;
use crate::launches::{flush, launches};
use crate::running::Stack;
use crate::state::RunFolder;
use crate::supervise::{Starting, Supervisor};
use crate::{durability, foreign, ports, zones};

/// Everything is there for a stack to start: its folder is claimed, its addresses are free or its network is built, its programs are
/// built, its certificates are good.
pub struct Prepared {
    plan: Plan,
    folder: RunFolder,
    binaries: Binaries,
    certs: Certs,
    network: Option<Network>,
    starting: Starting,
}

impl Stack {
    /// Sees to everything that must be there before a program starts. `build: false` takes the programs
    /// that are there.
    ///
    /// # Errors
    /// A recipe's program is not installed, a lab of the same name runs
    /// ([`crate::state::AlreadyRuns`]), ports are taken, or the build fails. Nothing is held then.
    pub async fn prepare(plan: Plan, build: bool) -> anyhow::Result<Prepared> {
        foreign::check_installed(&plan)?;
        let folder = RunFolder::claim(&plan.states(), &plan.name)?;
        if plan.mode == NetworkMode::Loopback {
            ports::check(&plan).await?;
        }
        let binaries = Binaries::ensure(&plan.own_roles(), build).await?;
        let (certs, _) = Certs::ensure(&plan.certs_folder(), &plan, hop::clock::now(), false)
            .context("prepare the certificates")?;
        let network = network(&plan)?;
        Ok(Prepared { plan, folder, binaries, certs, network, starting: Starting::default() })
    }
}

impl Prepared {
    /// The plan that [`Prepared::start`] runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Who is ready and who is waited for, while it starts.
    pub fn starting(&self) -> Starting {
        self.starting.clone()
    }

    /// Starts every program, wave by wave, and returns when all are ready. `collector` is the URL to which
    /// they send their spans.
    ///
    /// # Errors
    /// A file that a program reads cannot be written, an external program does not answer, or a program
    /// dies or is not ready in time ([`crate::Exit`]). Nothing runs then.
    pub async fn start(self, collector: String) -> anyhow::Result<Stack> {
        let Prepared { plan, folder, binaries, certs, network, starting } = self;
        let (run, certs_folder) = (folder.path().to_owned(), certs.folder().to_owned());
        let context = RunContext { run, certs: certs_folder, collector };
        zones::copy(&plan, &context)?;
        let launches = launches(&plan, &context, &binaries, network.as_ref())?;
        foreign::await_external(&plan, &starting).await?;
        let supervisor = Supervisor::start(launches, &starting).await?;
        foreign::await_external_ready(&plan, &starting).await?;
        let flush = flush(&plan, &context);
        let warnings = durability::warnings(&plan).await;
        Ok(Stack::new(plan, certs, folder, flush, warnings, supervisor, network))
    }
}

/// The network that the programs meet in, when the plan has one of its own.
fn network(plan: &Plan) -> anyhow::Result<Option<Network>> {
    if plan.mode == NetworkMode::Loopback {
        return Ok(None);
    }
    let hosts = plan.hosts().into_iter().map(|(name, addresses)| (name.to_owned(), addresses));
    let network = Network::build(LAB_ADDRESS, &hosts.collect::<Vec<_>>());
    Ok(Some(network.context("build the plan's network")?))
}
