//! `lab events`: what the shop told the others.

use anyhow::{Context as _, bail};
use kafka_client::{Source, Topic};
use plan::{Plan, Role, Runs};
use report::layout;
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
    let (mut shown, width) = (0_u64, print::width());
    loop {
        let next = tokio::select! {
            next = reader.next() => next?,
            // `--follow` goes on until then.
            _ = signals.next() => None,
        };
        match next {
            Some(Next::Event(event)) => {
                let text = if global.json { serde_json::to_string(&event)? } else { line(&event, width) };
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

/// One event in one line; the trace where there is room for it.
fn line(event: &ShopEvent, width: usize) -> String {
    let ShopEvent { at, kind, cart_id, item_id, product_id, quantity, trace_id, .. } = event;
    let when = rfc3339_millis(*at);
    let line = format!("{when}  {kind:<10}  {cart_id:<10}  {item_id:<9}  {product_id:<9}  {quantity:>2}");
    let with_trace = format!("{line}  trace {}", trace_id.as_deref().unwrap_or("–"));
    if layout::width(&with_trace) <= width { with_trace } else { layout::wrap(&line, width) }
}

#[cfg(test)]
mod tests;
