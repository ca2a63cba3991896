//! Proof by force: everything that keeps or changes data is killed in turn, under load, several times.

use std::io::Write as _;

use anyhow::ensure;
use rand::seq::SliceRandom as _;

use super::check;
use super::load::Load;
use super::stage::{Engines, LIMIT, RestartedBy, Stage};

/// Requests a second, and how often each program is killed: what two cores can bear beside the engines.
fn effort(set: Engines) -> (u32, usize) {
    match set {
        Engines::Defaults => (80, 3),
        Engines::RedisAndPostgres => (60, 2),
        Engines::KafkaRedisAndPostgres => (40, 2),
    }
}

/// Acknowledged between two kills: each dies while it works.
const BETWEEN: usize = 25;
const SEED: u32 = 1_000_000;

pub(crate) async fn acknowledged_is_kept_once_whatever_is_killed(set: Engines) -> anyhow::Result<()> {
    let Some(mut stage) = Stage::open(set, "force", RestartedBy::Lab).await? else { return Ok(()) };
    let (rate, rounds) = effort(set);
    let users: Vec<String> = (0..20).map(|number| format!("force-{number}")).collect();
    let products: Vec<String> = (0..6).map(|number| format!("PROD-F{number}")).collect();
    for product in &products {
        stage.stock(product, SEED).await?;
    }
    let service = stage.listen("cart-service");
    let load = Load::start(stage.customers(), service, rate, users.clone(), products.clone());
    let mut victims = stage.victims();
    for _ in 0..rounds {
        victims.shuffle(&mut rand::rng());
        for victim in &victims {
            let wanted = load.acknowledged() + BETWEEN;
            let what = format!("{wanted} acknowledged before {victim} is killed");
            hop::wait::until(what, LIMIT, async || (load.acknowledged() >= wanted).then_some(())).await?;
            stage.kill(victim).await?;
        }
    }
    let ops = load.finish().await;
    stage.settled(&users).await?;
    let (carts, log) = (stage.carts(users.iter().map(String::as_str)).await?, stage.log().await?);
    let log: Vec<_> = log.into_iter().filter(|record| record.cart != "CART-first").collect();
    let mut wrong = check::kept_once(&ops, &carts, &log);
    wrong.extend(check::in_order(&ops, &log));
    let (mut sold, mut left) = (0, 0);
    for product in &products {
        let remains = stage.left(product).await?;
        wrong.extend(check::sold_and_left(product, SEED.into(), remains, &carts));
        left += remains;
    }
    sold += carts.values().sum::<i64>();
    let acknowledged = ops.iter().filter(|op| op.acknowledged.is_some()).count();
    let (records, events) = (log.len(), check::distinct(&log).len());
    let kills = rounds * victims.len();
    let sent = ops.len();
    // Not by eprintln, which the test runner keeps to itself when a test passes.
    let _ = writeln!(
        std::io::stderr(),
        "{set:?}: {kills} kills; {sent} sent, {acknowledged} acknowledged, {events} events in {records} \
         records, {sold} units sold and {left} left of {}",
        SEED as usize * products.len(),
    );
    // An event is told once as a rule: what is told again was told by one that died before it could note it.
    if records * 10 > events * 11 {
        wrong.push(format!("{records} records of {events} events: more than 1.1 each"));
    }
    wrong.extend(stage.marks().await?);
    ensure!(wrong.is_empty(), "{} promises broken:\n  {}", wrong.len(), wrong.join("\n  "));
    ensure!(acknowledged == sent, "all but {acknowledged} of {sent} gave up, though all came back");
    stage.finish().await;
    Ok(())
}
