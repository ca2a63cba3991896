//! A request that is sent again with its `Idempotency-Key` lands once.

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use super::check::distinct;
use super::stage::{Add, Engines, INVENTORY, LIMIT, PODS, Response, RestartedBy, Stage};

const STOCK: u32 = 1_000;

/// When the pod dies that got the request first.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// It has answered.
    Responded,
    /// The item is in the cart, and Kafka does not know it.
    Stored,
    /// It has begun, and neither took units nor changed the cart.
    Begun,
}

pub(crate) async fn a_retry_on_another_pod_lands_once(set: Engines) -> anyhow::Result<()> {
    let Some(stage) = Stage::open(set, "retry", RestartedBy::Lab).await? else { return Ok(()) };
    lands_once_whenever_the_first_pod_dies(stage).await
}

/// A pod of another kind keeps its notes where ours find them: what it had in hand when it died, ours finish.
#[tokio::test]
async fn what_a_jvm_pod_left_is_finished_by_ours() -> anyhow::Result<()> {
    for program in ["javac", "mvn"] {
        tests::programs::find(program)?;
    }
    let (set, swaps) = (Engines::Defaults, [(PODS[0], "spring-boot")]);
    let Some(stage) = Stage::open_with(set, "jvm", RestartedBy::Lab, &swaps).await? else { return Ok(()) };
    lands_once_whenever_the_first_pod_dies(stage).await
}

async fn lands_once_whenever_the_first_pod_dies(mut stage: Stage) -> anyhow::Result<()> {
    for (number, moment) in [Moment::Responded, Moment::Stored, Moment::Begun].into_iter().enumerate() {
        let product = format!("PROD-R{number}");
        stage.stock(&product, STOCK).await?;
        let add = Add::new(&format!("retry-{number}"), &product, 3).key("a-key-of-its-own");
        let first = killed(&mut stage, moment, &add).await.with_context(|| format!("{moment:?}"))?;
        let again = stage.until_added(stage.listen(PODS[1]), &add).await?;
        ensure!(first.is_none_or(|first| first == again), "the same response: {again:?}");
        landed_once(&stage, &add, &again).await.with_context(|| format!("{moment:?}"))?;
    }
    stage.finish().await;
    Ok(())
}

/// Sends the request to the first pod and kills it at that moment; its answer, if there was one.
async fn killed(stage: &mut Stage, moment: Moment, add: &Add) -> anyhow::Result<Option<Response>> {
    let Add { user, product, quantity, .. } = add;
    let (cart, record) = (format!("cart:{user}"), format!("idempotency:{user}:a-key-of-its-own"));
    // Whoever comes next in the request stands still, so that the pod waits for it.
    let (next, sign, seen): (&[&str], _, _) = match moment {
        Moment::Responded => (&[], ["HGET", &cart, product], quantity.to_string()),
        Moment::Stored => (&["kafka"], ["HGET", &cart, product], quantity.to_string()),
        Moment::Begun => (&INVENTORY, ["EXISTS", &record, &record], "2".to_owned()),
    };
    let frozen = stage.freeze(next)?;
    let (customers, to, sent) = (stage.customers(), stage.listen(PODS[0]), add.clone());
    let request = tokio::spawn(async move { customers.add(to, &sent).await });
    let response = match moment {
        Moment::Responded => Some(request.await??),
        Moment::Stored | Moment::Begun => {
            let there = hop::wait::until("the request to come so far", LIMIT, async || {
                stage.redis(&sign).await.is_ok_and(|said| said == [seen.as_str()]).then_some(())
            });
            there.await?;
            None
        }
    };
    stage.kill(PODS[0]).await?;
    drop(frozen);
    ensure!(response.as_ref().is_none_or(|response| response.status == 201), "{response:?}");
    Ok(response)
}

pub(crate) async fn nine_at_once_with_one_key_land_once(set: Engines) -> anyhow::Result<()> {
    let Some(stage) = Stage::open(set, "nine", RestartedBy::Lab).await? else { return Ok(()) };
    let product = "PROD-N";
    stage.stock(product, STOCK).await?;
    let add = Add::new("nine", product, 3).key("one-key");
    let mut sent = JoinSet::new();
    for client in 0..9 {
        let (customers, to, add) = (stage.customers(), stage.listen(PODS[client % 3]), add.clone());
        sent.spawn(async move { customers.until_added(to, &add).await });
    }
    let responses = sent.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(responses.iter().all(|response| *response == responses[0]), "the same response: {responses:?}");
    landed_once(&stage, &add, &responses[0]).await?;
    stage.finish().await;
    Ok(())
}

/// In the answer, the cart, the log and the stock.
async fn landed_once(stage: &Stage, add: &Add, response: &Response) -> anyhow::Result<()> {
    let Add { user, product, quantity, trace, .. } = add;
    let item = product.replace("PROD", "ITEM");
    let expected = json!({ "cartId": format!("CART-{user}"), "itemId": item, "productId": product });
    ensure!(response.json()? == expected, "{response:?}");
    stage.settled(std::slice::from_ref(user)).await?;
    let carts = stage.carts([user.as_str()]).await?;
    ensure!(carts.values().eq([&i64::from(*quantity)]), "{carts:?}");
    let log = stage.log_of(user).await?;
    let events = distinct(&log);
    ensure!(events.len() == 1 && events[0].trace == *trace, "{events:?}");
    let left = stage.left(product).await?;
    ensure!(left == i64::from(STOCK - quantity), "{left} left");
    Ok(())
}
