//! The plan that was typed, and the lab that runs after it.

use plan::Plan;
use stack::state::{self, Run};

use crate::arguments::Global;
use crate::print;

/// Reads the plan and says which it is.
pub(super) fn plan(global: &Global) -> anyhow::Result<Plan> {
    let plan = global.options().plan()?;
    let changes = match global.set.len() + global.swap.len() {
        0 => String::new(),
        1 => ", with one change".to_owned(),
        changes => format!(", with {changes} changes"),
    };
    print::note(format_args!("plan: {}{changes}", plan.source));
    Ok(plan)
}

/// The running lab of the plan's name.
pub(super) fn running(plan: &Plan) -> Option<Run> {
    state::running(&plan.states(), &plan.name)
}
