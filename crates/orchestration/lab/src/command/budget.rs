//! `lab budget`: the chapter's table, audited by counting.

use report::budget::{self, Audit, Counted, audit};
use serde::Serialize;

use super::planned;
use super::session::{explained, start, stop};
use super::signals::Signals;
use crate::arguments::Global;
use crate::outcome::Outcome;
use crate::{control, print};

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    counted: Counted,
    #[serde(flatten)]
    audit: Audit,
}

pub(crate) async fn run(global: &Global) -> anyhow::Result<Outcome> {
    let Some(counted) = counted(global).await? else { return Ok(Outcome::Interrupted) };
    let audit = audit(&counted);
    let text = if global.json {
        serde_json::to_string_pretty(&Report { counted, audit })?
    } else {
        budget::table(&counted, &audit, print::text_width())
    };
    print::result(&text)?;
    Ok(Outcome::Good)
}

/// Counts on the running lab, or on one that is started for this; `None` when a signal came first.
async fn counted(global: &Global) -> anyhow::Result<Option<Counted>> {
    let mut signals = Signals::new()?;
    let plan = planned::plan(global)?;
    if let Some(run) = planned::running(&plan) {
        print::note(format_args!("counting on the running lab (pid {})", run.pid));
        return tokio::select! {
            counted = control::client::budget(&run) => counted.map(Some),
            _ = signals.next() => Ok(None),
        };
    }
    let Some((mut lab, _control)) = start(global, plan, &mut signals).await? else { return Ok(None) };
    let (target, collector) = (lab.target()?, lab.collector().clone());
    let counted = tokio::select! {
        counted = budget::count(&target, &collector) => Some(counted),
        _ = signals.next() => None,
    };
    let result = match counted {
        Some(Ok(counted)) => Ok(Some(counted)),
        Some(Err(error)) => Err(explained(&mut lab, &error).await),
        None => Ok(None),
    };
    stop(lab, &mut signals).await;
    result
}
