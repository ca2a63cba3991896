//! Every span of a real journey carries what its convention requires.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use journey::semconv::attribute;
use journey::semconv::convention::Convention;
use journey::{Kind, Span};
use tests::fixture::Fixture;

use crate::measuring::{self, cold, measure, warm};

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
    let measured = measure(&lab, 1, measuring::Kind::Both).await?;
    let traces = [&cold(&measured)[0], &warm(&measured)[0]].map(|journey| journey.trace_id);
    let spans: Vec<Span> = traces.into_iter().flat_map(|trace| lab.collector().spans(trace)).collect();
    let complaints: Vec<String> = spans.iter().filter_map(complaint).collect();
    ensure!(complaints.is_empty(), "{complaints:#?}");

    // The very first journey has one of each: nothing is required that nobody sends.
    let met: BTreeSet<&str> = spans.iter().filter_map(|span| Some(Convention::of(span)?.name)).collect();
    let all: BTreeSet<&str> = Convention::ALL.iter().map(|convention| convention.name).collect();
    ensure!(met == all, "only {met:?} were met");

    let one = |name: &str| spans.iter().find(|span| Convention::of(span).is_some_and(|it| it.name == name));
    let urls: Vec<&str> = spans.iter().filter_map(|span| span.text(attribute::URL_FULL)).collect();
    let ours = lab.target()?.browser;
    let ours = format!("https://{}:{}/cart/items", ours.host, ours.port);
    ensure!(urls.contains(&ours.as_str()), "{urls:?}");
    let event = one("message producer").context("an event")?;
    ensure!(event.name == "send cart-events" && event.attribute(attribute::MESSAGING_KAFKA_OFFSET).is_some());
    // No token, whoever sent it along, is in any of them.
    let target = lab.target()?;
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
