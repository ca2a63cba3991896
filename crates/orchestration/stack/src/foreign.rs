//! Foreign programs: those of recipes must be installed, those that run elsewhere must be there.

use plan::{Plan, Runs};

use crate::probe::Refusal;
use crate::supervise::{Readiness, Starting};

/// A recipe's program must be there; the error says how to install it.
pub(crate) fn check_installed(plan: &Plan) -> anyhow::Result<()> {
    for (_, hop) in plan.hops() {
        let Some(recipe) = hop.missing() else { continue };
        anyhow::bail!(
            "{}: the recipe {} needs {}, which is not installed\n  what to do: {}",
            hop.name,
            recipe.name,
            recipe.program,
            recipe.install
        );
    }
    Ok(())
}

/// A program that somebody else runs must be there before those that send it requests.
pub(crate) async fn await_external(plan: &Plan, starting: &Starting) -> anyhow::Result<()> {
    for (_, hop) in plan.hops() {
        let Runs::External(_) = &hop.runs else { continue };
        starting.await_external(&hop.name);
        let (ready, mut refusal) = (Readiness::of(plan, hop), None);
        let limit = plan.ready_limit(hop);
        let answered = hop::wait::until(format!("hop.{} to answer", hop.name), limit, async || {
            ready.holds().await.map_err(|answer| refusal = Some(answer)).ok()
        });
        if answered.await.is_err()
            && let Some(Refusal { sent, answered, wanted }) = refusal
        {
            let wanted =
                if wanted.is_empty() { wanted } else { format!(", and has to answer with {wanted}") };
            anyhow::bail!(
                "{name}: it is external, and was not ready within {limit:?}\n  probe: {sent}\n  answered: {answered}\n  \
                 what to do: it runs outside the lab{wanted}; start it, or remove hop.{name}.external",
                name = hop.name
            );
        }
    }
    Ok(())
}
