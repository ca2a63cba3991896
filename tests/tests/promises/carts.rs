//! Many at one cart, many for one product, and units that come back.

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;

use super::check::{self, Op, distinct};
use super::stage::{Add, Engines, INVENTORY, LIMIT, PODS, RestartedBy, Stage};

const STOCK: u32 = 1_000;

pub(crate) async fn three_pods_add_to_one_cart_and_lose_nothing(set: Engines) -> anyhow::Result<()> {
    const CLIENTS: usize = 4;
    const EACH: usize = 10;
    let Some(stage) = Stage::open(set, "one-cart", RestartedBy::Lab).await? else { return Ok(()) };
    let (user, product) = ("shared", "PROD-S");
    stage.stock(product, STOCK).await?;
    let mut sent = JoinSet::new();
    for client in 0..CLIENTS * PODS.len() {
        let (customers, to) = (stage.customers(), stage.listen(PODS[client % PODS.len()]));
        sent.spawn(async move {
            let mut ops = Vec::new();
            for number in 0..EACH {
                let add = Add::new(user, product, 1).key(&format!("{client}-{number}"));
                let sent = hop::clock::now();
                customers.until_added(to, &add).await?;
                let (acknowledged, trace) = (Some(hop::clock::now()), add.trace);
                let (user, product) = (user.to_owned(), product.to_owned());
                ops.push(Op { trace, user, product, quantity: 1, sent, acknowledged });
            }
            anyhow::Ok(ops)
        });
    }
    let ops = sent.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    ensure!(ops.len() == CLIENTS * EACH * PODS.len());
    stage.settled(&[user.to_owned()]).await?;
    let (carts, log) = (stage.carts([user]).await?, stage.log_of(user).await?);
    let mut wrong = check::kept_once(&ops, &carts, &log);
    wrong.extend(check::in_order(&ops, &log));
    wrong.extend(check::sold_and_left(product, STOCK.into(), stage.left(product).await?, &carts));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    stage.finish().await;
    Ok(())
}

pub(crate) async fn ninety_want_fifty_and_fifty_get_one(set: Engines) -> anyhow::Result<()> {
    let Some(stage) = Stage::open(set, "ninety", RestartedBy::Lab).await? else { return Ok(()) };
    let product = "PROD-W";
    stage.stock(product, 50).await?;
    let users: Vec<String> = (0..90).map(|number| format!("wants-{number}")).collect();
    let (mut waiting, mut round) = (users.clone(), 0);
    // Once, unless a request fails on a busy machine: its units come back after some were told that there are
    // too few, and those ask again.
    while stage.left(product).await? > 0 {
        round += 1;
        ensure!(round <= 10 && waiting.len() >= 40, "round {round}: {} are not served", waiting.len());
        let mut sent = JoinSet::new();
        for (number, user) in waiting.drain(..).enumerate() {
            let (customers, to) = (stage.customers(), stage.listen(PODS[number % PODS.len()]));
            let add = Add::new(&user, product, 1).key(&format!("round-{round}"));
            sent.spawn(async move { anyhow::Ok((user, customers.until_decided(to, &add).await?)) });
        }
        for response in sent.join_all().await {
            let (user, response) = response?;
            match response.status {
                201 => {}
                409 if response.body.contains("not-enough-stock") => waiting.push(user),
                _ => anyhow::bail!("{user}: {response:?}"),
            }
        }
        stage.settled(&users).await?;
    }
    ensure!(waiting.len() == 40, "{} of 90 are not served", waiting.len());
    let carts = stage.carts(users.iter().map(String::as_str)).await?;
    let wrong = check::sold_and_left(product, 50, stage.left(product).await?, &carts);
    ensure!(carts.len() == 50 && wrong.is_empty(), "{} carts; {wrong:?}", carts.len());
    stage.finish().await;
    Ok(())
}

pub(crate) async fn a_removal_returns_the_units(set: Engines) -> anyhow::Result<()> {
    let Some(stage) = Stage::open(set, "removal", RestartedBy::Lab).await? else { return Ok(()) };
    let (user, product, pod) = ("regrets", "PROD-D", stage.listen(PODS[0]));
    stage.stock(product, STOCK).await?;
    for (key, inventory_is_down) in [("first", false), ("second", true)] {
        let add = Add::new(user, product, 7).key(key);
        stage.until_added(pod, &add).await?;
        stage.settled(&[user.to_owned()]).await?;
        ensure!(stage.left(product).await? == i64::from(STOCK) - 7);
        let frozen = stage.freeze(if inventory_is_down { &INVENTORY } else { &[] })?;
        let response = stage.remove(stage.listen(PODS[1]), user, "ITEM-D").await?;
        ensure!(response.status == 204, "{response:?}");
        ensure!(stage.carts([user]).await?.is_empty(), "it is out of the cart at once");
        drop(frozen);
        let back = hop::wait::until("the units to be back", LIMIT, async || {
            stage.left(product).await.is_ok_and(|left| left == i64::from(STOCK)).then_some(())
        });
        back.await.with_context(|| format!("the inventory was down: {inventory_is_down}"))?;
        // What is settled stays so: no relay returns them again.
        stage.settled(&[user.to_owned()]).await?;
        ensure!(stage.left(product).await? == i64::from(STOCK));
    }
    let log = stage.log_of(user).await?;
    let kinds: Vec<&str> = distinct(&log).iter().map(|record| record.kind.as_str()).collect();
    ensure!(kinds == ["item-added", "item-removed", "item-added", "item-removed"], "{kinds:?}");
    // Nothing is left to remove.
    ensure!(stage.remove(pod, user, "ITEM-D").await?.status == 404);
    stage.finish().await;
    Ok(())
}
