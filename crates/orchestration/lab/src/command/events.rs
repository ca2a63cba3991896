//! `lab events`: what the shop told the others.

use anyhow::{Context as _, bail};

use super::planned;
use super::signals::Signals;
use crate::arguments::Global;
use crate::events::{Next, Reading, Source, Told};
use crate::outcome::Outcome;
use crate::plan::{Plan, Role, Runs};
use crate::print;
use report::utc::rfc3339_millis;

/// Where the cart puts its events unless its URL says otherwise.
const TOPIC: &str = "cart-events";

pub(crate) async fn run(global: &Global, follow: bool, topic: Option<String>) -> anyhow::Result<Outcome> {
    let mut signals = Signals::new()?;
    let plan = global.options().plan()?;
    let Some(run) = planned::running(&plan) else {
        bail!("the lab \"{}\" does not run\n  what to do: start it in another terminal: lab", plan.name);
    };
    let kafka = run.hops.iter().find(|hop| hop.role == Role::Events.as_str());
    let bootstrap = kafka.context("nothing in the running lab plays the role events")?.listen;
    let topic = topic.unwrap_or_else(|| self::topic(&plan).to_owned());
    let reading = tokio::select! {
        reading = Reading::begin(Source { bootstrap, topic, follow }) => reading?,
        _ = signals.next() => return Ok(Outcome::Good),
    };
    show(global, reading, &mut signals).await
}

async fn show(global: &Global, mut reading: Reading, signals: &mut Signals) -> anyhow::Result<Outcome> {
    let mut shown = 0_u64;
    loop {
        let next = tokio::select! {
            next = reading.next() => next?,
            // `--follow` goes on until then.
            _ = signals.next() => None,
        };
        match next {
            Some(Next::Event(told)) => {
                let text = if global.json { serde_json::to_string(&told)? } else { line(&told) };
                if !print::line(&text).context("write to stdout")? {
                    return Ok(Outcome::Good);
                }
                shown += 1;
            }
            Some(Next::Note(text)) => print::note(text),
            None => break,
        }
    }
    let repeated = match reading.repeated() {
        0 => String::new(),
        count => format!("; {count} were in Kafka again, and dropped"),
    };
    print::note(format_args!("{shown} events{repeated}"));
    Ok(Outcome::Good)
}

/// The topic in the plan's URL.
fn topic(plan: &Plan) -> &str {
    let url = match plan.first(Role::Events).map(|hop| &hop.runs) {
        Some(Runs::External(url)) => url.split_once("://").map_or(url.as_str(), |(_, rest)| rest),
        _ => "",
    };
    url.split_once('/').map(|(_, topic)| topic).filter(|topic| !topic.is_empty()).unwrap_or(TOPIC)
}

fn line(told: &Told) -> String {
    let Told { at, kind, cart_id, item_id, product_id, quantity, trace_id, .. } = told;
    let trace = trace_id.as_deref().unwrap_or("-");
    let when = rfc3339_millis(*at);
    format!(
        "{when}  {kind:<12}  {cart_id:<12}  {item_id:<10}  {product_id:<10}  {quantity:>3}  trace {trace}"
    )
}

#[cfg(test)]
mod tests;
