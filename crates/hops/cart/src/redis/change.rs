//! Changing a cart: everything that belongs together changes in one transaction, or nothing does.
//!
//! What belongs together: the line of the cart, the event that tells others of it (in the cart's outbox), the
//! mark that the reserved units are kept, and the answer that a retry is given. There is no rollback in
//! Redis, so what could fail is looked at first, in the same exchange as the `WATCH`.

use hop::http::Exchange;
use redis_protocol::resp2::types::{BytesFrame as Frame, Resp2Frame as _};

use super::queue::{OUTBOXES, lines, outbox};
use super::{Batch, Redis, nonsense, quantity_in};
use crate::auth::Customer;
use crate::idempotency::Claim;
use crate::item::ProductId;
use crate::outbox::{Entry, Outgoing, Place, Queued};
use crate::wire::Failure;

/// How often a removal begins again because the cart changed under it.
const ATTEMPTS: usize = 20;
/// Removals whose units are not known to be back in the stock: one stream for all, since the order does not matter.
pub(super) const RETURNS: &str = "returns";
/// How many entries of the outbox come back with a change: nearly always one, its own.
const HEAD: &str = "10";

/// Units that are to go into a cart.
pub struct Addition<'a> {
    /// Whose cart.
    pub customer: &'a Customer,
    /// Of what.
    pub product: &'a ProductId,
    /// How many.
    pub quantity: i64,
    /// Under which name they were taken from the stock.
    pub reservation: &'a str,
    /// What others are told.
    pub outgoing: &'a Outgoing,
    /// What a retry is answered, if the request can be recognised.
    pub answer: Option<(&'a Claim, String)>,
}

/// How an attempt to add went.
#[derive(Debug, PartialEq)]
pub enum Added {
    /// It is in the cart, and its event in the outbox.
    Kept(Box<Queued>),
    /// Nothing was changed: someone else ended the reservation, or took the request over.
    Lost,
}

/// What a removal left to be done.
#[derive(Debug, PartialEq)]
pub struct Removal {
    /// Its event, to be told.
    pub queued: Queued,
    /// The place of its units in the stream of those that go back to the stock.
    pub returned: Place,
}

impl Redis {
    /// Adds to a cart's line.
    ///
    /// No other addition to the same cart makes this one start over: `WATCH` guards what belongs to this
    /// request alone, and `HINCRBY` needs no guard.
    ///
    /// # Errors
    /// See [`Failure`]. When it says `had_no_effect`, nothing is changed.
    pub async fn add(&self, exchange: &Exchange, addition: &Addition<'_>) -> Result<Added, Failure> {
        let Addition { customer, product, quantity, reservation, outgoing, answer } = addition;
        let (cart, outbox) = (super::key(customer), outbox(customer.as_str()));
        let kept = kept(reservation);
        let (event, traceparent) = outgoing.fields();
        let quantity = quantity.to_string();
        let (_place, mut wire) = self.connection(exchange).await?;

        // Is it still ours? A key of a wrong type shows here too, before anything is written.
        let claim = answer.as_ref().map(|(claim, _)| *claim);
        let mut look: Vec<&[&str]> = vec![];
        let watch = ["WATCH", &kept, claim.map_or(kept.as_str(), |claim| &claim.key)];
        let get_kept = ["GET", kept.as_str()];
        let get_cart = ["HGET", &cart, product.as_str()];
        let get_outbox = ["XLEN", outbox.as_str()];
        let get_index = ["HLEN", OUTBOXES];
        let get_claim = claim.map(|claim| ["GET", claim.key.as_str()]);
        look.extend([&watch[..], &get_kept, &get_cart, &get_outbox, &get_index]);
        look.extend(get_claim.as_ref().map(|get| &get[..]));
        let seen = self.ask(&mut wire, exchange, &Batch { operation: "WATCH", commands: &look }).await?;
        let ended = !matches!(seen[1], Frame::Null);
        let taken_over = claim.is_some_and(|claim| seen[5].as_str() != Some(&claim.text));
        if ended || taken_over {
            // The connection still watches: it is not given back.
            return Ok(Added::Lost);
        }
        let sum = quantity_in(&seen[2]).ok().and_then(|there| there.checked_add(addition.quantity));
        if sum.is_none() {
            let text =
                format!("the cart's line {product} is not a number that can be added to: {:?}", seen[2]);
            return Err(Failure::NotDone { system: super::SYSTEM, text });
        }

        let mut change: Vec<&[&str]> = vec![];
        let set_kept = ["SET", &kept, "kept"];
        let add = ["HINCRBY", &cart, product.as_str(), &quantity];
        let index = ["HSET", OUTBOXES, customer.as_str(), "1"];
        let tell = ["XADD", &outbox, "*", "event", event, "traceparent", traceparent];
        let set_answer =
            answer.as_ref().map(|(claim, text)| ["SET", &claim.key, text, "PX", Claim::LIFETIME]);
        let head = ["XRANGE", &outbox, "-", "+", "COUNT", HEAD];
        change.extend([&["MULTI"][..], &set_kept, &add, &index, &tell]);
        change.extend(set_answer.as_ref().map(|set| &set[..]));
        change.extend([&head[..], &["EXEC"]]);
        let done =
            self.ask(&mut wire, exchange, &Batch { operation: "EXEC", commands: &change }).await?.pop();
        self.pool.give_back(wire);
        match done {
            Some(Frame::Null) => Ok(Added::Lost),
            Some(Frame::Array(mut replies)) if replies.len() == change.len() - 2 => {
                let head = lines(&replies.pop(), Some(customer.as_str()))?;
                let entry = Entry { id: place(&replies[3])?, outgoing: (*outgoing).clone() };
                Ok(Added::Kept(Box::new(Queued { entry, head })))
            }
            other => Err(nonsense(&other)),
        }
    }

    /// Takes a line out of a cart, with the event that `outgoing` makes of the number of units in it; none if there
    /// was no such line.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn remove(
        &self,
        exchange: &Exchange,
        customer: &Customer,
        product: &ProductId,
        outgoing: impl Fn(i64) -> Outgoing + Send,
    ) -> Result<Option<Removal>, Failure> {
        let (cart, outbox) = (super::key(customer), outbox(customer.as_str()));
        let (_place, mut wire) = self.connection(exchange).await?;
        for _ in 0..ATTEMPTS {
            let look: &[&[&str]] = &[
                &["WATCH", &cart],
                &["HGET", &cart, product.as_str()],
                &["XLEN", &outbox],
                &["HLEN", OUTBOXES],
                &["XLEN", RETURNS],
            ];
            let seen = self.ask(&mut wire, exchange, &Batch { operation: "WATCH", commands: look }).await?;
            if matches!(seen[1], Frame::Null) {
                return Ok(None);
            }
            let outgoing = outgoing(quantity_in(&seen[1])?);
            let (event, traceparent) = outgoing.fields();
            let change: &[&[&str]] = &[
                &["MULTI"],
                &["HDEL", &cart, product.as_str()],
                &["HSET", OUTBOXES, customer.as_str(), "1"],
                &["XADD", &outbox, "*", "event", event, "traceparent", traceparent],
                &["XADD", RETURNS, "*", "event", event, "traceparent", traceparent],
                &["XRANGE", &outbox, "-", "+", "COUNT", HEAD],
                &["EXEC"],
            ];
            let done =
                self.ask(&mut wire, exchange, &Batch { operation: "EXEC", commands: change }).await?.pop();
            match done {
                // Someone added at the same moment: look again.
                Some(Frame::Null) => {}
                Some(Frame::Array(mut replies)) if replies.len() == 5 => {
                    self.pool.give_back(wire);
                    let head = lines(&replies.pop(), Some(customer.as_str()))?;
                    let returned = place(&replies[3])?;
                    let queued = Queued { entry: Entry { id: place(&replies[2])?, outgoing }, head };
                    return Ok(Some(Removal { queued, returned }));
                }
                other => return Err(nonsense(&other)),
            }
        }
        let text = "the cart changed all the time".to_owned();
        Err(Failure::NotDone { system: super::SYSTEM, text })
    }
}

/// Whether reserved units ended up in a cart: `kept`, or `dropped`; nothing as long as that is open.
pub(super) fn kept(reservation: &str) -> String {
    format!("reservation:{reservation}")
}

/// The reply to XADD.
fn place(reply: &Frame) -> Result<Place, Failure> {
    reply.as_str().and_then(Place::parse).ok_or_else(|| nonsense(&Some(reply.clone())))
}
