//! Units that were taken out of a cart: back to the stock, once, whatever is down meanwhile.
//!
//! The transaction that takes a line out of a cart also writes the removal into the stream `returns`. It leaves that
//! stream when the inventory has the units back; the inventory counts a return once by the event's id, so it does no
//! harm to bring it twice. The process that removed brings it at once; what it does not get done, one pod finishes
//! (see [`relay`](crate::relay)).

use std::sync::{Mutex, PoisonError};

use hop::http::Exchange;
use hyper::StatusCode;
use tokio::sync::Notify;

use crate::event::Event;
use crate::outbox::{Line, Malformed, Place, is_left_behind};
use crate::server::Neighbours;

/// How many may wait in this process; what is more is found in the stream.
const WAITING: usize = 10_000;
/// After so many failures one after the other it is the inventory that fails, and not the return.
const IN_A_ROW: usize = 3;

/// A removal whose units are to go back.
#[derive(Debug)]
pub struct Return {
    /// Its place in the stream.
    pub place: Place,
    /// The removal.
    pub event: Event,
}

/// The returns that this process is to bring.
#[derive(Default)]
pub struct Returns {
    waiting: Mutex<Vec<Return>>,
    some: Notify,
}

impl Returns {
    /// Brings it back soon.
    pub fn bring(&self, one: Return) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            waiting.push(one);
        }
        self.some.notify_one();
    }

    /// Returns when there is something to bring.
    pub(crate) async fn some(&self) {
        self.some.notified().await;
    }

    /// Brings back what this process is to bring; what fails stays in the stream.
    pub(crate) async fn bring_ours(&self, with: &Neighbours, exchange: &Exchange) {
        let ours = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut done = Vec::new();
        for Return { place, event } in ours {
            match with.inventory.give_back(exchange, &event).await {
                Ok(()) => done.push(place),
                Err(refusal) => {
                    let detail = &refusal.problem.detail;
                    hop::warn_throttled!(
                        cart = event.cart_id,
                        event_id = event.event_id,
                        "return units: {detail}"
                    );
                }
            }
        }
        if !done.is_empty()
            && let Err(failure) = with.redis.returned(exchange, &done).await
        {
            tracing::debug!("note returned units: {}", failure.describe());
        }
    }
}

/// Brings back what was left behind by whomever. One return that fails does not keep the others from being brought.
///
/// # Errors
/// Redis does not answer, or the inventory fails again and again: the rest is brought the next time.
pub(crate) async fn bring_left_behind(with: &Neighbours, exchange: &Exchange) -> Result<(), String> {
    let (mut from, mut failures) = (Place::START, 0);
    loop {
        let lines = with.redis.returns(exchange, from).await.map_err(|failure| failure.describe())?;
        let due: Vec<&Line> = lines.iter().take_while(|line| is_left_behind(line.id())).collect();
        let mut done = Vec::new();
        for line in &due {
            let entry = match line {
                Line::Event(entry) => entry,
                Line::Malformed(malformed) => {
                    set_aside(with, exchange, malformed).await?;
                    continue;
                }
            };
            let event = &entry.outgoing.event;
            match with.inventory.give_back(exchange, event).await {
                Ok(()) => {
                    failures = 0;
                    done.push(entry.id);
                }
                // It is an event, but none that the stock could ever take back.
                Err(refusal) if refusal.problem.status == StatusCode::UNPROCESSABLE_ENTITY => {
                    let malformed = Malformed::refused(entry, refusal.problem.detail);
                    set_aside(with, exchange, &malformed).await?;
                }
                Err(refusal) => {
                    failures += 1;
                    let detail = &refusal.problem.detail;
                    hop::warn_throttled!(
                        cart = event.cart_id,
                        event_id = event.event_id,
                        "return units: {detail}"
                    );
                    if failures >= IN_A_ROW {
                        break;
                    }
                }
            }
        }
        if !done.is_empty() {
            with.redis.returned(exchange, &done).await.map_err(|failure| failure.describe())?;
        }
        match lines.last() {
            Some(last) if due.len() == lines.len() && failures < IN_A_ROW => from = last.id().next(),
            _ => return Ok(()),
        }
    }
}

/// Takes it out of the stream and keeps it for people to look at.
async fn set_aside(with: &Neighbours, exchange: &Exchange, malformed: &Malformed) -> Result<(), String> {
    let set = with.redis.set_return_aside(exchange, malformed).await;
    set.map_err(|failure| failure.describe())?;
    let Malformed { id, why, .. } = malformed;
    tracing::warn!(entry = %id, why, "a return is none: set aside in {}", crate::redis::DEAD_LETTERS);
    Ok(())
}
