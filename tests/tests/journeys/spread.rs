//! The lesson of layer 4: a Service decides once per connection, never per request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use journey::Journey;
use serde_json::Value;
use tests::fixture::{Fixture, TestSlot};
use tokio::net::TcpStream;

use crate::check::sound;
use crate::measuring::{Kind, measure, warm};

/// How many connections each ready pod was ever given by cart-service.
async fn given(lab: &Fixture) -> anyhow::Result<BTreeMap<SocketAddr, u64>> {
    let reply = hop::admin::client::get(lab.admin("cart-service"), "/endpoints").await?;
    let view: Value = serde_json::from_slice(&reply.body)?;
    let ready = view["ready"].as_array().context("a list of ready endpoints")?;
    let entry = |entry: &Value| {
        let address = entry["endpoint"].as_str().context("an address")?.parse()?;
        Ok((address, entry["total"].as_u64().context("a count")?))
    };
    ready.iter().map(entry).collect()
}

/// The cart pod that a journey met.
fn pod(journey: &Journey) -> anyhow::Result<String> {
    sound(journey)?;
    let part = journey.parts.iter().find(|part| part.role == "cart").context("a journey meets a pod")?;
    Ok(part.hop.clone())
}

#[tokio::test]
async fn kept_connections_stay_on_one_pod() -> anyhow::Result<()> {
    let lab = Fixture::start("spread-kept").await?;
    let first = measure(&lab, 30, Kind::Warm).await?;
    let pods = warm(&first).iter().map(pod).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(pods.iter().all(|other| *other == pods[0]), "30 requests on one connection met {pods:?}");
    let before = given(&lab).await?;
    ensure!(
        before.len() == 3 && before.values().sum::<u64>() == 1,
        "one connection, whatever it carries: {before:?}"
    );

    // Another browser changes nothing: the connection that counts is the ingress' own.
    let second = measure(&lab, 10, Kind::Both).await?;
    for journey in second.journeys() {
        ensure!(pod(journey)? == pods[0], "a new browser met another pod");
    }
    ensure!(given(&lab).await? == before, "no connection was opened");

    // New connections are what is spread: of 60, at random, each pod gets some (missing one of three
    // happens once in ten billion).
    let service = lab.listen("cart-service");
    for _ in 0..60 {
        drop(TcpStream::connect(service).await?);
    }
    hop::wait::until("60 more connections to be given to pods", Duration::from_secs(20), async || {
        let now = given(&lab).await.ok()?;
        (now.values().sum::<u64>() == 61 && now.values().all(|total| *total > 0)).then_some(())
    })
    .await?;
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn each_new_connection_of_the_ingress_goes_to_the_next_pod() -> anyhow::Result<()> {
    let slot = TestSlot::take("spread-new").await?;
    let options = slot.options().set("hop.cart-service.mode", "round-robin");
    let lab = slot.start(options).await?;
    let mut pods = Vec::new();
    for turn in 1..=3 {
        let measured = measure(&lab, 5, Kind::Warm).await?;
        let met = warm(&measured).iter().map(pod).collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(met.iter().all(|other| *other == met[0]), "turn {turn} met {met:?}");
        pods.push(met[0].clone());
        let counts = given(&lab).await?;
        ensure!(counts.values().sum::<u64>() == turn, "turn {turn}: {counts:?}");
        // A new ingress has no connections: its next request opens one.
        let pid = lab.pid("ingress");
        lab.kill("ingress")?;
        lab.ready_again("ingress", pid).await?;
        answers_again(&lab).await?;
    }
    pods.sort_unstable();
    pods.dedup();
    ensure!(pods.len() == 3, "three connections, one after the other, met {pods:?}");
    lab.finish().await;
    Ok(())
}

/// The lb has noticed that the ingress is back: it answers what no rule matches, without any pod.
async fn answers_again(lab: &Fixture) -> anyhow::Result<()> {
    let target = lab.target()?;
    let mut browser = lab::browser::Browser::new(target.browser)?;
    let mut request = lab::browser::Request::add_item("PROD-123", 1);
    (request.path, request.sampled) = ("/nobody".to_owned(), false);
    hop::wait::until("the lb to reach the new ingress", Duration::from_secs(20), async || {
        let answer = browser.send(&request).await.ok()?;
        (answer.status == hyper::StatusCode::NOT_FOUND).then_some(())
    })
    .await?;
    Ok(())
}
