//! The outbox: how a cart and what others are told of it can't disagree.
//!
//! Redis and Kafka can't be changed together. So the event is first written where the cart is, in the very
//! transaction that changes the cart, and then carried to Kafka by whoever comes first: normally the request
//! itself, which answers only when Kafka has it; after a crash the next request for the same cart, or the
//! [`relay`](crate::relay) of any pod. An event leaves the outbox when Kafka has acknowledged it.
//!
//! **In order, per cart.** Whoever tells an event also tells what stands before it in the outbox. So the
//! first time an event appears in Kafka, everything before it is there.
//!
//! **At least once.** When a process dies after Kafka has an event and before the outbox knows, or when two
//! pods change one cart at the same moment, the event is sent again. It has the same `eventId` then, by
//! which consumers drop it: the first time counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hop::http::Exchange;
use journey::{SpanId, Traceparent};
use tokio::sync::mpsc;

use crate::event::Event;
use crate::kafka::Kafka;
use crate::wire::Failure;

/// The most events in one message to Kafka, far below its limit of 1 MiB.
const TOGETHER: usize = 500;
/// How many told events of one cart are remembered while it is busy.
const REMEMBERED: usize = 10_000;
/// How many told events may wait to be taken out of their outboxes; the relay finds what is more.
const TIDYING: usize = 10_000;

/// An event as it is stored and sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// What happened.
    pub event: Event,
    json: String,
    traceparent: String,
}

impl Outgoing {
    /// An event, and the span that sends it first.
    pub fn new(event: Event, traceparent: Traceparent) -> Self {
        // The event holds texts and numbers: nothing that JSON can't say.
        let json = serde_json::to_string(&event).unwrap_or_default();
        Outgoing { event, json, traceparent: traceparent.to_string() }
    }

    /// The JSON, and the W3C `traceparent` of what caused it.
    pub fn fields(&self) -> (&str, &str) {
        (&self.json, &self.traceparent)
    }
}

/// An event in an outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place: Redis's id in the stream.
    pub id: Place,
    /// What is to be told.
    pub outgoing: Outgoing,
}

/// Milliseconds since the Unix epoch and a number within that millisecond: Redis's stream ids, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64, pub u64);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl Entry {
    /// As Redis returns it.
    pub fn parse(id: &str, event: &str, traceparent: &str) -> Option<Self> {
        let (milliseconds, number) = id.split_once('-')?;
        let id = Place(milliseconds.parse().ok()?, number.parse().ok()?);
        let outgoing = Outgoing {
            event: serde_json::from_str(event).ok()?,
            json: event.to_owned(),
            traceparent: traceparent.to_owned(),
        };
        Some(Entry { id, outgoing })
    }
}

/// A customer's event that Kafka has, so that it can leave the outbox.
pub struct Told {
    /// Whose outbox.
    pub customer: String,
    /// Which entry.
    pub entry: Entry,
}

/// Carries events to Kafka.
pub struct Outbox {
    carts: Mutex<HashMap<String, Arc<Cart>>>,
    told: mpsc::Sender<Told>,
    /// Reservations that went into carts, for the relay to tell the inventory.
    kept: Mutex<Vec<String>>,
}

/// The events of one cart that this process is telling now. Requests for one cart take turns, and whoever's
/// turn it is tells the events of all who wait.
#[derive(Default)]
struct Cart {
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<Place, Outgoing>,
    told: BTreeSet<Place>,
}

impl Outbox {
    /// Also the end at which told events come out, to be taken out of Redis.
    pub fn new() -> (Self, mpsc::Receiver<Told>) {
        let (told, tidying) = mpsc::channel(TIDYING);
        (Outbox { carts: Mutex::default(), told, kept: Mutex::default() }, tidying)
    }

    /// Returns when Kafka has all of these events of one cart.
    ///
    /// # Errors
    /// Kafka did not acknowledge: see [`Failure`]. The events stay in the outbox.
    pub async fn tell(
        &self,
        kafka: &Kafka,
        exchange: &Exchange,
        span_id: SpanId,
        customer: &str,
        entries: Vec<Entry>,
    ) -> Result<(), Failure> {
        let cart = Arc::clone(lock(&self.carts).entry(customer.to_owned()).or_default());
        {
            let mut state = lock(&cart.state);
            for Entry { id, outgoing } in entries {
                if !state.told.contains(&id) {
                    state.waiting.insert(id, outgoing);
                }
            }
        }
        let outcome = self.tell_waiting(kafka, exchange, span_id, customer, &cart).await;
        let mut carts = lock(&self.carts);
        // Ours and the map's: nobody else is at it.
        if Arc::strong_count(&cart) <= 2 {
            carts.remove(customer);
        }
        outcome
    }

    async fn tell_waiting(
        &self,
        kafka: &Kafka,
        exchange: &Exchange,
        span_id: SpanId,
        customer: &str,
        cart: &Cart,
    ) -> Result<(), Failure> {
        let _turn = cart.turn.lock().await;
        loop {
            let next: Vec<(Place, Outgoing)> = {
                let state = lock(&cart.state);
                state.waiting.iter().take(TOGETHER).map(|(id, outgoing)| (*id, outgoing.clone())).collect()
            };
            if next.is_empty() {
                return Ok(());
            }
            let events: Vec<&Outgoing> = next.iter().map(|(_, outgoing)| outgoing).collect();
            kafka.publish(exchange, span_id, &events).await?;
            let mut state = lock(&cart.state);
            for (id, outgoing) in next {
                state.waiting.remove(&id);
                state.told.insert(id);
                if state.told.len() > REMEMBERED {
                    state.told.pop_first();
                }
                let told = Told { customer: customer.to_owned(), entry: Entry { id, outgoing } };
                // Full: then it stays in the outbox, and the relay comes across it.
                let _ = self.told.try_send(told);
            }
        }
    }

    /// This reservation's units are in a cart.
    pub fn keep(&self, reservation: String) {
        lock(&self.kept).push(reservation);
    }

    /// What was kept since this was asked last.
    pub fn take_kept(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.kept))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
