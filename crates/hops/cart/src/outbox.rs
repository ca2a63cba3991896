//! The outbox: how a cart and what others are told of it can't disagree.
//!
//! Redis and Kafka can't be changed together. So the event is first written where the cart is, in the very
//! transaction that changes the cart, and then carried to Kafka: normally by the request itself, which answers only
//! when Kafka has it; after a crash by whoever finds it (`outbox/claim.rs`). An event leaves the outbox when Kafka has
//! acknowledged it.
//!
//! **In order, per cart.** The outbox is a queue. A request tells its event when that stands at the head; as long as
//! another pod's stands before it, it waits for that one to leave.
//!
//! **Once, as a rule.** For [`LEFT_BEHIND`] an event belongs to the process that wrote it, and nobody else tells it.
//! What is still there then was left behind, and belongs to whoever holds the cart's claim, a key in Redis that one
//! process at a time can have. That one looks first whether Kafka has it (`kafka/stored.rs`): its writer may have died,
//! or Kafka itself, before that could be noted. What remains is a process that comes to a stop for seconds between
//! looking and sending. Then Kafka gets an event again; it has the same `eventId`, by which consumers drop it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hop::clock;
use hop::http::Exchange;
use journey::SpanId;
use tokio::sync::mpsc;

use crate::kafka::{self, Kafka};
use crate::redis::Redis;
use crate::wire::Failure;

mod claim;
mod entry;

pub use claim::Claimed;
pub use entry::{Entry, LONGEST, Line, Malformed, Outgoing, Place};

/// How long an event belongs to the process that wrote it, in milliseconds; a request tells it within some ten.
pub const LEFT_BEHIND: u64 = 2_000;
/// How far ahead of this clock a place may lie and still be its writer's, in milliseconds. Redis never gives a smaller
/// id than the last: after its clock was set back, or after an entry that was written by hand, a cart's places lie
/// ahead for good.
const AHEAD: u64 = 5_000;
/// How long a request waits for what stands before its event.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks whether that has left: at first, and in the end.
const LOOKS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));
/// How many entries are read at once.
pub const PAGE: usize = 100;
/// How many told events may wait to be taken out of their outboxes; whoever holds the claim finds what is more.
const TIDYING: usize = 10_000;
/// How many kept reservations may wait for the inventory to be told; what is more is settled as held.
const KEPT: usize = 10_000;

/// A customer's event that Kafka has, so that it can leave the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whose outbox.
    pub customer: String,
    /// Which entry.
    pub id: Place,
}

/// An event that was just written, and what was at the head of its outbox right after that.
#[derive(Debug, PartialEq)]
pub struct Queued {
    /// The event, at its place.
    pub entry: Entry,
    /// The first entries, at most [`PAGE`].
    pub head: Vec<Line>,
}

/// With what events are told.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Where the outboxes are.
    pub redis: &'a Redis,
    /// Where events go.
    pub kafka: &'a Kafka,
    /// For whom.
    pub exchange: &'a Exchange,
}

/// Carries events to Kafka.
pub struct Outbox {
    carts: Mutex<HashMap<String, Arc<Cart>>>,
    /// What this process told and did not take out of the outbox yet.
    told: Mutex<HashMap<String, BTreeSet<Place>>>,
    tidy: mpsc::Sender<Told>,
    /// Reservations that went into carts, for the relay to tell the inventory.
    kept: Mutex<Vec<String>>,
}

/// The events of one cart that this process is telling now. Requests for one cart take turns, and whoever's
/// turn it is tells the events of all who wait.
#[derive(Default)]
struct Cart {
    turn: tokio::sync::Mutex<()>,
    waiting: Mutex<BTreeMap<Place, Outgoing>>,
}

/// What a look at the head of the queue shows.
#[derive(Debug, PartialEq)]
enum Head {
    /// These stand first, and are ours to tell.
    Ours(Vec<(Place, Outgoing)>),
    /// Something stands before ours that another process tells, or did not tell in time.
    Behind(Place),
    /// All of this page is told; ours may come on the next.
    After(Place),
    /// Ours is not there any more: it was told.
    Gone,
}

impl Outbox {
    /// Also the end at which told events come out, to be taken out of Redis.
    pub fn new() -> (Self, mpsc::Receiver<Told>) {
        let (tidy, tidying) = mpsc::channel(TIDYING);
        (Outbox { carts: Mutex::default(), told: Mutex::default(), tidy, kept: Mutex::default() }, tidying)
    }

    /// Returns when Kafka has this event, and everything before it in its outbox.
    ///
    /// # Errors
    /// Kafka did not acknowledge it, or what stands before it did not leave in time: see [`Failure`]. The event stays
    /// in the outbox.
    pub async fn tell(
        &self,
        means: Means<'_>,
        span_id: SpanId,
        customer: &str,
        queued: Queued,
    ) -> Result<(), Failure> {
        let Queued { entry: Entry { id, outgoing }, head } = queued;
        let cart = Arc::clone(lock(&self.carts).entry(customer.to_owned()).or_default());
        lock(&cart.waiting).insert(id, outgoing);
        let outcome = self.tell_in_turn(means, span_id, customer, &cart, id, head).await;
        lock(&cart.waiting).remove(&id);
        let mut carts = lock(&self.carts);
        // Ours and the map's: nobody else is at it.
        if Arc::strong_count(&cart) <= 2 {
            carts.remove(customer);
        }
        outcome
    }

    async fn tell_in_turn(
        &self,
        means: Means<'_>,
        span_id: SpanId,
        customer: &str,
        cart: &Cart,
        id: Place,
        head: Vec<Line>,
    ) -> Result<(), Failure> {
        let _turn = cart.turn.lock().await;
        // The first look came with the transaction. What left since then is found out by the next.
        let (mut lines, mut looks) = (head, Looks::new());
        loop {
            if !lock(&cart.waiting).contains_key(&id) {
                return Ok(()); // told by the one before, together with its own
            }
            let from = match self.head(customer, cart, &lines, id) {
                Head::Gone => return Ok(()),
                Head::Ours(events) => {
                    let records: Vec<&Outgoing> = events.iter().map(|(_, outgoing)| outgoing).collect();
                    let time = own_time(events[0].0);
                    let publish = means.kafka.publish(means.exchange, span_id, &records);
                    let Ok(published) = tokio::time::timeout(time, publish).await else {
                        // From now on it is nobody's own: whoever holds the claim looks first whether it is there.
                        continue;
                    };
                    published?;
                    for (id, _) in events {
                        lock(&cart.waiting).remove(&id);
                        self.has_told(customer, id);
                    }
                    continue;
                }
                Head::After(last) => last.next(),
                Head::Behind(first) => {
                    if is_left_behind(first) {
                        self.tell_left_behind(means, customer).await?;
                    }
                    looks.next().await?;
                    Place::START
                }
            };
            lines = means.redis.page(means.exchange, customer, from, PAGE).await?;
        }
    }

    /// Returns when everything that is in an outbox now has left it.
    ///
    /// # Errors
    /// As [`Outbox::tell`].
    pub async fn clear(&self, means: Means<'_>, customer: &str) -> Result<(), Failure> {
        let Some(last) = means.redis.last(means.exchange, customer).await? else { return Ok(()) };
        let mut looks = Looks::new();
        let mut from = Place::START;
        loop {
            let lines = means.redis.page(means.exchange, customer, from, PAGE).await?;
            let open = lines.iter().find(|line| !self.is_told(customer, line.id()));
            from = match (open, lines.last()) {
                (Some(first), _) if first.id() <= last => {
                    if is_left_behind(first.id()) {
                        self.tell_left_behind(means, customer).await?;
                    }
                    looks.next().await?;
                    Place::START
                }
                (None, Some(told)) if told.id() < last => told.id().next(),
                _ => return Ok(()),
            };
        }
    }

    /// What stands first, apart from what this process has told already?
    fn head(&self, customer: &str, cart: &Cart, lines: &[Line], ours: Place) -> Head {
        let waiting = lock(&cart.waiting);
        let mut events = Vec::new();
        for line in lines {
            let id = line.id();
            if self.is_told(customer, id) {
                continue;
            }
            match waiting.get(&id) {
                Some(outgoing) if !is_left_behind(id) => events.push((id, outgoing.clone())),
                _ if events.is_empty() && id <= ours => return Head::Behind(id),
                _ => break,
            }
        }
        match lines.last() {
            _ if !events.is_empty() => Head::Ours(events),
            Some(last) if last.id() < ours => Head::After(last.id()),
            _ => Head::Gone,
        }
    }

    /// Kafka has it: it can leave the outbox.
    fn has_told(&self, customer: &str, id: Place) {
        // Before it is handed on, or it might have left before it is remembered.
        lock(&self.told).entry(customer.to_owned()).or_default().insert(id);
        if self.tidy.try_send(Told { customer: customer.to_owned(), id }).is_err() {
            // Too many wait: whoever holds the claim comes across it.
            self.has_left(customer, id);
        }
    }

    /// It is not in the outbox any more.
    pub fn has_left(&self, customer: &str, id: Place) {
        let mut told = lock(&self.told);
        if let Some(places) = told.get_mut(customer) {
            places.remove(&id);
            if places.is_empty() {
                told.remove(customer);
            }
        }
    }

    fn is_told(&self, customer: &str, id: Place) -> bool {
        lock(&self.told).get(customer).is_some_and(|places| places.contains(&id))
    }

    /// These reservations' units are in carts.
    pub fn keep(&self, reservations: impl IntoIterator<Item = String>) {
        let mut kept = lock(&self.kept);
        let room = KEPT.saturating_sub(kept.len());
        kept.extend(reservations.into_iter().take(room));
    }

    /// What was kept since this was asked last.
    pub fn take_kept(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.kept))
    }
}

/// How long it is still its writer's.
fn own_time(place: Place) -> Duration {
    let now = clock::now() / 1_000_000;
    if place.0 > now.saturating_add(AHEAD) {
        return Duration::ZERO;
    }
    Duration::from_millis(place.0.saturating_add(LEFT_BEHIND).saturating_sub(now))
}

/// Has nobody told it in the time in which it was its writer's?
pub fn is_left_behind(place: Place) -> bool {
    own_time(place).is_zero()
}

/// Looks at a queue that does not move: further and further apart, and not for ever.
struct Looks {
    begun: std::time::Instant,
    pause: Duration,
}

impl Looks {
    fn new() -> Self {
        Looks { begun: clock::monotonic(), pause: LOOKS.0 }
    }

    /// Returns when it is time to look again.
    #[allow(clippy::disallowed_methods, reason = "another process changes it: one has to look")]
    async fn next(&mut self) -> Result<(), Failure> {
        if clock::since(self.begun) >= PATIENCE {
            let text = format!("what must be told before it was not told within {PATIENCE:?}");
            return Err(Failure::NotDone { system: kafka::SYSTEM, text });
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LOOKS.1);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
