//! Does a foreign engine keep what it acknowledges? The lab's own do (`store`, `events`); another one's
//! settings decide, so they are read when the lab starts, and a warning says what they lack.

mod kafka;
mod redis;
mod settings;
#[cfg(test)]
mod tests;

use plan::{Hop, Plan, Role, Runs};

use settings::{LIMIT, Settings};

/// What the user should know about the programs in the slots: each says who, what, and what to do.
pub(crate) async fn warnings(plan: &Plan) -> Vec<String> {
    let mut warnings = Vec::new();
    for (_, hop) in plan.hops().filter(|(_, hop)| hop.runs != Runs::Own) {
        warnings.extend(match hop.role() {
            Role::Store => checked(hop, STORE, redis::settings(hop), redis::verdict).await,
            Role::Events => checked(hop, EVENTS, kafka::settings(hop), kafka::verdict).await,
            Role::Resolver if hop.flush.is_none() => Some(format!(
                "{}: its cache cannot be emptied, so of cold journeys only the first queries the name servers\n  what to do: hop.{}.flush = \"…\", the command that empties it",
                hop.name, hop.name
            )),
            _ => None,
        });
    }
    warnings
}

/// What must be so, for an engine that does not say how it is.
const STORE: &str = "see to it that `appendonly` is yes and `appendfsync` is always";
const EVENTS: &str =
    "see to it that `log.flush.interval.messages` is 1, or that `min.insync.replicas` is at least 2";

async fn checked(
    hop: &Hop,
    must: &str,
    settings: impl Future<Output = Result<Settings, String>>,
    verdict: fn(&Settings) -> Option<String>,
) -> Option<String> {
    let settings = tokio::time::timeout(LIMIT, settings).await;
    let settings = settings.unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}")));
    let (problem, remedy) = match settings.map(|settings| verdict(&settings)) {
        Ok(None) => return None,
        Ok(Some(problem)) => (problem, must.to_owned()),
        Err(error) => {
            (format!("whether it keeps what it acknowledges could not be checked: {error}"), must.to_owned())
        }
    };
    let recipe = plan::recipe::of(hop.role())
        .next()
        .map(|recipe| format!("; the recipe does: --swap {}={}", hop.name, recipe.name));
    let recipe = recipe.filter(|_| hop.recipe.is_none()).unwrap_or_default();
    Some(format!("{} at {}: {problem}\n  what to do: {remedy}{recipe}", hop.name, hop.listen))
}
