//! Publishing the orphans in one outbox: by one process at a time, page by page, and past what makes no sense.

use std::collections::HashSet;

use hop::trace;
use hop::upstream::Failure;
use redis_client::StreamId;

use super::acknowledged::Acknowledgements;
use super::age::is_orphaned;
use super::streams;
use super::upstreams::Upstreams;
use crate::message::{Entry, Event, Malformed, Message};

/// Who publishes the orphans of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orphans {
    /// This process has published them.
    Ours,
    /// Another process is publishing them.
    Anothers,
}

/// Publishes the messages of an owner that nobody published in time, in order, and takes them out of the outbox.
/// What is no message is set aside. Does nothing while another process is at it, and says whether that is so.
///
/// # Errors
/// Redis or Kafka did not do it: see [`Failure`]. The rest stays where it is.
pub(crate) async fn publish_orphans<E: Event>(
    acknowledged: &Acknowledgements,
    upstreams: Upstreams<'_>,
    owner: &str,
) -> Result<Orphans, Failure> {
    let who = format!("{:032x}", rand::random::<u128>());
    if !streams::claim(upstreams.redis, owner, &who).await? {
        return Ok(Orphans::Anothers);
    }
    let outcome = publish_claimed::<E>(acknowledged, upstreams, owner, &who).await;
    // If this fails the claim ends by itself.
    let _ = streams::release(upstreams.redis, owner, &who).await;
    outcome.map(|()| Orphans::Ours)
}

async fn publish_claimed<E: Event>(
    acknowledged: &Acknowledgements,
    upstreams: Upstreams<'_>,
    owner: &str,
    who: &str,
) -> Result<(), Failure> {
    let redis = upstreams.redis;
    let mut from = StreamId::START;
    loop {
        let entries = streams::page::<E>(redis, owner, from).await?;
        let due = entries.iter().take_while(|entry| is_orphaned(entry.id())).count();
        let (mut published, mut messages): (Vec<StreamId>, Vec<&Message<E>>) = (Vec::new(), Vec::new());
        for entry in &entries[..due] {
            match entry {
                Entry::Malformed(malformed) => {
                    streams::set_aside(redis, &streams::key(owner), malformed).await?;
                    warn::<E>(owner, malformed);
                }
                // Ours to take out, which is being done.
                Entry::Message(id, _) if acknowledged.contains(owner, *id) => {}
                Entry::Message(id, message) => {
                    published.push(*id);
                    messages.push(message);
                }
            }
        }
        if !messages.is_empty() {
            publish_new(upstreams, &messages).await?;
            let removable: Vec<_> = published.iter().map(|id| (owner, *id)).collect();
            if streams::remove(redis, &removable).await.is_err() {
                // They are published: this process goes on trying to take them out.
                published.iter().for_each(|id| acknowledged.add(owner, *id));
            }
        }
        match entries.last() {
            Some(last) if due == entries.len() => from = last.id().next(),
            _ => return Ok(()),
        }
        if !streams::renew(redis, owner, who).await? {
            return Ok(());
        }
    }
}

/// Publishes the messages that Kafka does not have. Their writer may have published them and died before it could
/// note it, or Kafka may have died before it could say so.
async fn publish_new<E: Event>(upstreams: Upstreams<'_>, messages: &[&Message<E>]) -> Result<(), Failure> {
    let records: Vec<_> = messages.iter().map(|message| message.record()).collect();
    let stored = match upstreams.kafka.stored(&records).await {
        Ok(stored) => stored,
        // It can't be seen: published twice is better than not published.
        Err(Failure::NotDone { .. } | Failure::Refused { .. }) => HashSet::new(),
        Err(failure) => return Err(failure),
    };
    let new = records.into_iter().enumerate().filter(|(number, _)| !stored.contains(number));
    let new: Vec<_> = new.map(|(_, record)| record).collect();
    if new.is_empty() {
        return Ok(());
    }
    upstreams.kafka.publish(trace::new_span_id(), &new).await.map(drop)
}

/// Once for each entry: it is set aside, so nobody comes across it again.
fn warn<E: Event>(owner: &str, malformed: &Malformed) {
    let Malformed { id, why, .. } = malformed;
    tracing::warn!(
        owner = E::key_of(owner),
        entry = %id,
        why,
        "an outbox held something that is no message: set aside in {}",
        streams::DEAD_LETTERS,
    );
}
