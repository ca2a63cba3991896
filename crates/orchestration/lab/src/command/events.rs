//! `lab events`: what the shop told the others.

use anyhow::{Context as _, bail};
use kafka_client::{Source, Topic};
use plan::{Plan, Role, Runs};
use report::utc::rfc3339_millis;

use super::planned;
use super::signals::Signals;
use crate::arguments::Global;
use crate::events::{EventReader, Next, ShopEvent};
use crate::outcome::Outcome;
use crate::print;

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
    let topic = Topic { bootstrap, name: topic.unwrap_or_else(|| self::topic(&plan).to_owned()) };
    let reader = tokio::select! {
        reader = EventReader::begin(Source { topic, follow }) => reader?,
        _ = signals.next() => return Ok(Outcome::Good),
    };
    show(global, reader, &mut signals).await
}

async fn show(global: &Global, mut reader: EventReader, signals: &mut Signals) -> anyhow::Result<Outcome> {
    let mut shown = 0_u64;
    loop {
        let next = tokio::select! {
            next = reader.next() => next?,
            // `--follow` goes on until then.
            _ = signals.next() => None,
        };
        match next {
            Some(Next::Event(event)) => {
                let text = if global.json { serde_json::to_string(&event)? } else { line(&event) };
                if !print::line(&text).context("write to stdout")? {
                    return Ok(Outcome::Good);
                }
                shown += 1;
            }
            Some(Next::Note(text)) => print::note(text),
            None => break,
        }
    }
    let repeated = match reader.repeated() {
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

fn line(event: &ShopEvent) -> String {
    let ShopEvent { at, kind, cart_id, item_id, product_id, quantity, trace_id, .. } = event;
    let trace = trace_id.as_deref().unwrap_or("-");
    let when = rfc3339_millis(*at);
    format!(
        "{when}  {kind:<12}  {cart_id:<12}  {item_id:<10}  {product_id:<10}  {quantity:>3}  trace {trace}"
    )
}

#[cfg(test)]
mod tests;
