//! Foreign programs: those of recipes must be installed, those that run elsewhere must be there.

use plan::{Hop, Plan, Runs};
use tokio::net::TcpStream;

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
    await_each(plan, starting, async |hop, ready| {
        // It may pass on to a program that is not started yet, as a wire or a proxy in front of a hop does.
        if TcpStream::connect(hop.listen).await.is_ok() { Ok(()) } else { ready.holds().await }
    })
    .await
}

/// And it must be ready when all are.
pub(crate) async fn await_external_ready(plan: &Plan, starting: &Starting) -> anyhow::Result<()> {
    await_each(plan, starting, async |_, ready| ready.holds().await).await
}

async fn await_each(
    plan: &Plan,
    starting: &Starting,
    holds: impl AsyncFn(&Hop, &Readiness) -> Result<(), Refusal>,
) -> anyhow::Result<()> {
    for (_, hop) in plan.hops() {
        let Runs::External(_) = &hop.runs else { continue };
        starting.await_external(&hop.name);
        let (ready, mut refusal) = (Readiness::of(plan, hop), None);
        let limit = plan.ready_limit(hop);
        let answered = hop::wait::until(format!("hop.{} to answer", hop.name), limit, async || {
            holds(hop, &ready).await.map_err(|answer| refusal = Some(answer)).ok()
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
