//! A running lab: what the `lab` command drives and what integration tests hold in their hands.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::Context as _;
use measure::BrowserThread;
use measure::Collector;
use measure::Target;
use plan::Plan;
use stack::certs::Certs;
use stack::{Event, Prepared, Stack, Status};
use tokio_util::sync::CancellationToken;

use crate::measurable;
use crate::options::Options;
use crate::test_slot::TestSlot;
use crate::viewer::Viewer;

/// A stack that runs and is ready, and what measures it. Dropping it kills every program.
pub struct Lab {
    stack: Stack,
    collector: Collector,
    /// The browser of [`Lab::send`], from the first request on.
    pub(crate) browser: OnceLock<BrowserThread>,
    /// A test's, which is given back last.
    slot: Option<TestSlot>,
}

impl Lab {
    /// Starts everything and returns when all is ready.
    ///
    /// # Errors
    /// A wrong plan ([`plan::PlanError`]), a lab of the same name
    /// ([`stack::state::AlreadyRuns`]), taken ports, a build that fails, or a program that dies or is
    /// not ready in time ([`stack::Exit`]). Nothing runs then.
    pub async fn start(options: Options) -> anyhow::Result<Lab> {
        let Some(name) = &options.test else {
            return Self::start_plan(options.plan()?, options.build).await;
        };
        let slot = TestSlot::take(name).await?;
        let mut sets = slot.options().sets;
        sets.extend(options.sets);
        slot.start(Options { sets, ..options }).await
    }

    /// Starts a plan that is checked already.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn start_plan(plan: Plan, build: bool) -> anyhow::Result<Lab> {
        Self::start_prepared(Stack::prepare(plan, build).await?).await
    }

    /// Starts what is prepared.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn start_prepared(prepared: Prepared) -> anyhow::Result<Lab> {
        let plan = prepared.plan();
        let collector = Collector::bind(plan.collector, plan.telemetry.forward)?;
        let stack = prepared.start(collector.endpoint()).await?;
        collector.use_recorders(measurable::recorders(&stack.view())?);
        Ok(Lab { stack, collector, browser: OnceLock::new(), slot: None })
    }

    /// The slot that it runs in, if it is a test's.
    pub fn slot(&self) -> Option<&TestSlot> {
        self.slot.as_ref()
    }

    /// The plan it runs after.
    pub fn plan(&self) -> &Plan {
        self.stack.plan()
    }

    /// The lab's folder: `logs/`, `data/`, `zones/`.
    pub fn folder(&self) -> &Path {
        self.stack.folder()
    }

    /// What the user should know about the programs in the slots: each says who, what, and what to do.
    pub fn warnings(&self) -> &[String] {
        self.stack.warnings()
    }

    /// Receives the hops' spans.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// The certificates and keys in use.
    pub fn certs(&self) -> &Certs {
        self.stack.certs()
    }

    /// Every program, in the order of the plan.
    pub fn statuses(&self) -> Vec<Status> {
        self.stack.statuses()
    }

    /// A program's process; `None` while it does not run.
    pub fn pid(&self, hop: &str) -> Option<u32> {
        self.stack.pid(hop)
    }

    /// What a program wrote so far.
    pub fn log(&self, hop: &str) -> String {
        self.stack.log(hop)
    }

    /// Kills a program at once, as `kill -9` does; the lab starts it again.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&self, hop: &str) -> anyhow::Result<()> {
        self.stack.kill(hop)
    }

    /// Waits until a program is ready in a process other than `not`.
    ///
    /// # Errors
    /// It did not happen within the plan's limit; the error has the last lines of its log.
    pub async fn ready_again(&self, hop: &str, not: Option<u32>) -> anyhow::Result<()> {
        self.stack.ready_again(hop, not).await
    }

    /// What to measure; its token is fresh, good for an hour.
    ///
    /// # Errors
    /// The signing key cannot be read.
    pub fn target(&self) -> anyhow::Result<Target> {
        measurable::target(&self.stack.view())
    }

    /// Waits until something happens to a program.
    pub async fn event(&mut self) -> Event {
        self.stack.event().await
    }

    /// What happened and was not yet taken.
    pub fn try_event(&mut self) -> Option<Event> {
        self.stack.try_event()
    }

    /// Cancel it while [`Lab::stop`] runs, and programs are killed instead of drained.
    pub fn impatience(&self) -> CancellationToken {
        self.stack.impatience()
    }

    /// Stops everything, the load balancer first, and gives running requests time to finish.
    pub async fn stop(mut self) {
        self.browser.take();
        self.stack.stop().await;
        if let Some(forward) = self.collector.forward() {
            forward.finish().await;
        }
        let slot = self.slot.take();
        // The lab's folder is given back when nobody writes there any more.
        drop(self);
        if let Some(slot) = slot {
            slot.release();
        }
    }

    pub(crate) fn viewer(&self) -> Viewer {
        Viewer { stack: self.stack.view(), collector: self.collector.clone() }
    }

    /// Says in `run.json` what runs and where its control server is.
    pub(crate) fn announce(&self, control: SocketAddr, since_unix_ns: u64) -> anyhow::Result<()> {
        self.stack.announce(control, since_unix_ns)
    }
}

impl TestSlot {
    /// Starts a lab here, which gives the slot back at its end; `options` are those of this slot and what is
    /// changed.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn start(self, options: Options) -> anyhow::Result<Lab> {
        let lab = Lab::start_plan(options.plan()?, options.build).await;
        let lab = lab.with_context(|| format!("start the lab {}", self.name()))?;
        Ok(Lab { slot: Some(self), ..lab })
    }
}
