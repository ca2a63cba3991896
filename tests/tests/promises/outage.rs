//! What happens to an event when Kafka is down, and to units in the hands of a pod that dies.

use anyhow::{Context as _, ensure};

use super::check::distinct;
use super::stage::{Add, Engines, LIMIT, PODS, RestartedBy, SETTLE_AFTER, Stage};

const STOCK: u32 = 1_000;

pub(crate) async fn an_event_is_told_when_kafka_is_back(set: Engines) -> anyhow::Result<()> {
    let Some(mut stage) = Stage::open(set, "kafka-down", RestartedBy::Test).await? else { return Ok(()) };
    let (user, product, pod) = ("patient", "PROD-K", stage.listen(PODS[0]));
    stage.stock(product, STOCK).await?;
    stage.stop("kafka");
    let add = Add::new(user, product, 2).key("kafka-is-down");
    let response = stage.add(pod, &add).await?;
    let problem = response.json()?;
    ensure!(response.status == 503 && problem["fault"] == "upstream", "{response:?}");
    for words in ["kafka", "The item is in the cart", "as soon as Kafka is back"] {
        ensure!(response.body.contains(words), "it does not say {words:?}: {response:?}");
    }
    ensure!(stage.carts([user]).await?.values().eq([&2]), "the answer says so");
    // A retry with the key adds nothing, and promises nothing that is not so.
    let again = stage.add(stage.listen(PODS[1]), &add).await?;
    ensure!(again.status == 503, "{again:?}");

    stage.start("kafka").await?;
    let told = hop::wait::until("the event to appear by itself", LIMIT, async || {
        stage.log_of(user).await.is_ok_and(|log| !log.is_empty()).then_some(())
    });
    told.await?;
    stage.until_added(stage.listen(PODS[2]), &add).await?;
    stage.settled(&[user.to_owned()]).await?;
    ensure!(stage.carts([user]).await?.values().eq([&2]), "it landed once");
    let log = stage.log_of(user).await?;
    let events = distinct(&log);
    ensure!(events.len() == 1 && events[0].trace == add.trace, "{events:?}");
    ensure!(stage.left(product).await? == i64::from(STOCK) - 2);
    stage.finish().await;
    Ok(())
}

pub(crate) async fn a_pod_that_died_with_units_in_hand_loses_none(set: Engines) -> anyhow::Result<()> {
    let Some(mut stage) = Stage::open(set, "units-in-hand", RestartedBy::Lab).await? else { return Ok(()) };
    let (user, product, pod) = ("unlucky", "PROD-U", stage.listen(PODS[0]));
    stage.stock(product, STOCK).await?;
    stage.settled(&[user.to_owned()]).await?;
    let left = async || stage.left(product).await.unwrap_or(-1);

    let frozen = stage.freeze(&["redis"])?;
    let (customers, add) = (stage.customers(), Add::new(user, product, 9));
    let request = tokio::spawn(async move { customers.add(pod, &add).await });
    let in_hand = i64::from(STOCK) - 9;
    hop::wait::until("the units to be taken", LIMIT, async || (left().await == in_hand).then_some(()))
        .await?;
    let taken = hop::clock::monotonic();
    ensure!(stage.held().await? == 1);
    stage.kill(PODS[0]).await?;
    ensure!(request.await?.is_err(), "a dead pod answers nobody");
    drop(frozen);

    let left = async || stage.left(product).await.unwrap_or(-1);
    let back = hop::wait::until("the units to be back", LIMIT, async || {
        (left().await == i64::from(STOCK)).then_some(())
    });
    back.await.context("they were in nobody's cart")?;
    // Not sooner: until then the pod might have been only slow. A little less than the whole, for the time
    // between the taking and our noticing.
    ensure!(hop::clock::since(taken) > SETTLE_AFTER / 2, "back after {:?}", hop::clock::since(taken));
    stage.settled(&[user.to_owned()]).await?;
    ensure!(stage.carts([user]).await?.is_empty() && stage.log_of(user).await?.is_empty());
    stage.finish().await;
    Ok(())
}
