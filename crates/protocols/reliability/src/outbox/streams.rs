//! The outboxes in Redis: what a transaction adds to them, page by page what is in them, and how it leaves them.

use std::time::Duration;

use bytes::Bytes;
use hop::upstream::Failure;
use redis_client::{Client, Pipeline, Reply, StreamId, entries};

use crate::message::{Entry, Event, Malformed, Message};

/// How many entries are read at once.
pub(crate) const PAGE: usize = 100;
/// How many entries come back with a change: nearly always one, its own.
const HEAD: &str = "10";
/// All owners with an outbox that is not known to be empty: a hash, so that it disappears when it is.
const OUTBOXES: &str = "outboxes";
/// Entries that are no messages, with the stream and the id where they were found, and why. Nobody reads this stream but
/// people: `XRANGE outbox.dead-letters - +`.
pub const DEAD_LETTERS: &str = "outbox.dead-letters";
/// How long a claim holds when its holder says nothing: longer than a page takes.
const CLAIM_LIFETIME: Duration = Duration::from_secs(15);
/// Before an owner's name: who publishes the orphans in that outbox.
pub(crate) const CLAIM: &str = "outbox.claim";

/// A message that was just appended, and what was at the head of its outbox right after that.
#[derive(Debug, PartialEq)]
pub struct Appended<E> {
    /// Where the message is.
    pub id: StreamId,
    /// What was appended.
    pub message: Message<E>,
    /// The first entries.
    pub head: Vec<Entry<E>>,
}

impl<E: Event> Appended<E> {
    /// What the replies to [`append`] and [`head`] say.
    ///
    /// # Errors
    /// [`Failure::Refused`] if they say something else.
    pub fn read(appended: &Reply, head: &Reply, owner: &str, message: Message<E>) -> Result<Self, Failure> {
        Ok(Appended { id: StreamId::of_reply(appended)?, message, head: read(entries(head)?, Some(owner)) })
    }
}

/// Adds looks at what [`append`] writes (two commands): a key of a wrong type shows before the transaction.
pub fn look(look: &mut Pipeline, owner: &str) {
    look.add(["XLEN", &key(owner)]).add(["HLEN", OUTBOXES]);
}

/// Adds the message to a transaction (two commands). The second reply is that of [`Appended::read`].
pub fn append<E: Event>(change: &mut Pipeline, owner: &str, message: &Message<E>) {
    let key = key(owner);
    change.add(["HSET", OUTBOXES, owner, "1"]);
    change.add(["XADD", &key, "*"].into_iter().chain(message.fields()));
}

/// Adds a look at the outbox's head to the transaction (one command): mostly there is nothing else to look at.
pub fn head(change: &mut Pipeline, owner: &str) {
    change.add(["XRANGE", &key(owner), "-", "+", "COUNT", HEAD]);
}

/// A page of an outbox from an id on.
pub(crate) async fn page<E: Event>(
    redis: &Client,
    owner: &str,
    from: StreamId,
) -> Result<Vec<Entry<E>>, Failure> {
    some(redis, owner, from, PAGE).await
}

/// Up to `count` entries of an outbox from an id on.
pub(crate) async fn some<E: Event>(
    redis: &Client,
    owner: &str,
    from: StreamId,
    count: usize,
) -> Result<Vec<Entry<E>>, Failure> {
    Ok(read(redis.stream_page(&key(owner), from, count).await?, Some(owner)))
}

/// The id of an outbox's newest entry, if there is one.
pub(crate) async fn last(redis: &Client, owner: &str) -> Result<Option<StreamId>, Failure> {
    redis.stream_end(&key(owner)).await
}

/// Some of the owners whose outbox is not known to be empty, and where to go on (`0`: those were all).
pub(crate) async fn owners(redis: &Client, cursor: &str) -> Result<(Vec<String>, String), Failure> {
    redis.hash_names(OUTBOXES, cursor).await
}

/// Where an outbox begins.
#[derive(Debug, PartialEq)]
pub(crate) enum Oldest {
    /// Nothing is in it.
    Empty,
    /// Its oldest entry.
    At(StreamId),
    /// It can't be read: Redis's words.
    Unreadable(String),
}

/// Where each of these outboxes begins. One that can't be read does not keep the others from being read.
pub(crate) async fn oldest(redis: &Client, owners: &[String]) -> Result<Vec<Oldest>, Failure> {
    match oldest_at_once(redis, owners).await {
        Err(Failure::Refused { .. }) => {}
        outcome => return outcome,
    }
    // An entry may be larger than a reply may be: the outbox that it is in is found one by one.
    let mut found = Vec::with_capacity(owners.len());
    for owner in owners.chunks(1) {
        match oldest_at_once(redis, owner).await {
            Ok(oldest) => found.extend(oldest),
            Err(Failure::Refused { text, .. }) => found.push(Oldest::Unreadable(text)),
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

async fn oldest_at_once(redis: &Client, owners: &[String]) -> Result<Vec<Oldest>, Failure> {
    let mut look = Pipeline::new("XRANGE");
    for owner in owners {
        look.add(["XRANGE", &key(owner), "-", "+", "COUNT", "1"]);
    }
    let oldest = |reply: Reply| match reply {
        Reply::Error(text) => Ok(Oldest::Unreadable(text.to_string())),
        reply => Ok(entries(&reply)?.first().map_or(Oldest::Empty, |entry| Oldest::At(entry.id))),
    };
    redis.run_each(&look).await?.into_iter().map(oldest).collect()
}

/// Drops outboxes that were found empty, if they still are.
pub(crate) async fn drop_empty(redis: &Client, owners: &[&str]) -> Result<(), Failure> {
    if owners.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = owners.iter().map(|owner| key(owner)).collect();
    let mut look = Pipeline::new("WATCH");
    for key in &keys {
        look.add(["XLEN", key]);
    }
    let mut connection = redis.connection().await?;
    let lengths = connection.watch(&keys.iter().map(String::as_str).collect::<Vec<_>>(), &look).await?;
    let mut change = Pipeline::new("EXEC");
    for ((key, owner), length) in keys.iter().zip(owners).zip(lengths) {
        if matches!(length, Reply::Integer(0)) {
            change.add(["DEL", key]).add(["HDEL", OUTBOXES, *owner]);
        }
    }
    // A message that came in meanwhile makes this do nothing: then it is done the next time.
    connection.commit(&change).await.map(drop)
}

/// Takes messages that Kafka has out of their outboxes.
pub(crate) async fn remove(redis: &Client, messages: &[(&str, StreamId)]) -> Result<(), Failure> {
    let mut change = Pipeline::new("XDEL");
    for (owner, id) in messages {
        change.add(["XDEL", &key(owner), &id.to_string()]);
    }
    redis.run(&change).await.map(drop)
}

/// Moves what is no message from a stream to [`DEAD_LETTERS`], as it is. If it fails, it is where it was.
pub(crate) async fn set_aside(redis: &Client, stream: &str, malformed: &Malformed) -> Result<(), Failure> {
    let Malformed { id, why, fields } = malformed;
    let id = id.to_string();
    let found = ["stream", stream, "entry", &id, "why", why].map(str::as_bytes);
    let words = [DEAD_LETTERS, "*"].map(str::as_bytes).into_iter().chain(found);
    let mut change = Pipeline::new("EXEC");
    change
        .add([&b"XADD"[..]].into_iter().chain(words).chain(fields.iter().map(Bytes::as_ref)))
        .add(["XDEL", stream, &id]);
    redis.commit(&change).await.map(drop)
}

/// May this process publish the orphans of an outbox? The claim ends by itself.
pub(crate) async fn claim(redis: &Client, owner: &str, who: &str) -> Result<bool, Failure> {
    let lifetime = CLAIM_LIFETIME.as_millis().to_string();
    let reply = redis.query("SET", [&*claim_key(owner), who, "NX", "PX", &lifetime]).await?;
    Ok(reply != Reply::Null)
}

/// Makes a claim that is still ours last longer; says whether it was.
pub(crate) async fn renew(redis: &Client, owner: &str, who: &str) -> Result<bool, Failure> {
    redis.compare_and_set(&claim_key(owner), who, Some((who, CLAIM_LIFETIME))).await
}

/// Ends a claim, if it is still ours.
pub(crate) async fn release(redis: &Client, owner: &str, who: &str) -> Result<bool, Failure> {
    redis.compare_and_set(&claim_key(owner), who, None).await
}

/// The stream of an owner's messages that are still to be published.
pub(crate) fn key(owner: &str) -> String {
    format!("outbox:{owner}")
}

fn claim_key(owner: &str) -> String {
    format!("{CLAIM}:{owner}")
}

pub(crate) fn read<E: Event>(entries: Vec<redis_client::Entry>, owner: Option<&str>) -> Vec<Entry<E>> {
    entries.into_iter().map(|entry| Entry::read(entry, owner)).collect()
}

#[cfg(test)]
mod tests;
