//! The relay: what is left behind is finished, by whoever is there.
//!
//! Every pod runs this in the background:
//! * what Kafka has leaves the outboxes, and units that a removal freed go back to the stock;
//! * the inventory is told which reservations ended up in carts.
//!
//! One pod at a time (a lease in Redis says which) also looks after what the dead have left:
//! * reservations that have been held for long are settled: Redis knows whether they went into a cart;
//! * units that were taken out of carts are brought back;
//! * events that have been in an outbox for longer than a request takes are told.
//!
//! Every step may be done twice, by two pods, or be cut off anywhere: the next round finds the rest. One cart's
//! trouble stays its own: it is said, with its name, and the next cart has its turn.

use std::sync::Arc;
use std::time::Duration;

use hop::http::Exchange;
use hop::{CancellationToken, clock};
use tokio::sync::mpsc;

use crate::outbox::{Claimed, Means, Place, Told, is_left_behind};
use crate::redis::Beginning;
use crate::returns;
use crate::server::Shop;
use crate::wire::Failure;
use trouble::Trouble;

mod trouble;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(1);
/// How long it is one pod's turn after its last look, in milliseconds.
const TURN: u64 = 3_000;
/// How many outboxes, events or reservations are handled in one exchange.
const TOGETHER: usize = 200;
/// How many events may wait for Redis to take them out of their outboxes.
const PENDING: usize = 10_000;
/// The oldest event of an outbox that another process has claimed is expected to be younger, in milliseconds.
const STUCK: u64 = 60_000;

/// Runs until `stop`, then finishes what this process has told itself.
pub async fn run(shop: Arc<Shop>, mut told: mpsc::Receiver<Told>, stop: CancellationToken) {
    let who = format!("{}-{:016x}", shop.name, rand::random::<u64>());
    let mut relay = Relay { shop, who, pending: Vec::new(), trouble: Trouble::default() };
    let exchange = Exchange::unrecorded();
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased; // or events that come all the time would leave no time for the rest
            () = stop.cancelled() => break,
            _ = rounds.tick() => {
                relay.tidy(&exchange).await;
                relay.confirm(&exchange).await;
                let outcome = relay.look_after(&exchange).await;
                relay.trouble.round(outcome);
            }
            first = told.recv() => {
                relay.pending.extend(first);
                while relay.pending.len() < PENDING && let Ok(more) = told.try_recv() {
                    relay.pending.push(more);
                }
                relay.tidy(&exchange).await;
            }
            () = relay.shop.returns.some() => {
                relay.shop.returns.bring_ours(&relay.shop.background, &exchange).await;
            }
        }
    }
    while let Ok(more) = told.try_recv() {
        relay.pending.push(more);
    }
    relay.tidy(&exchange).await;
    relay.confirm(&exchange).await;
    relay.shop.returns.bring_ours(&relay.shop.background, &exchange).await;
}

struct Relay {
    shop: Arc<Shop>,
    /// This process, as the lease names it.
    who: String,
    /// Told by this process, and not known to have left the outbox.
    pending: Vec<Told>,
    trouble: Trouble,
}

impl Relay {
    /// Takes told events out of their outboxes, many at once when many wait. What Redis does not confirm is tried
    /// again: what stays behind would be told by somebody else.
    async fn tidy(&mut self, exchange: &Exchange) {
        while !self.pending.is_empty() {
            let some = &self.pending[..self.pending.len().min(TOGETHER)];
            let places: Vec<(&str, Place)> =
                some.iter().map(|told| (told.customer.as_str(), told.id)).collect();
            if let Err(failure) = self.shop.background.redis.leave(exchange, &places).await {
                tracing::debug!("empty an outbox: {}", failure.describe());
                return;
            }
            for Told { customer, id } in self.pending.drain(..places.len()) {
                self.shop.outbox.has_left(&customer, id);
            }
        }
    }

    /// Tells the inventory which reservations ended up in carts.
    async fn confirm(&self, exchange: &Exchange) {
        let kept = self.shop.outbox.take_kept();
        for (number, some) in kept.chunks(TOGETHER).enumerate() {
            if let Err(text) = self.confirm_some(exchange, some).await {
                tracing::debug!("confirm reservations: {text}");
                self.shop.outbox.keep(kept[number * TOGETHER..].iter().cloned());
                return;
            }
        }
    }

    async fn confirm_some(&self, exchange: &Exchange, kept: &[String]) -> Result<(), String> {
        let with = &self.shop.background;
        with.redis.confirming(exchange, kept).await.map_err(|failure| failure.describe())?;
        with.inventory.confirm(exchange, kept).await.map_err(|refusal| refusal.problem.detail)?;
        with.redis.forget(exchange, kept).await.map_err(|failure| failure.describe())
    }

    /// Tells the inventory again what somebody began to tell it. To be told twice does it no harm.
    async fn confirm_left_behind(&self, exchange: &Exchange) -> Result<(), String> {
        let mut cursor = "0".to_owned();
        loop {
            let page = self.shop.background.redis.unconfirmed(exchange, &cursor).await;
            let (reservations, next) = page.map_err(|failure| failure.describe())?;
            // The inventory would refuse all of them for the sake of one that no reservation can be called.
            let (names, junk): (Vec<_>, Vec<_>) = reservations.into_iter().partition(|name| is_name(name));
            for some in names.chunks(TOGETHER) {
                self.confirm_some(exchange, some).await?;
            }
            if !junk.is_empty() {
                let redis = &self.shop.background.redis;
                redis.forget(exchange, &junk).await.map_err(|failure| failure.describe())?;
                tracing::warn!(number = junk.len(), first = junk[0], "dropped what is no reservation's name");
            }
            cursor = next;
            if cursor == "0" {
                return Ok(());
            }
        }
    }

    /// Finishes what the dead have left, if it is this pod's turn. What fails does not keep the rest from being done.
    async fn look_after(&mut self, exchange: &Exchange) -> Result<(), String> {
        if !self.lease(exchange).await.map_err(|failure| failure.describe())? {
            return Ok(());
        }
        let settled = self.settle(exchange).await;
        let confirmed = self.confirm_left_behind(exchange).await;
        let returned = returns::bring_left_behind(&self.shop.background, exchange).await;
        let told = self.tell_left_behind(exchange).await.map_err(|failure| failure.describe());
        settled.and(confirmed).and(returned).and(told)
    }

    async fn lease(&self, exchange: &Exchange) -> Result<bool, Failure> {
        self.shop.background.redis.lease(exchange, &self.who, TURN).await
    }

    /// Tells the events that nobody told in time, cart by cart.
    async fn tell_left_behind(&mut self, exchange: &Exchange) -> Result<(), Failure> {
        let shop = Arc::clone(&self.shop);
        let means = Means { redis: &shop.background.redis, kafka: &shop.background.kafka, exchange };
        let mut cursor = "0".to_owned();
        loop {
            let (customers, next) = means.redis.outboxes(exchange, &cursor).await?;
            // A small hash comes at once, however many were asked for.
            for some in customers.chunks(TOGETHER) {
                self.tell_some(means, some).await?;
            }
            cursor = next;
            if cursor == "0" || !self.lease(exchange).await? {
                return Ok(());
            }
        }
    }

    async fn tell_some(&mut self, means: Means<'_>, customers: &[String]) -> Result<(), Failure> {
        let beginnings = means.redis.beginnings(means.exchange, customers).await?;
        let mut empty = Vec::new();
        for (customer, beginning) in customers.iter().zip(beginnings) {
            match beginning {
                Beginning::Empty => empty.push(customer.as_str()),
                Beginning::At(oldest) if !is_left_behind(oldest) => {}
                Beginning::Unreadable(text) => self.trouble.of(customer, text),
                Beginning::At(oldest) => match self.shop.outbox.tell_left_behind(means, customer).await {
                    // By whom, and for how long? A claim ends by itself, unless somebody wrote it by hand.
                    Ok(Claimed::ByAnother) if is_stuck(oldest) => {
                        let text = format!(
                            "{}:{customer} is another's, who does not tell them",
                            crate::redis::CLAIM
                        );
                        self.trouble.of(customer, text);
                    }
                    Ok(_) => {}
                    Err(failure) if is_the_carts_own(&failure) => {
                        self.trouble.of(customer, failure.describe())
                    }
                    Err(failure) => {
                        hop::warn_throttled!(
                            cart = format!("CART-{customer}"),
                            "tell what was left behind: {}",
                            failure.describe()
                        );
                        return Err(failure);
                    }
                },
            }
        }
        means.redis.drop_empty(means.exchange, &empty).await
    }

    /// Ends the reservations that nobody ended.
    async fn settle(&self, exchange: &Exchange) -> Result<(), String> {
        let with = &self.shop.background;
        let held = with.inventory.held(exchange, self.shop.settle_after).await;
        let mut outcome = Ok(());
        for some in held.map_err(|refusal| refusal.problem.detail)?.chunks(TOGETHER) {
            let ids: Vec<String> = some.iter().map(|held| held.reservation_id.clone()).collect();
            let ended = with.redis.settle(exchange, &ids).await.map_err(|failure| failure.describe())?;
            let mut confirmed = Vec::new();
            for (held, kept) in some.iter().zip(ended) {
                let settled = match kept {
                    Ok(true) => {
                        confirmed.push(held.reservation_id.clone());
                        Ok(())
                    }
                    Ok(false) => {
                        let release =
                            with.inventory.release(exchange, &held.product_id, &held.reservation_id);
                        release.await.map_err(|refusal| refusal.problem.detail)
                    }
                    Err(text) => Err(text),
                };
                if let Err(text) = settled {
                    hop::warn_throttled!(reservation = held.reservation_id, "settle a reservation: {text}");
                    outcome = Err(text);
                }
            }
            if !confirmed.is_empty() {
                self.confirm_some(exchange, &confirmed).await?;
            }
        }
        outcome
    }
}

/// What the inventory takes for a reservation's name: 1 to 64 letters, digits, `-`, `_` and `.`.
fn is_name(text: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

fn is_stuck(oldest: Place) -> bool {
    oldest.0.saturating_add(STUCK) < clock::now() / 1_000_000
}

/// Is it something about this cart, so that the next one may fare better? A neighbour that is not there is not.
fn is_the_carts_own(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { .. } | Failure::NotDone { .. })
}
