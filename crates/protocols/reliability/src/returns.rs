//! Returns: what a removal freed goes back to the participant, once, whatever is down meanwhile.
//!
//! The transaction that removes something also writes its message into the stream `returns` ([`append`]). It leaves that
//! stream when the participant has taken it back; the participant counts a return once by the event's id, so it does no
//! harm to give it back twice. The process that removed gives it back at once; what it does not get done, the relay
//! finishes.

use hop::http::{Deferred, Exchange, Problem, deferred};
use hop::upstream::Failure;
use hyper::StatusCode;
use redis_client::{Client, Pipeline, StreamId};

use crate::message::{Entry, Event, Malformed, Message};
use crate::outbox::{is_orphaned, streams};
use crate::participant::Participant;
use crate::pending::Pending;

/// Removals that the participant is not known to have taken back: one stream for all owners, since the order does not
/// matter.
const STREAM: &str = "returns";
/// How many may wait in this process; what is more is found in the stream.
const WAITING: usize = 10_000;
/// After so many failures one after the other it is the participant that fails, and not the return.
const IN_A_ROW: usize = 3;

/// Adds a look at what [`append`] writes (one command).
pub fn look(look: &mut Pipeline) {
    look.add(["XLEN", STREAM]);
}

/// Adds to the transaction of a removal that what it frees is to go back (one command; its reply is the id).
pub fn append<E: Event>(change: &mut Pipeline, message: &Message<E>) {
    change.add(["XADD", STREAM, "*"].into_iter().chain(message.fields()));
}

/// The returns that this process is to make.
pub struct Returns<E> {
    waiting: Pending<Waiting<E>>,
}

struct Waiting<E> {
    id: StreamId,
    removed: E,
    /// The request that removed it.
    cause: Option<Deferred>,
}

impl<E> Default for Returns<E> {
    fn default() -> Self {
        Returns { waiting: Pending::new(WAITING) }
    }
}

impl<E: Event> Returns<E> {
    /// Gives back soon what this removal freed; `id` is where [`append`] put it.
    pub fn add(&self, id: StreamId, removed: E) {
        self.waiting.push(Waiting { id, removed, cause: Exchange::current().defer() });
    }

    /// Returns when there is something to give back.
    pub(crate) async fn some(&self) {
        self.waiting.some().await;
    }

    /// Makes the returns of this process; what fails stays in the stream.
    pub(crate) async fn make(&self, redis: &Client, participant: &impl Participant<E>) {
        let waiting = self.waiting.take();
        let causes = waiting.iter().filter_map(|one| one.cause.as_ref()).collect();
        // What was not made is still in the stream.
        let _ = deferred("return units", causes, make(redis, participant, &waiting)).await;
    }
}

/// Makes returns.
///
/// # Errors
/// Not all of them were made.
async fn make<E: Event>(
    redis: &Client,
    participant: &impl Participant<E>,
    waiting: &[Waiting<E>],
) -> Result<(), ()> {
    let mut done = Vec::new();
    for Waiting { id, removed, .. } in waiting {
        match participant.restock(removed).await {
            Ok(()) => done.push(*id),
            Err(problem) => warn(removed, &problem),
        }
    }
    if !done.is_empty()
        && let Err(failure) = remove(redis, &done).await
    {
        tracing::debug!("note returned units: {}", failure.describe());
        return Err(());
    }
    if done.len() == waiting.len() { Ok(()) } else { Err(()) }
}

/// Makes the returns that nobody made in time. One that fails does not keep the others from being made.
///
/// # Errors
/// Redis does not answer, or the participant fails again and again: the rest is made the next time.
pub(crate) async fn make_orphans<E: Event>(
    redis: &Client,
    participant: &impl Participant<E>,
) -> Result<(), String> {
    let (mut from, mut failures) = (StreamId::START, 0);
    loop {
        let page = redis.stream_page(STREAM, from, streams::PAGE).await;
        let entries = streams::read::<E>(page.map_err(|failure| failure.describe())?, None);
        let due: Vec<&Entry<E>> = entries.iter().take_while(|entry| is_orphaned(entry.id())).collect();
        let mut done = Vec::new();
        for entry in &due {
            let (id, message) = match entry {
                Entry::Message(id, message) => (*id, message),
                Entry::Malformed(malformed) => {
                    set_aside(redis, malformed).await?;
                    continue;
                }
            };
            match participant.restock(&message.event).await {
                Ok(()) => {
                    failures = 0;
                    done.push(id);
                }
                // It is an event, but none that the participant could ever take back.
                Err(problem) if problem.status == StatusCode::UNPROCESSABLE_ENTITY => {
                    set_aside(redis, &Malformed::refused(id, message, problem.detail)).await?;
                }
                Err(problem) => {
                    failures += 1;
                    warn(&message.event, &problem);
                    if failures >= IN_A_ROW {
                        break;
                    }
                }
            }
        }
        if !done.is_empty() {
            remove(redis, &done).await.map_err(|failure| failure.describe())?;
        }
        match entries.last() {
            Some(last) if due.len() == entries.len() && failures < IN_A_ROW => from = last.id().next(),
            _ => return Ok(()),
        }
    }
}

async fn remove(redis: &Client, ids: &[StreamId]) -> Result<(), Failure> {
    let ids: Vec<String> = ids.iter().map(StreamId::to_string).collect();
    redis.query("XDEL", [STREAM].into_iter().chain(ids.iter().map(String::as_str))).await.map(drop)
}

/// Takes it out of the stream and keeps it for people to look at.
async fn set_aside(redis: &Client, malformed: &Malformed) -> Result<(), String> {
    let set = streams::set_aside(redis, STREAM, malformed).await;
    set.map_err(|failure| failure.describe())?;
    let Malformed { id, why, .. } = malformed;
    tracing::warn!(entry = %id, why, "a return is none: set aside in {}", streams::DEAD_LETTERS);
    Ok(())
}

fn warn<E: Event>(removed: &E, problem: &Problem) {
    hop::warn_throttled!(owner = removed.key(), event = ?removed, "give back: {}", problem.detail);
}
