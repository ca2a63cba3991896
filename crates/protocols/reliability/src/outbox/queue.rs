//! Publishing one's own message, in its turn.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hop::http::Exchange;
use hop::upstream::Failure;
use journey::SpanId;
use kafka_client::Record;
use parking_lot::Mutex;
use redis_client::StreamId;

use super::acknowledged::Acknowledgements;
use super::age::{is_orphaned, own_time};
use super::backoff::Backoff;
use super::orphans::publish_orphans;
use super::streams::{self, Appended};
use super::upstreams::Upstreams;
use crate::message::{Entry, Event, Message};

/// So many entries are read to see whether ours stand first now. With many requests for one owner in several processes,
/// each reads them again and again, and what stands first changes after a few.
const FIRST: usize = 10;

/// Carries messages to Kafka.
pub struct Outbox<E> {
    queues: Mutex<HashMap<String, Arc<Queue<E>>>>,
    pub(crate) acknowledged: Acknowledgements,
}

/// The messages of one owner that this process is publishing now. Requests for one owner take turns, and whoever's turn
/// it is publishes the messages of all who wait.
struct Queue<E> {
    turn: tokio::sync::Mutex<()>,
    waiting: Mutex<BTreeMap<StreamId, Message<E>>>,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Queue { turn: tokio::sync::Mutex::default(), waiting: Mutex::default() }
    }
}

/// What a look at the head of the outbox shows.
#[derive(Debug, PartialEq)]
enum Head<E> {
    /// These stand first, and are ours to publish.
    Ours(Vec<(StreamId, Message<E>)>),
    /// Something stands before ours that another process publishes, or did not publish in time.
    Behind(StreamId),
    /// All of this page is published; ours may come on the next.
    After(StreamId),
    /// Ours is not there any more: it was published.
    Gone,
}

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Outbox { queues: Mutex::default(), acknowledged: Acknowledgements::default() }
    }
}

impl<E: Event> Outbox<E> {
    /// Returns when Kafka has this message, and everything before it in its outbox. `span_id` names the span that sends
    /// it first.
    ///
    /// # Errors
    /// Kafka did not acknowledge it, or what stands before it did not leave in time: see [`Failure`]. The message stays
    /// in the outbox.
    pub async fn publish(
        &self,
        upstreams: Upstreams<'_>,
        span_id: SpanId,
        owner: &str,
        appended: Appended<E>,
    ) -> Result<(), Failure> {
        let _timed = Exchange::current().timed("kafka");
        let Appended { id, message, head } = appended;
        let queue = Arc::clone(self.queues.lock().entry(owner.to_owned()).or_default());
        queue.waiting.lock().insert(id, message);
        let outcome = self.publish_in_turn(upstreams, span_id, owner, &queue, id, head).await;
        queue.waiting.lock().remove(&id);
        let mut queues = self.queues.lock();
        // Ours and the map's: nobody else is at it.
        if Arc::strong_count(&queue) <= 2 {
            queues.remove(owner);
        }
        outcome
    }

    async fn publish_in_turn(
        &self,
        upstreams: Upstreams<'_>,
        span_id: SpanId,
        owner: &str,
        queue: &Queue<E>,
        id: StreamId,
        head: Vec<Entry<E>>,
    ) -> Result<(), Failure> {
        let _turn = queue.turn.lock().await;
        // The first look came with the transaction. What left since then is found out by the next.
        let (mut entries, mut backoff) = (head, Backoff::new());
        loop {
            if !queue.waiting.lock().contains_key(&id) {
                return Ok(()); // the one before published it with its own
            }
            let (from, count) = match self.head(owner, queue, &entries, id) {
                Head::Gone => return Ok(()),
                Head::Ours(messages) => {
                    let records: Vec<Record> = messages.iter().map(|(_, message)| message.record()).collect();
                    let time = own_time(messages[0].0);
                    let publish = upstreams.kafka.publish(span_id, &records);
                    let Ok(published) = tokio::time::timeout(time, publish).await else {
                        // From now on it is nobody's own: whoever holds the claim looks first whether it is there.
                        continue;
                    };
                    published?;
                    for (id, _) in messages {
                        queue.waiting.lock().remove(&id);
                        self.acknowledged.add(owner, id);
                    }
                    continue;
                }
                Head::After(last) => (last.next(), streams::PAGE),
                Head::Behind(first) => {
                    if is_orphaned(first) {
                        publish_orphans::<E>(&self.acknowledged, upstreams, owner).await?;
                    }
                    backoff.next().await?;
                    (StreamId::START, FIRST)
                }
            };
            entries = streams::some(upstreams.redis, owner, from, count).await?;
        }
    }

    /// Returns when everything that is in an outbox now has left it.
    ///
    /// # Errors
    /// As [`Outbox::publish`].
    pub async fn flush(&self, upstreams: Upstreams<'_>, owner: &str) -> Result<(), Failure> {
        let _timed = Exchange::current().timed("kafka");
        let Some(last) = streams::last(upstreams.redis, owner).await? else { return Ok(()) };
        let mut backoff = Backoff::new();
        let mut from = StreamId::START;
        loop {
            let entries = streams::page::<E>(upstreams.redis, owner, from).await?;
            let open = entries.iter().find(|entry| !self.acknowledged.contains(owner, entry.id()));
            from = match (open, entries.last()) {
                (Some(first), _) if first.id() <= last => {
                    if is_orphaned(first.id()) {
                        publish_orphans::<E>(&self.acknowledged, upstreams, owner).await?;
                    }
                    backoff.next().await?;
                    StreamId::START
                }
                (None, Some(published)) if published.id() < last => published.id().next(),
                _ => return Ok(()),
            };
        }
    }

    /// What stands first, apart from what this process has published already?
    fn head(&self, owner: &str, queue: &Queue<E>, entries: &[Entry<E>], ours: StreamId) -> Head<E> {
        let waiting = queue.waiting.lock();
        let mut messages = Vec::new();
        for entry in entries {
            let id = entry.id();
            if self.acknowledged.contains(owner, id) {
                continue;
            }
            match waiting.get(&id) {
                Some(message) if !is_orphaned(id) => messages.push((id, message.clone())),
                _ if messages.is_empty() && id <= ours => return Head::Behind(id),
                _ => break,
            }
        }
        match entries.last() {
            _ if !messages.is_empty() => Head::Ours(messages),
            Some(last) if last.id() < ours => Head::After(last.id()),
            _ => Head::Gone,
        }
    }
}

#[cfg(test)]
mod tests;
