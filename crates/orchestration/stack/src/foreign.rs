//! Foreign programs: those of recipes must be installed, those that run elsewhere must be there.

use anyhow::Context as _;
use plan::{Plan, Runs};

use crate::supervise::Readiness;

/// A recipe's program must be there; the error says which package has it.
pub(crate) fn check_installed(plan: &Plan) -> anyhow::Result<()> {
    for (_, hop) in plan.hops() {
        let Some(recipe) = hop.recipe.filter(|recipe| recipe.installed().is_none()) else { continue };
        anyhow::bail!(
            "{}: the recipe {} needs {}, which is not installed\n  what to do: apt-get install {}",
            hop.name,
            recipe.name,
            recipe.program,
            recipe.package
        );
    }
    Ok(())
}

/// A program that somebody else runs must be there before those that send it requests.
pub(crate) async fn await_external(plan: &Plan) -> anyhow::Result<()> {
    for (_, hop) in plan.hops() {
        let Runs::External(_) = &hop.runs else { continue };
        let ready = Readiness::of(hop);
        hop::wait::until(format!("hop.{} to answer", hop.name), plan.ready_limit(hop), async || {
            ready.holds().await.then_some(())
        })
        .await
        .with_context(|| {
            let name = &hop.name;
            format!(
                "{name} is external and {}\n  what to do: start it, or remove hop.{name}.external",
                ready.hint()
            )
        })?;
    }
    Ok(())
}
