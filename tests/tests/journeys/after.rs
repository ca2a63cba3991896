//! What a request leaves to be done after its response belongs to its journey, and to none of its figures.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use hop::telemetry::Exporter;
use journey::{After, Journey, Kind, Link, Span, TraceId};
use lab::TracedResponse;
use lab::browser::Request;
use tests::fixture::Fixture;

use crate::check::{shown, tiled};

const CONFIRM: &str = "confirm reservations";

/// What of this name was done after a journey; once, and well.
fn done<'a>(journey: &'a Journey, name: &str) -> anyhow::Result<&'a After> {
    let mut named = journey.after.iter().filter(|after| after.name == name);
    let (Some(after), None) = (named.next(), named.next()) else {
        anyhow::bail!("{name} was not done once\n{:#?}", journey.after)
    };
    ensure!(after.error.is_none() && after.silent.is_empty() && after.anomalies.is_empty(), "{after:#?}");
    Ok(after)
}

/// As the parts of a journey do.
fn tiles(after: &After) -> anyhow::Result<()> {
    let mut at = 0;
    for part in &after.parts {
        ensure!(part.start_ns == at, "{part:?} does not begin at {at}");
        at += part.duration_ns;
    }
    ensure!(at == after.duration_ns, "{at} of {}", after.duration_ns);
    Ok(())
}

/// Sends a request, waits for what it leaves to be done, and checks that this has changed nothing.
async fn settled(lab: &Fixture, mut sent: TracedResponse) -> anyhow::Result<Journey> {
    let before = Journey { after: Vec::new(), outstanding: 0, ..sent.journey.clone() };
    lab.settle(&mut sent.journey).await?;
    let journey = sent.journey;
    ensure!(journey.settled(), "{} outstanding\n{:#?}", journey.outstanding, journey.after);
    ensure!(before == Journey { after: Vec::new(), ..journey.clone() }, "the rest stays what it was");
    ensure!(journey.clean(), "{:?}\n{}", journey.flaws(), shown(&journey));
    tiled(&journey)?;
    journey.after.iter().try_for_each(tiles)?;
    Ok(journey)
}

#[tokio::test]
async fn the_call_that_confirms_a_reservation_belongs_to_the_request_that_made_it() -> anyhow::Result<()> {
    let lab = Fixture::start("after").await?;
    let sent = lab.post_cart_item("PROD-123", 1).await?;
    ensure!(sent.outstanding + sent.after.len() as u32 >= 2, "it is announced:\n{:#?}", sent.after);
    let journey = settled(&lab, sent).await?;
    let confirm = done(&journey, CONFIRM)?;
    ensure!((confirm.role.as_str(), confirm.requests) == ("cart", 1), "{confirm:#?}");
    ensure!(journey.try_hop(&confirm.hop).is_some(), "the pod that had the request");
    let met = |role: &str| confirm.parts.iter().any(|part| part.role == role);
    ensure!(["inventory-service", "inventory", "store"].into_iter().all(met), "{confirm:#?}");
    let fsync = |part: &journey::Part| part.role == "inventory" && part.name == "fsync";
    ensure!(confirm.parts.iter().any(fsync), "the inventory keeps what it was told: {confirm:#?}");
    done(&journey, "empty outbox")?;
    // The request itself called the inventory's Service once, to reserve; a GET leaves nothing to be done.
    ensure!(journey.calls("cart", "inventory-service") == 1, "{}", shown(&journey));
    let looked = settled(&lab, lab.get_cart().await?).await?;
    ensure!(looked.after.is_empty(), "{:#?}", looked.after);

    // What a removal frees goes back afterwards.
    let delete = Request { method: hyper::Method::DELETE, ..Request::get("/cart/items/ITEM-123") };
    let removed = settled(&lab, lab.send(&delete).await?).await?;
    ensure!(removed.status == Some(204), "{}", shown(&removed));
    let returned = done(&removed, "return units")?;
    ensure!(returned.parts.iter().any(|part| part.role == "inventory"), "{returned:#?}");

    // Another program's work, which it says by OpenTelemetry's links alone.
    let mailed = Span::new(
        TraceId([77; 16]),
        hop::trace::new_span_id(),
        None,
        Kind::Consumer,
        "cart-events process",
        (journey.start_unix_ns + journey.total_ns, journey.start_unix_ns + journey.total_ns + 1_000_000),
    );
    let span_id = hop::trace::new_span_id();
    let links = vec![Link { trace_id: journey.trace_id, span_id }];
    let message = hop::otlp::encode("mailer", &[Span { links, ..mailed }]);
    let collector = lab.collector().endpoint();
    let address = collector.strip_prefix("http://").context("http")?.parse()?;
    Exporter::new(address).send(message.into()).await.ok().context("the collector takes it")?;
    let again =
        lab.collector().try_journey(journey.trace_id, &lab.target()?.roster()).context("it is there")?;
    let mailed = done(&again, "cart-events process")?;
    ensure!((mailed.hop.as_str(), mailed.duration_ns) == ("mailer", 1_000_000), "{mailed:#?}");
    lab.finish().await;
    Ok(())
}

/// Reservations are confirmed many at once: each of their requests has the batch, and it says how many they are.
#[tokio::test]
async fn a_batch_belongs_to_each_of_its_requests() -> anyhow::Result<()> {
    let lab = Fixture::start("after-batch").await?;
    let mut sent = Vec::new();
    for _ in 0..12 {
        sent.push(lab.post_cart_item("PROD-123", 1).await?);
    }
    let mut batches: HashMap<TraceId, Vec<u32>> = HashMap::new();
    for sent in sent {
        let journey = settled(&lab, sent).await?;
        let confirm = done(&journey, CONFIRM)?;
        batches.entry(confirm.trace_id).or_default().push(confirm.requests);
    }
    for (trace, requests) in &batches {
        let all = u32::try_from(requests.len())?;
        ensure!(requests.iter().all(|of| *of == all), "{trace} is of {all}, and says {requests:?}");
    }
    ensure!(batches.len() < 12, "none of them was a batch: {batches:?}");
    lab.finish().await;
    Ok(())
}
