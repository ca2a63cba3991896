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

use hop::CancellationToken;
use hop::http::Exchange;
use tokio::sync::mpsc;

use crate::outbox::{Means, Place, Told, is_left_behind};
use crate::redis::Beginning;
use crate::returns;
use crate::server::Shop;
use crate::wire::Failure;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(1);
/// How long it is one pod's turn after its last look, in milliseconds.
const TURN: u64 = 3_000;
/// How many outboxes, events or reservations are handled in one exchange.
const TOGETHER: usize = 200;
/// How many events may wait for Redis to take them out of their outboxes.
const PENDING: usize = 10_000;
/// How many carts in trouble are named in one line.
const NAMED: usize = 5;
/// The same trouble is said again after so many rounds.
const SAY_AGAIN: u32 = 60;

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
                if let Err(text) = relay.look_after(&exchange).await {
                    tracing::debug!("finish what was left behind: {text}");
                }
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
            for some in reservations.chunks(TOGETHER) {
                self.confirm_some(exchange, some).await?;
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
        self.trouble.say();
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
                Beginning::At(_) => match self.shop.outbox.tell_left_behind(means, customer).await {
                    Ok(()) => {}
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

/// Is it something about this cart, so that the next one may fare better? A neighbour that is not there is not.
fn is_the_carts_own(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { .. } | Failure::NotDone { .. })
}

/// The carts whose events can't be told, and what was last said of them.
#[derive(Default)]
struct Trouble {
    now: Vec<(String, String)>,
    said: Vec<(String, String)>,
    rounds: u32,
}

impl Trouble {
    fn of(&mut self, customer: &str, text: String) {
        self.now.push((format!("CART-{customer}"), text));
    }

    /// Once a round; what was said before is not said again soon.
    fn say(&mut self) {
        let now = std::mem::take(&mut self.now);
        self.rounds += 1;
        if now == self.said && self.rounds < SAY_AGAIN {
            return;
        }
        if !now.is_empty() {
            let named: Vec<String> =
                now.iter().take(NAMED).map(|(cart, text)| format!("{cart}: {text}")).collect();
            tracing::warn!(carts = now.len(), "events are not told. {}", named.join("; "));
        }
        (self.said, self.rounds) = (now, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_said_once_a_minute() {
        let mut trouble = Trouble::default();
        let mut said = 0;
        for _ in 0..120 {
            trouble.of("alice", "WRONGTYPE".to_owned());
            trouble.say();
            said += u32::from(trouble.rounds == 0);
        }
        assert_eq!(said, 2);
        trouble.say();
        assert!(trouble.said.is_empty(), "it is over");
    }
}
