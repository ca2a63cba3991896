//! Reservations: units that another service holds for a request end in exactly one way (try, confirm or cancel).
//!
//! A request reserves under a name of its own, and writes `reservation:<id>` = `kept` in the transaction that changes the
//! state ([`keep`]). Whoever finds a reservation that has been held for longer than any request takes writes `dropped`
//! there, unless something is there already: so both agree, whichever comes first, and the request that comes too late
//! finds that it lost.

use std::time::Duration;

use hop::http::{Deferred, Exchange, deferred};
use hop::upstream::Failure;
use redis_client::{Client, Pipeline, Reply, Text as _};

use crate::participant::{Held, Participant};
use crate::pending::Pending;

/// For how long it stays known that a reservation was dropped, in milliseconds: an hour, longer than any request takes.
const DROPPED_LIFETIME: &str = "3600000";
/// The reservations of which the participant is being told that they were kept.
const CONFIRMING: &str = "reservations.confirming";
/// How many kept reservations may wait for the participant to be told; what is more is settled as held.
const MAX_CONFIRMING: usize = 10_000;
/// How many reservations are handled in one request.
const BATCH: usize = 200;

/// A name that was never used before: 48 bits of time, then 80 random ones (as UUID version 7, RFC 9562 §5.7). Names of one
/// moment lie side by side in the participant's index, so that a group commit writes one page for them and not one for each.
pub fn new_name() -> String {
    let milliseconds = u128::from(hop::clock::now() / 1_000_000);
    format!("{:032x}", milliseconds << 80 | rand::random::<u128>() >> 48)
}

/// Adds to a transaction that a reservation is kept (one command).
pub fn keep(change: &mut Pipeline, reservation: &str) {
    change.add(["SET", &key(reservation), "kept"]);
}

/// The key of the mark that says how a reservation ended; there is none as long as that is open.
pub fn key(reservation: &str) -> String {
    format!("reservation:{reservation}")
}

/// The reservations that this process kept, each with the request that did.
pub struct Reservations {
    kept: Pending<(String, Option<Deferred>)>,
}

impl Default for Reservations {
    fn default() -> Self {
        Reservations { kept: Pending::new(MAX_CONFIRMING) }
    }
}

impl Reservations {
    /// This one was kept: the participant is told soon.
    pub fn kept(&self, reservation: String) {
        self.kept.push((reservation, Exchange::current().defer()));
    }

    /// Tells the participant what was kept since the last time; what fails is tried again.
    pub(crate) async fn confirm<E>(&self, redis: &Client, participant: &impl Participant<E>) {
        let mut kept = self.kept.take();
        while !kept.is_empty() {
            let rest = kept.split_off(kept.len().min(BATCH));
            let names: Vec<String> = kept.iter().map(|(reservation, _)| reservation.clone()).collect();
            let causes = kept.iter().filter_map(|(_, cause)| cause.as_ref()).collect();
            let done = deferred("confirm reservations", causes, confirm(redis, participant, &names)).await;
            if let Err(text) = done {
                tracing::debug!("confirm reservations: {text}");
                for one in kept.into_iter().chain(rest) {
                    self.kept.push(one);
                }
                return;
            }
            kept = rest;
        }
    }
}

/// Tells the participant again what somebody began to tell it. To be told twice does it no harm.
pub(crate) async fn confirm_orphans<E>(
    redis: &Client,
    participant: &impl Participant<E>,
) -> Result<(), String> {
    let mut cursor = "0".to_owned();
    loop {
        let page = redis.hash_names(CONFIRMING, &cursor).await;
        let (reservations, next) = page.map_err(|failure| failure.describe())?;
        // The participant would refuse all of them for the sake of one that no reservation can be called.
        let (names, junk): (Vec<_>, Vec<_>) = reservations.into_iter().partition(|name| is_name(name));
        for some in names.chunks(BATCH) {
            confirm(redis, participant, some).await?;
        }
        if !junk.is_empty() {
            forget(redis, &junk).await.map_err(|failure| failure.describe())?;
            tracing::warn!(number = junk.len(), first = junk[0], "dropped what is no reservation's name");
        }
        cursor = next;
        if cursor == "0" {
            return Ok(());
        }
    }
}

/// Ends the reservations that nobody ended within this time.
pub(crate) async fn settle<E>(
    redis: &Client,
    participant: &impl Participant<E>,
    after: Duration,
) -> Result<(), String> {
    let held = participant.held(after).await;
    let mut outcome = Ok(());
    for some in held.map_err(|problem| problem.detail)?.chunks(BATCH) {
        let ended = end(redis, some).await.map_err(|failure| failure.describe())?;
        let mut confirmed = Vec::new();
        for (held, kept) in some.iter().zip(ended) {
            let settled = match kept {
                Ok(true) => {
                    confirmed.push(held.reservation_id.clone());
                    Ok(())
                }
                Ok(false) => participant.release(held).await.map_err(|problem| problem.detail),
                Err(text) => Err(text),
            };
            if let Err(text) = settled {
                hop::warn_throttled!(reservation = held.reservation_id, "settle a reservation: {text}");
                outcome = Err(text);
            }
        }
        if !confirmed.is_empty() {
            confirm(redis, participant, &confirmed).await?;
        }
    }
    outcome
}

async fn confirm<E>(
    redis: &Client,
    participant: &impl Participant<E>,
    kept: &[String],
) -> Result<(), String> {
    // Whoever is told of them does not list them as held any more: if this process dies before it has forgotten them,
    // this note says which they are.
    let pairs = kept.iter().flat_map(|reservation| [reservation.as_str(), "1"]);
    let noted = redis.query("HSET", [CONFIRMING].into_iter().chain(pairs)).await;
    noted.map_err(|failure| failure.describe())?;
    participant.confirm(kept).await.map_err(|problem| problem.detail)?;
    forget(redis, kept).await.map_err(|failure| failure.describe())
}

/// Forgets that these were kept, once the participant knows it.
async fn forget(redis: &Client, reservations: &[String]) -> Result<(), Failure> {
    let marks: Vec<String> = reservations.iter().map(|reservation| key(reservation)).collect();
    let names = reservations.iter().map(String::as_str);
    let mut change = Pipeline::new("EXEC");
    change
        .add(["DEL"].into_iter().chain(marks.iter().map(String::as_str)))
        .add(["HDEL", CONFIRMING].into_iter().chain(names));
    redis.commit(&change).await.map(drop)
}

/// Ends reservations whose request is long over, each in the one way it can: was it kept? Redis's words where that can't
/// be read.
async fn end(redis: &Client, held: &[Held]) -> Result<Vec<Result<bool, String>>, Failure> {
    let keys: Vec<String> = held.iter().map(|held| key(&held.reservation_id)).collect();
    let mut commands = Pipeline::new("SET");
    for key in &keys {
        commands.add(["SET", key, "dropped", "NX", "PX", DROPPED_LIFETIME]);
    }
    for key in &keys {
        commands.add(["GET", key]);
    }
    let replies = redis.run_each(&commands).await?;
    let (dropped, found) = replies.split_at(keys.len());
    // If either was refused, nothing is known: a store that is full takes no mark.
    let ended = |(dropped, found): (&Reply, &Reply)| match (dropped, found) {
        (Reply::Error(text), _) | (_, Reply::Error(text)) => Err(text.to_string()),
        (_, found) => match found.text() {
            Some("kept") => Ok(true),
            Some("dropped") => Ok(false),
            other => Err(format!("it says {other:?}, which is neither kept nor dropped")),
        },
    };
    Ok(dropped.iter().zip(found).map(ended).collect())
}

/// What can be a reservation's name: 1 to 64 letters, digits, `-`, `_` and `.`.
fn is_name(text: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

#[cfg(test)]
mod tests;
