//! Carts in Redis: one hash `cart:<customer>` each, from product to quantity.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `cart:<customer>` | hash | the cart: how many of which product |
//! | `outbox:<customer>` | stream | events of this cart that are not known to be in Kafka yet, in order |
//! | `outboxes` | hash | the customers whose outbox may hold something |
//! | `outbox.claim:<customer>` | string | who tells what was left behind in this outbox; ends by itself |
//! | `outbox.dead-letters` | stream | what was found in an outbox (or in `returns`) and is no event; for people to look at |
//! | `outbox.relay` | string | which pod looks after what others left behind; ends by itself |
//! | `returns` | stream | removals whose units are not known to be back in the stock yet |
//! | `reservation:<id>` | string | `kept`, or `dropped`: how a reservation ended. `kept` goes when the inventory knows, `dropped` ends after an hour |
//! | `reservations.confirming` | hash | of which the inventory is being told that they were kept |
//! | `idempotency:<customer>:<key>` | string | a request that was seen, and the answer it got; ends after a day |
//!
//! All of a cart changes in one transaction (`redis/change.rs`), which is why the outbox lives here and not
//! in Kafka's client.
//!
//! A write is confirmed by Redis when its own rules say so: with `appendfsync always` that is after the disk.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hop::http::Exchange;
use hop::trace;
use journey::semconv::attribute;
use journey::{Kind, Span};
use redis_protocol::resp2::decode::decode_bytes_mut;
use redis_protocol::resp2::encode::extend_encode;
use redis_protocol::resp2::types::{BytesFrame as Frame, Resp2Frame as _};

use crate::auth::Customer;
use crate::config::RedisUrl;
use crate::item::ProductId;
use crate::pool::{Place, Pool};
use crate::wire::{Failure, Wire};

mod beginnings;
mod change;
mod chores;
mod queue;

pub use beginnings::Beginning;
pub use change::{Added, Addition, Removal};
pub use queue::{CLAIM, DEAD_LETTERS};

const SYSTEM: &str = "redis";

/// Commands that leave in one write, and the name of what they are for.
struct Batch<'a, W = &'a str> {
    operation: &'static str,
    commands: &'a [&'a [W]],
}

/// The client. Connections are made when they are first needed.
pub struct Redis {
    url: RedisUrl,
    limit: Duration,
    pool: Pool<Wire>,
}

impl Redis {
    /// A client with at most so many connections; `limit` bounds each step.
    pub fn new(url: RedisUrl, connections: usize, limit: Duration) -> Self {
        Redis { url, limit, pool: Pool::new(SYSTEM, "redis.pool", connections) }
    }

    /// All lines of a cart, sorted by product; an unknown cart has none.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn lines(
        &self,
        exchange: &Exchange,
        customer: &Customer,
    ) -> Result<Vec<(ProductId, i64)>, Failure> {
        let key = key(customer);
        let (_place, mut wire) = self.connection(exchange).await?;
        let batch = Batch { operation: "HGETALL", commands: &[&["HGETALL", &key]] };
        let answer = self.ask(&mut wire, exchange, &batch).await?.pop();
        let Some(Frame::Array(fields)) = answer else { return Err(nonsense(&answer)) };
        self.pool.give_back(wire);
        let mut lines = Vec::with_capacity(fields.len() / 2);
        for pair in fields.chunks_exact(2) {
            // Whatever else someone put into the hash is no line of a cart.
            if let Some(product) = pair[0].as_str().and_then(ProductId::parse) {
                lines.push((product, quantity_in(&pair[1])?));
            }
        }
        lines.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        Ok(lines)
    }

    /// A connection to oneself: one that is idle, or a new one, logged in.
    async fn connection(&self, exchange: &Exchange) -> Result<(Place<'_>, Wire), Failure> {
        let place = self.pool.place(exchange, self.limit).await?;
        if let Some(wire) = self.pool.take(self.url.address) {
            return Ok((place, wire));
        }
        let mut wire = Wire::open(SYSTEM, self.url.address, exchange, self.limit).await?;
        if let Some(password) = &self.url.password {
            let login: &[&str] = match &self.url.user {
                Some(user) => &["AUTH", user, password],
                None => &["AUTH", password],
            };
            self.ask(&mut wire, exchange, &Batch { operation: "AUTH", commands: &[login] }).await?;
        }
        if self.url.database != 0 {
            let database = self.url.database.to_string();
            let select = Batch { operation: "SELECT", commands: &[&["SELECT", &database]] };
            self.ask(&mut wire, exchange, &select).await?;
        }
        Ok((place, wire))
    }

    /// One exchange: all commands in one write, and as many replies.
    ///
    /// An error among the replies means that nothing was changed: what Redis refuses while it queues a
    /// transaction makes EXEC do nothing. One inside EXEC's reply does not: there is no rollback.
    async fn ask<W: AsRef<[u8]> + Sync>(
        &self,
        wire: &mut Wire,
        exchange: &Exchange,
        batch: &Batch<'_, W>,
    ) -> Result<Vec<Frame>, Failure> {
        let (replies, span) = self.converse(wire, exchange, batch).await?;
        match replies.iter().find_map(|reply| error_in(reply).map(|text| (reply, text))) {
            None => {
                exchange.emit(span);
                Ok(replies)
            }
            Some((reply, text)) => {
                // Redis's errors begin with a word for their kind.
                let kind = text.split(' ').next().unwrap_or_default().to_owned();
                exchange.emit(
                    span.with(attribute::ERROR_TYPE, kind).with(attribute::ERROR_MESSAGE, text.clone()),
                );
                Err(match reply {
                    Frame::Array(_) => Failure::Refused { system: SYSTEM, text },
                    _ => Failure::NotDone { system: SYSTEM, text },
                })
            }
        }
    }

    /// As [`Redis::ask`], for commands that have nothing to do with each other: an error is a reply.
    async fn ask_each(
        &self,
        wire: &mut Wire,
        exchange: &Exchange,
        batch: &Batch<'_>,
    ) -> Result<Vec<Frame>, Failure> {
        let (replies, span) = self.converse(wire, exchange, batch).await?;
        exchange.emit(span);
        Ok(replies)
    }

    async fn converse<W: AsRef<[u8]> + Sync>(
        &self,
        wire: &mut Wire,
        exchange: &Exchange,
        batch: &Batch<'_, W>,
    ) -> Result<(Vec<Frame>, Span), Failure> {
        let span = exchange
            .child(trace::new_span_id(), Kind::Client, batch.operation, (0, 0))
            .with(attribute::DB_SYSTEM_NAME, "redis")
            .with(attribute::DB_OPERATION_NAME, batch.operation);
        let request = encode(batch.commands)?;
        let mut replies = Vec::with_capacity(batch.commands.len());
        wire.ask(exchange, span, self.limit, &request, |input| {
            while replies.len() < batch.commands.len() {
                match decode_bytes_mut(input).map_err(|error| error.to_string())? {
                    Some((frame, _, _)) => replies.push(frame),
                    None => return Ok(None),
                }
            }
            Ok(Some(std::mem::take(&mut replies)))
        })
        .await
    }
}

fn key(customer: &Customer) -> String {
    format!("cart:{}", customer.as_str())
}

/// Commands are arrays of bulk strings (RESP, "Sending commands to a Redis server").
fn encode<W: AsRef<[u8]>>(commands: &[&[W]]) -> Result<BytesMut, Failure> {
    let mut request = BytesMut::new();
    for words in commands {
        let bulk = |word: &W| Frame::BulkString(Bytes::copy_from_slice(word.as_ref()));
        let frame = Frame::Array(words.iter().map(bulk).collect());
        extend_encode(&mut request, &frame, false)
            .map_err(|error| Failure::Refused { system: SYSTEM, text: error.to_string() })?;
    }
    Ok(request)
}

/// The first error in a reply. EXEC succeeds although a command in it failed (Redis has no rollback), so
/// its array is searched too.
fn error_in(frame: &Frame) -> Option<String> {
    match frame {
        Frame::Error(text) => Some(text.to_string()),
        Frame::Array(frames) => frames.iter().find_map(error_in),
        _ => None,
    }
}

/// How many; a missing line counts as none.
fn quantity_in(frame: &Frame) -> Result<i64, Failure> {
    match frame {
        Frame::Null => Ok(0),
        Frame::Integer(quantity) => Ok(*quantity),
        frame => {
            frame.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| nonsense(&Some(frame.clone())))
        }
    }
}

fn nonsense(frame: &Option<Frame>) -> Failure {
    Failure::Refused { system: SYSTEM, text: format!("something that makes no sense here: {frame:?}") }
}

#[cfg(test)]
mod tests;
