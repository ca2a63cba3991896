//! The relay: what is left behind is finished, by whoever is there.
//!
//! Every pod runs this in the background:
//! * what Kafka has leaves the outboxes, and units that a removal freed go back to the stock;
//! * the inventory is told which reservations ended up in carts.
//!
//! One pod at a time (a lease in Redis says which) also looks after what the dead have left:
//! * events that have been in an outbox for longer than a request takes are told;
//! * reservations that have been held for long are settled: Redis knows whether they went into a cart.
//!
//! Every step may be done twice, by two pods, or be cut off anywhere: the next round finds the rest.

use std::sync::Arc;
use std::time::Duration;

use hop::http::Exchange;
use hop::{CancellationToken, clock, trace};
use tokio::sync::mpsc;

use crate::outbox::{Entry, Told};
use crate::server::Shop;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(1);
/// How long it is one pod's turn after its last look, in milliseconds.
const TURN: u64 = 3_000;
/// An event that has been in its outbox for so long has no request any more that tells it (milliseconds).
const LEFT_BEHIND: u64 = 2_000;
/// How many outboxes, events or reservations are handled in one exchange.
const TOGETHER: usize = 200;

/// Runs until `stop`, then finishes what this process has told itself.
pub async fn run(shop: Arc<Shop>, mut told: mpsc::Receiver<Told>, stop: CancellationToken) {
    let exchange = Exchange::unrecorded();
    let who = format!("{}-{:016x}", shop.name, rand::random::<u64>());
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased; // or events that come all the time would leave no time for the rest
            () = stop.cancelled() => break,
            _ = rounds.tick() => {
                confirm(&shop, &exchange).await;
                if let Err(text) = look_after(&shop, &exchange, &who).await {
                    tracing::debug!("finish what was left behind: {text}");
                }
            }
            first = told.recv() => tidy(&shop, &exchange, first, &mut told).await,
        }
    }
    while let Ok(first) = told.try_recv() {
        tidy(&shop, &exchange, Some(first), &mut told).await;
    }
    confirm(&shop, &exchange).await;
}

/// Takes told events out of their outboxes, many at once when many wait.
async fn tidy(shop: &Shop, exchange: &Exchange, first: Option<Told>, more: &mut mpsc::Receiver<Told>) {
    let mut together: Vec<Told> = first.into_iter().collect();
    while together.len() < TOGETHER {
        match more.try_recv() {
            Ok(told) => together.push(told),
            Err(_) => break,
        }
    }
    finish(shop, exchange, together).await;
}

async fn finish(shop: &Shop, exchange: &Exchange, together: Vec<Told>) {
    let mut done = Vec::with_capacity(together.len());
    for Told { customer, entry: Entry { id, outgoing } } in together {
        // Units first: an event that has left the outbox frees none any more.
        let event = &outgoing.event;
        if event.kind == "item-removed" {
            let returned = shop.background.inventory.give_back(exchange, event).await;
            if let Err(refusal) = returned {
                tracing::warn!(event_id = event.event_id, "return units: {}", refusal.problem.detail);
                continue;
            }
        }
        done.push((customer, id.to_string()));
    }
    if !done.is_empty()
        && let Err(failure) = shop.background.redis.told(exchange, &done).await
    {
        tracing::debug!("empty an outbox: {}", failure.describe());
    }
}

/// Tells the inventory which reservations ended up in carts.
async fn confirm(shop: &Shop, exchange: &Exchange) {
    for kept in shop.outbox.take_kept().chunks(TOGETHER) {
        // Whatever fails here is found again among those that are held for long.
        if let Err(text) = confirm_some(shop, exchange, kept).await {
            tracing::debug!("confirm reservations: {text}");
            return;
        }
    }
}

async fn confirm_some(shop: &Shop, exchange: &Exchange, kept: &[String]) -> Result<(), String> {
    shop.background.inventory.confirm(exchange, kept).await.map_err(|refusal| refusal.problem.detail)?;
    shop.background.redis.forget(exchange, kept).await.map_err(|failure| failure.describe())
}

async fn look_after(shop: &Shop, exchange: &Exchange, who: &str) -> Result<(), String> {
    if !shop.background.redis.lease(exchange, who, TURN).await.map_err(|failure| failure.describe())? {
        return Ok(());
    }
    let customers = shop.background.redis.outboxes(exchange).await.map_err(|failure| failure.describe())?;
    let now = clock::now() / 1_000_000;
    for some in customers.chunks(TOGETHER) {
        let full = shop.background.redis.sift(exchange, some).await.map_err(|failure| failure.describe())?;
        for (customer, entries) in full {
            if entries.first().is_some_and(|oldest| oldest.id.0 + LEFT_BEHIND <= now) {
                let told = shop.outbox.tell(
                    &shop.background.kafka,
                    exchange,
                    trace::new_span_id(),
                    &customer,
                    entries,
                );
                told.await.map_err(|failure| failure.describe())?;
            }
        }
    }
    settle(shop, exchange).await
}

/// Ends the reservations that nobody ended.
async fn settle(shop: &Shop, exchange: &Exchange) -> Result<(), String> {
    let held = shop.background.inventory.held(exchange, shop.settle_after).await;
    for some in held.map_err(|refusal| refusal.problem.detail)?.chunks(TOGETHER) {
        let ids: Vec<String> = some.iter().map(|held| held.reservation_id.clone()).collect();
        let kept =
            shop.background.redis.settle(exchange, &ids).await.map_err(|failure| failure.describe())?;
        let mut confirmed = Vec::new();
        for (held, kept) in some.iter().zip(kept) {
            if kept {
                confirmed.push(held.reservation_id.clone());
            } else {
                let released =
                    shop.background.inventory.release(exchange, &held.product_id, &held.reservation_id).await;
                released.map_err(|refusal| refusal.problem.detail)?;
            }
        }
        if !confirmed.is_empty() {
            confirm_some(shop, exchange, &confirmed).await?;
        }
    }
    Ok(())
}
