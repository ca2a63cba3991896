//! Runs: starts of the programs, each with a folder of its own, each measured and stopped again.

use std::path::PathBuf;

use anyhow::Context as _;
use measure::{Measured, Options};
use plan::Plan;

use super::measure::shown;
use super::planned;
use super::session::explained;
use super::signals::Signals;
use crate::arguments::Global;
use crate::outcome::Misuse;
use crate::print;
use crate::running::Lab;

/// Where runs take place: empty at the beginning of each, gone at the end.
pub(super) struct Starts {
    folder: PathBuf,
    build: bool,
    made: usize,
    signals: Signals,
}

impl Starts {
    /// Before the first one.
    ///
    /// # Errors
    /// The plan's lab runs already: it would be measured with the others' journeys in it, and holds their ports.
    pub(super) fn begin(global: &Global, plan: &Plan) -> anyhow::Result<Starts> {
        if let Some(run) = planned::running(plan) {
            return Err(Misuse(format!(
                "the lab \"{}\" runs already (pid {}), and every run here is a start of its own\n  what to do: `lab stop` \
                 first, or take another name and other ports: lab --set lab.name=two --set network.port_offset=100 …",
                plan.name, run.pid
            ))
            .into());
        }
        let folder = plan.states().join(format!("{}-runs-{}", plan.name, std::process::id()));
        Ok(Starts { folder, build: !global.no_build, made: 0, signals: Signals::new()? })
    }

    /// Starts the programs, measures, stops them; `None` when a signal came first.
    pub(super) async fn run(&mut self, plan: &Plan, options: &Options) -> anyhow::Result<Option<Measured>> {
        self.made += 1;
        let state = self.folder.join(self.made.to_string());
        let mut plan = plan.clone();
        plan.state = Some(state.clone());
        // What was built for the first run of a variant is there for all.
        let build = self.build && self.made <= 2;
        let count = plan.hops().count();
        let what = || format!("starting {count} programs");
        let starting = print::live(&what, Lab::start_plan(plan, build));
        let mut lab = tokio::select! {
            lab = starting => lab?,
            _ = self.signals.next() => return Ok(None),
        };
        let (target, collector) = (lab.target()?, lab.collector().clone());
        let measured = tokio::select! {
            measured = measure::run(&target, &collector, options, shown()) => Some(measured),
            _ = self.signals.next() => None,
        };
        let measured = match measured.transpose() {
            Ok(measured) => Ok(measured),
            Err(error) => Err(explained(&mut lab, &error).await),
        };
        let interrupted = self.stop(lab).await;
        // What a failed run leaves stays, with its logs.
        let measured = measured?;
        std::fs::remove_dir_all(&state).with_context(|| format!("remove {}", state.display()))?;
        Ok(measured.filter(|_| !interrupted))
    }

    /// Stops everything; a signal means now, and is told.
    async fn stop(&mut self, lab: Lab) -> bool {
        let impatience = lab.impatience();
        let mut stopping = std::pin::pin!(lab.stop());
        tokio::select! {
            () = &mut stopping => return false,
            _ = self.signals.next() => impatience.cancel(),
        }
        stopping.await;
        true
    }
}

impl Drop for Starts {
    fn drop(&mut self) {
        // Only when nothing is left in it.
        let _ = std::fs::remove_dir(&self.folder);
    }
}
