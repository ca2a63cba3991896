//! Carts in Redis: one hash `cart:<customer>` each, from product to quantity.
//!
//! What belongs together changes in one transaction, or nothing does: the line of the cart, the event that tells others
//! of it (in the cart's outbox), the mark that the reserved units are kept, and the response that a retry is given. That
//! is why the outbox lives here and not in Kafka's client. There is no rollback in Redis, so what could fail is looked at
//! first, in the same request as the `WATCH`.
//!
//! A write is confirmed by Redis when its own rules say so: with `appendfsync always` that is after the disk.

use hop::http::Exchange;
use hop::upstream::Failure;
use redis_client::{Client, Pipeline, Reply, StreamId, Text as _, unexpected};
use reliability::idempotency::{Claim, SavedResponse};
use reliability::outbox::{self, Appended};
use reliability::{Message, reservations, returns};

use crate::auth::Customer;
use crate::event::Event;
use crate::item::ProductId;

/// How often a removal begins again because the cart changed under it.
const ATTEMPTS: usize = 20;

/// What a removal left to be done.
#[derive(Debug, PartialEq)]
pub struct Removal {
    /// Its event, to be published.
    pub appended: Appended<Event>,
    /// Where its units are in the stream of those that go back to the stock.
    pub returned: StreamId,
}

/// All carts.
pub struct Carts {
    pub redis: Client,
}

impl Carts {
    /// All lines of a cart, sorted by product; an unknown cart has none.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn lines(&self, customer: &Customer) -> Result<Vec<(ProductId, i64)>, Failure> {
        let _timed = Exchange::current().timed("redis");
        let reply = self.redis.query("HGETALL", [&*key(customer)]).await?;
        let Reply::Array(fields) = &reply else { return Err(unexpected(&reply)) };
        let mut lines = Vec::with_capacity(fields.len() / 2);
        for pair in fields.chunks_exact(2) {
            // Whatever else someone put into the hash is no line of a cart.
            if let Some(product) = pair[0].text().and_then(ProductId::parse) {
                lines.push((product, quantity_in(&pair[1])?));
            }
        }
        lines.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        Ok(lines)
    }

    /// Adds the units of `message` to a cart's line. `reservation` is the name under which they were taken from the stock,
    /// `claim` has the response that a retry is given, if the request can be recognised. None if nothing was changed
    /// because someone else ended the reservation, or took the request over.
    ///
    /// No other addition to the same cart makes this one start over: `WATCH` guards what belongs to this request alone,
    /// and `HINCRBY` needs no guard.
    ///
    /// # Errors
    /// See [`Failure`]. When it says `had_no_effect`, nothing is changed.
    pub async fn add(
        &self,
        customer: &Customer,
        reservation: &str,
        message: &Message<Event>,
        claim: Option<(&Claim, &SavedResponse)>,
    ) -> Result<Option<Appended<Event>>, Failure> {
        let _timed = Exchange::current().timed("redis");
        let Event { product_id: product, quantity, .. } = &message.event;
        let (cart, owner, mark) = (key(customer), customer.as_str(), reservations::key(reservation));
        let mut connection = self.redis.connection().await?;

        // Is it still ours? A key of a wrong type shows here too, before anything is written.
        let mut look = Pipeline::new("WATCH");
        look.add(["GET", &mark]).add(["HGET", &cart, product]);
        outbox::look(&mut look, owner);
        if let Some((claim, _)) = claim {
            look.add(["GET", claim.key()]);
        }
        let watched = [&*mark, claim.map_or(&*mark, |(claim, _)| claim.key())];
        let seen = connection.watch(&watched, &look).await?;
        let ended = seen[0] != Reply::Null;
        let taken_over = claim.is_some_and(|(claim, _)| !claim.is_ours(&seen[4]));
        if ended || taken_over {
            return Ok(None);
        }
        if quantity_in(&seen[1]).ok().and_then(|there| there.checked_add(*quantity)).is_none() {
            let text =
                format!("the cart's line {product} is not a number that can be added to: {:?}", seen[1]);
            return Err(Failure::NotDone { system: "redis", text });
        }

        let mut change = Pipeline::new("EXEC");
        reservations::keep(&mut change, reservation);
        change.add(["HINCRBY", &cart, product, &quantity.to_string()]);
        outbox::append(&mut change, owner, message);
        if let Some((claim, response)) = claim {
            claim.save(&mut change, response);
        }
        outbox::head(&mut change, owner);
        match connection.commit(&change).await?.as_deref() {
            Some([_, _, _, appended, .., head]) => {
                Appended::read(appended, head, owner, message.clone()).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Takes a line out of a cart, with the message that `message` makes of the number of units in it; none if there was
    /// no such line.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn remove(
        &self,
        customer: &Customer,
        product: &ProductId,
        message: impl Fn(i64) -> Message<Event> + Send,
    ) -> Result<Option<Removal>, Failure> {
        let _timed = Exchange::current().timed("redis");
        let (cart, owner) = (key(customer), customer.as_str());
        let mut connection = self.redis.connection().await?;
        let mut look = Pipeline::new("WATCH");
        look.add(["HGET", &cart, product.as_str()]);
        outbox::look(&mut look, owner);
        returns::look(&mut look);
        for _ in 0..ATTEMPTS {
            let seen = connection.watch(&[&cart], &look).await?;
            if seen[0] == Reply::Null {
                return Ok(None);
            }
            let message = message(quantity_in(&seen[0])?);
            let mut change = Pipeline::new("EXEC");
            change.add(["HDEL", &cart, product.as_str()]);
            outbox::append(&mut change, owner, &message);
            returns::append(&mut change, &message);
            outbox::head(&mut change, owner);
            // None: someone added at the same moment, so look again.
            if let Some([_, _, appended, returned, head]) = connection.commit(&change).await?.as_deref() {
                let appended = Appended::read(appended, head, owner, message)?;
                return Ok(Some(Removal { appended, returned: StreamId::of_reply(returned)? }));
            }
        }
        let text = "the cart changed all the time".to_owned();
        Err(Failure::NotDone { system: "redis", text })
    }
}

fn key(customer: &Customer) -> String {
    format!("cart:{}", customer.as_str())
}

/// How many; a missing line counts as none.
fn quantity_in(reply: &Reply) -> Result<i64, Failure> {
    match reply {
        Reply::Null => Ok(0),
        Reply::Integer(quantity) => Ok(*quantity),
        reply => reply.text().and_then(|text| text.parse().ok()).ok_or_else(|| unexpected(reply)),
    }
}

#[cfg(test)]
mod tests;
