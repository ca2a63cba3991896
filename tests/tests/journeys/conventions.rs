//! Every span of a real journey carries what its convention requires.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use journey::semconv::attribute;
use journey::semconv::convention::Convention;
use journey::{Kind, Span};
use lab::browser::{Browser, Request};
use tests::fixture::Fixture;

use crate::check::sound;

/// What is wrong with a span, if it is of a kind that speaks with others.
fn complaint(span: &Span) -> Option<String> {
    let convention = match Convention::of(span) {
        Some(convention) => convention,
        None if span.kind == Kind::Internal => return None,
        None => return Some(format!("{}: {:?} {:?} follows no convention", span.hop, span.kind, span.name)),
    };
    let missing = convention.missing(span);
    (!missing.is_empty())
        .then(|| format!("{}: {} {:?} lacks {missing:?}", span.hop, convention.name, span.name))
}

#[tokio::test]
async fn every_span_carries_what_its_convention_requires() -> anyhow::Result<()> {
    let lab = Fixture::start("conventions").await?;
    let (target, collector) = (lab.target()?, lab.collector());
    let mut browser = Browser::new(target.browser.clone())?;
    let mut spans: Vec<Span> = Vec::new();
    // A cold and a warm one, whose spans are kept until they are released.
    for _ in 0..2 {
        let response = browser.send(&Request::add_item("PROD-123", 1)).await?;
        collector.claim(response.trace_id);
        collector.insert(response.spans);
        let limit = Duration::from_secs(10);
        let journey = collector.journey(response.trace_id, &target.roster(), limit).await;
        sound(&journey.context("a journey")?)?;
        spans.extend(collector.spans(response.trace_id));
        collector.release(response.trace_id);
    }
    let complaints: Vec<String> = spans.iter().filter_map(complaint).collect();
    ensure!(complaints.is_empty(), "{complaints:#?}");

    // The very first journey has one of each: nothing is required that nobody sends.
    let met: BTreeSet<&str> = spans.iter().filter_map(|span| Some(Convention::of(span)?.name)).collect();
    let all: BTreeSet<&str> = Convention::ALL.iter().map(|convention| convention.name).collect();
    ensure!(met == all, "only {met:?} were met");

    let one = |name: &str| spans.iter().find(|span| Convention::of(span).is_some_and(|it| it.name == name));
    let urls: Vec<&str> = spans.iter().filter_map(|span| span.text(attribute::URL_FULL)).collect();
    let ours = format!("https://{}:{}/cart/items", target.browser.host, target.browser.port);
    ensure!(urls.contains(&ours.as_str()), "{urls:?}");
    let event = one("message producer").context("an event")?;
    ensure!(event.name == "send cart-events" && event.attribute(attribute::MESSAGING_KAFKA_OFFSET).is_some());
    // No token, whoever sent it along, is in any of them.
    let token = target.browser.token.as_deref().context("a token")?;
    ensure!(!format!("{spans:?}").contains(token), "a span shows the bearer token");

    // The twins: each attribute that is required, taken away, is missed.
    for span in spans.iter().filter(|span| Convention::of(span).is_some()) {
        for key in Convention::of(span).map_or(&[][..], |it| it.required) {
            let mut twin = span.clone();
            twin.attributes.retain(|(name, _)| name != key);
            ensure!(complaint(&twin).is_some(), "nobody misses {key} on {:?}", span.name);
        }
    }
    lab.finish().await;
    Ok(())
}
