//! A lab in a process of its own, as a user starts it: what it takes of processor and memory is nobody else's.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use lab::certs::Certs;
use lab::measure;
use lab::plan::Plan;
use lab::state::{self, Run};
use tokio::process::Child;

use crate::fixture::TestSlot;
use crate::load::Load;
use crate::program;

/// How long it may take until it has made its first journeys, on a machine that is busy with others.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end.
const STOP: Duration = Duration::from_secs(30);

/// A running lab. It ends when this is dropped.
pub struct Standalone {
    /// What it says of itself.
    pub run: Run,
    plan: Plan,
    child: Child,
    slot: TestSlot,
}

impl Standalone {
    /// Starts the default stack with these settings (`--set`), and waits until it has made a journey and is at rest.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(name: &str, settings: &[&str]) -> anyhow::Result<Self> {
        program::path().await?;
        let slot = TestSlot::take(name).await?;
        let mut options = slot.options();
        options.sets.extend(settings.iter().map(|&setting| setting.to_owned()));
        let plan = options.plan()?;
        let sets = options.sets.iter().flat_map(|set| ["--set", set.as_str()]);
        let mut command = program::command(sets.chain(["--no-build"])).await?;
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("start the lab")?;
        let states = slot.path("");
        let run = hop::wait::until("the lab to run", START, async || state::running(&states, name)).await?;
        let journey = measure::Options { cold: false, ..Default::default() };
        hop::wait::until("the lab's first journeys", START, async || {
            lab::control::client::measure(&run, &journey).await.ok()
        })
        .await?;
        Ok(Standalone { run, plan, child, slot })
    }

    /// The processes of its hops.
    pub fn hops(&self) -> impl Iterator<Item = u32> {
        self.run.hops.iter().filter_map(|hop| hop.pid)
    }

    /// The processes of one role.
    pub fn role(&self, role: &str) -> impl Iterator<Item = u32> {
        self.run.hops.iter().filter(move |hop| hop.role == role).filter_map(|hop| hop.pid)
    }

    /// Where a hop listens.
    ///
    /// # Errors
    /// There is no such hop.
    pub fn listen(&self, name: &str) -> anyhow::Result<SocketAddr> {
        let hop = self.run.hops.iter().find(|hop| hop.name == name);
        Ok(hop.with_context(|| format!("the lab has no hop {name}"))?.listen)
    }

    /// Users who put things into their cart, each request good for an hour.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub fn load(&self) -> anyhow::Result<Load> {
        let now = hop::clock::now();
        let (certs, _) = Certs::ensure(&self.plan.certs_folder(), &self.plan, now, false)?;
        let token = certs.token(&self.plan.host, &self.plan.user, now)?;
        Load::new(self.listen("lb")?, &self.plan.host, &certs.authority(), &token)
    }

    /// Ends it as Ctrl-C does, and removes its folder: what it was started for has succeeded.
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        let pid = pid.context("the lab ended by itself")?;
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        let ended = tokio::time::timeout(STOP, self.child.wait()).await.context("the lab does not end")??;
        ensure!(ended.success(), "the lab ended with {ended}");
        self.slot.release();
        Ok(())
    }
}
