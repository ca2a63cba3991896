//! Carts in Redis: one hash `cart:<customer>` each, from product to quantity.
//!
//! A write is confirmed by Redis when its own rules say so: with `appendfsync always` that is after the disk.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hop::http::Exchange;
use hop::trace;
use journey::Kind;
use redis_protocol::resp2::decode::decode_bytes_mut;
use redis_protocol::resp2::encode::extend_encode;
use redis_protocol::resp2::types::{BytesFrame as Frame, Resp2Frame as _};

use crate::auth::Customer;
use crate::config::RedisUrl;
use crate::item::ProductId;
use crate::pool::{Place, Pool};
use crate::wire::{Failure, Wire};

const SYSTEM: &str = "redis";

/// Commands that leave in one write, and the name of what they are for.
struct Batch<'a> {
    operation: &'static str,
    commands: &'a [&'a [&'a str]],
}

/// How an attempt to add went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is in the cart; so many of the product are there now.
    Total(i64),
    /// With what is in the cart already it would be more than there is. Nothing was changed.
    TooMany {
        /// So many are in the cart.
        in_cart: i64,
    },
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

    /// Adds to a cart's line, unless the line would then exceed `available`.
    ///
    /// Two requests of one customer at the same moment may both find room and together exceed it. That is
    /// accepted: the stock is only asked for here, and counts when the order is placed. WATCH would rule it
    /// out, at the price that requests for one cart make each other start over.
    ///
    /// # Errors
    /// See [`Failure`]. When it says `had_no_effect`, the cart is unchanged.
    pub async fn add(
        &self,
        exchange: &Exchange,
        customer: &Customer,
        product: &ProductId,
        quantity: i64,
        available: i64,
    ) -> Result<Added, Failure> {
        let (key, product, more) = (key(customer), product.as_str(), quantity.to_string());
        let look = Batch { operation: "HGET", commands: &[&["HGET", &key, product]] };
        // A transaction although it is one command yet: whatever must change together with the line goes in here.
        let change = Batch {
            operation: "HINCRBY",
            commands: &[&["MULTI"], &["HINCRBY", &key, product, &more], &["EXEC"]],
        };
        let (_place, mut wire) = self.connection(exchange).await?;
        let seen = self.ask(&mut wire, exchange, &look).await?;
        let in_cart = seen.last().map_or(Ok(0), quantity_in)?;
        let added = if in_cart.saturating_add(quantity) > available {
            Added::TooMany { in_cart }
        } else {
            match self.ask(&mut wire, exchange, &change).await?.pop() {
                Some(Frame::Array(done)) if done.len() == 1 => Added::Total(quantity_in(&done[0])?),
                other => return Err(nonsense(&other)),
            }
        };
        self.pool.give_back(wire);
        Ok(added)
    }

    /// Takes a line out of a cart; says how many there were, or none if there was no such line.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn remove(
        &self,
        exchange: &Exchange,
        customer: &Customer,
        product: &ProductId,
    ) -> Result<Option<i64>, Failure> {
        let (key, product) = (key(customer), product.as_str());
        let commands: &[&[&str]] =
            &[&["MULTI"], &["HGET", &key, product], &["HDEL", &key, product], &["EXEC"]];
        let (_place, mut wire) = self.connection(exchange).await?;
        let last = self.ask(&mut wire, exchange, &Batch { operation: "HDEL", commands }).await?.pop();
        let removed = match &last {
            Some(Frame::Array(done)) if done.len() == 2 => match &done[0] {
                Frame::Null => None,
                there => Some(quantity_in(there)?),
            },
            other => return Err(nonsense(other)),
        };
        self.pool.give_back(wire);
        Ok(removed)
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
    /// transaction makes EXEC do nothing, and each transaction here has a single command that writes.
    async fn ask(
        &self,
        wire: &mut Wire,
        exchange: &Exchange,
        batch: &Batch<'_>,
    ) -> Result<Vec<Frame>, Failure> {
        let span = exchange
            .child(trace::new_span_id(), Kind::Client, batch.operation, (0, 0))
            .with("db.system.name", "redis")
            .with("db.operation.name", batch.operation);
        let request = encode(batch.commands)?;
        let mut replies = Vec::with_capacity(batch.commands.len());
        let (replies, span) = wire
            .ask(exchange, span, self.limit, &request, |input| {
                while replies.len() < batch.commands.len() {
                    match decode_bytes_mut(input).map_err(|error| error.to_string())? {
                        Some((frame, _, _)) => replies.push(frame),
                        None => return Ok(None),
                    }
                }
                Ok(Some(std::mem::take(&mut replies)))
            })
            .await?;
        match replies.iter().find_map(error_in) {
            None => {
                exchange.emit(span);
                Ok(replies)
            }
            Some(text) => {
                // Redis's errors begin with a word for their kind.
                let kind = text.split(' ').next().unwrap_or_default().to_owned();
                exchange.emit(span.with("error.type", kind).with("error.message", text.clone()));
                Err(Failure::NotDone { system: SYSTEM, text })
            }
        }
    }
}

fn key(customer: &Customer) -> String {
    format!("cart:{}", customer.as_str())
}

/// Commands are arrays of bulk strings (RESP, "Sending commands to a Redis server").
fn encode(commands: &[&[&str]]) -> Result<BytesMut, Failure> {
    let mut request = BytesMut::new();
    for words in commands {
        let bulk = |word: &&str| Frame::BulkString(Bytes::copy_from_slice(word.as_bytes()));
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
