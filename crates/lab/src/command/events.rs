//! `lab events`: what the shop told the others.

use anyhow::{Context as _, bail};

use super::Signals;
use crate::cli::{Global, Outcome};
use crate::events::{Next, Reading, Source, Told};
use crate::plan::{Plan, Role, Runs};
use crate::print;

/// Where the cart puts its events unless its URL says otherwise.
const TOPIC: &str = "cart-events";

pub(super) async fn run(global: &Global, follow: bool, topic: Option<String>) -> anyhow::Result<Outcome> {
    let mut signals = Signals::new()?;
    let plan = global.options().plan()?;
    let Some(run) = super::running(&plan) else {
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
            // It was asked to go on until then.
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
    let when = utc(*at);
    format!(
        "{when}  {kind:<12}  {cart_id:<12}  {item_id:<10}  {product_id:<10}  {quantity:>3}  trace {trace}"
    )
}

/// Milliseconds since the Unix epoch as ISO 8601 has it, in UTC.
fn utc(milliseconds: u64) -> String {
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Counted from 1 March of the year 0, leap days come last in their year, century and four centuries.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_210_096_007, "2024-02-29T12:34:56.007Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(milliseconds), text);
        }
    }

    #[test]
    fn the_topic_is_the_plans() {
        let plan = |set: &str| {
            let sets = [format!("hop.kafka.{set}")];
            Plan::parse("lab.toml", crate::plan::DEFAULT, std::path::Path::new(""), &sets, &[])
                .expect("a plan")
        };
        assert_eq!(topic(&plan("partitions=5")), "cart-events");
        assert_eq!(topic(&plan("external=kafka://127.0.0.1:9092")), "cart-events");
        assert_eq!(topic(&plan("external=kafka://127.0.0.1:9092/other")), "other");
    }
}
