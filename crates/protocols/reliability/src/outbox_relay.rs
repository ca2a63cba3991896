//! The relay: what is left behind is finished, by whoever is there.
//!
//! Every process runs this in the background:
//! * what Kafka has leaves the outboxes, and what a removal freed goes back to the participant;
//! * the participant is told which reservations were kept.
//!
//! One process at a time (a lease in Redis says which) also looks after what the dead have left:
//! * reservations that have been held for long are settled: Redis knows whether they were kept;
//! * returns that nobody made are made;
//! * messages that have been in an outbox for longer than a request takes are published.
//!
//! Every step may be done twice, by two processes, or be cut off anywhere: the next round finds the rest. One owner's
//! trouble stays its own: it is said, with its name, and the next owner has its turn.

use std::sync::Arc;
use std::time::Duration;

use hop::http::{Exchange, deferred};
use hop::upstream::Failure;
use hop::{CancellationToken, clock};
use kafka_client::Producer;
use redis_client::{Client, Pipeline, Reply, StreamId, Text as _};

use crate::message::Event;
use crate::outbox::streams::{self, Oldest};
use crate::outbox::{Acknowledged, Orphans, Outbox, Upstreams, is_orphaned, publish_orphans};
use crate::participant::Participant;
use crate::reservations::{self, Reservations};
use crate::returns::{self, Returns};
use trouble::Trouble;

mod trouble;

/// How often it looks.
const ROUND: Duration = Duration::from_secs(1);
/// The key that says which process looks after what others left, and for how long after its last look, in milliseconds.
const LEASE: (&str, &str) = ("outbox.relay", "3000");
/// How many outboxes or messages are handled in one request.
const BATCH: usize = 200;
/// How many messages may wait for Redis to take them out of their outboxes.
const PENDING: usize = 10_000;
/// The oldest message of an outbox that another process has claimed is expected to be younger, in milliseconds.
const STUCK: u64 = 60_000;

/// The relay of one process, with connections of its own: those of requests are opened by requests alone, so that a cold
/// journey shows what they cost.
pub struct OutboxRelay<E, P> {
    /// Events of this process's requests that are published and not yet removed from Redis.
    pub outbox: Arc<Outbox<E>>,
    /// Reservations that they kept, to be confirmed.
    pub reservations: Arc<Reservations>,
    /// Units that they removed from carts, to be returned.
    pub returns: Arc<Returns<E>>,
    /// Where outboxes, claims and reservations are recorded.
    pub redis: Client,
    /// Publishes the messages.
    pub kafka: Producer,
    /// Who holds reservations and takes returns.
    pub participant: P,
    /// A reservation that is held for longer belongs to no request any more.
    pub settle_after: Duration,
    /// This process, as others see it.
    pub name: Arc<str>,
}

impl<E: Event, P: Participant<E>> OutboxRelay<E, P> {
    /// Runs until `stop`, then finishes what this process has published itself. Of that what its requests left to be done
    /// is recorded, in traces that link to theirs.
    pub async fn run(self, stop: CancellationToken) {
        let who = format!("{}-{:016x}", self.name, rand::random::<u64>());
        let rounds = Rounds { relay: self, who, pending: Vec::new(), trouble: Trouble::default() };
        Exchange::unrecorded().scope(rounds.run(stop)).await;
    }
}

struct Rounds<E, P> {
    relay: OutboxRelay<E, P>,
    /// This process, as the lease names it.
    who: String,
    /// Acknowledged by Kafka, and not known to have left the outbox.
    pending: Vec<Acknowledged>,
    trouble: Trouble,
}

impl<E: Event, P: Participant<E>> Rounds<E, P> {
    async fn run(mut self, stop: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let outbox = Arc::clone(&self.relay.outbox);
        let returns = Arc::clone(&self.relay.returns);
        loop {
            tokio::select! {
                biased; // or messages that come all the time would leave no time for the rest
                () = stop.cancelled() => break,
                _ = rounds.tick() => {
                    self.remove_published().await;
                    self.confirm().await;
                    let outcome = self.look_after().await;
                    self.trouble.round(outcome);
                }
                () = outbox.acknowledged.removals.some() => self.remove_published().await,
                () = returns.some() => self.make_returns().await,
            }
        }
        self.remove_published().await;
        self.confirm().await;
        self.make_returns().await;
    }

    /// Takes published messages out of their outboxes, many at once when many wait. What Redis does not confirm is tried
    /// again: what stays behind would be published by somebody else.
    async fn remove_published(&mut self) {
        if self.pending.len() < PENDING {
            self.pending.extend(self.relay.outbox.acknowledged.removals.take());
        }
        while !self.pending.is_empty() {
            let some = &self.pending[..self.pending.len().min(BATCH)];
            let messages: Vec<(&str, StreamId)> =
                some.iter().map(|one| (one.owner.as_str(), one.id)).collect();
            let causes = some.iter().filter_map(|one| one.cause.as_ref()).collect();
            let removed = streams::remove(&self.relay.redis, &messages);
            if let Err(failure) = deferred("empty outbox", causes, removed).await {
                tracing::debug!("empty an outbox: {}", failure.describe());
                return;
            }
            for Acknowledged { owner, id, .. } in self.pending.drain(..messages.len()) {
                self.relay.outbox.acknowledged.removed(&owner, id);
            }
        }
    }

    async fn confirm(&self) {
        self.relay.reservations.confirm(&self.relay.redis, &self.relay.participant).await;
    }

    async fn make_returns(&self) {
        self.relay.returns.make(&self.relay.redis, &self.relay.participant).await;
    }

    /// Finishes what the dead have left, if it is this process's turn. What fails does not keep the rest from being done.
    async fn look_after(&mut self) -> Result<(), String> {
        if !self.lease().await.map_err(|failure| failure.describe())? {
            return Ok(());
        }
        let OutboxRelay { redis, participant, settle_after, .. } = &self.relay;
        let settled = reservations::settle(redis, participant, *settle_after).await;
        let confirmed = reservations::confirm_orphans(redis, participant).await;
        let returned = returns::make_orphans(redis, participant).await;
        let published = self.publish_orphans().await.map_err(|failure| failure.describe());
        settled.and(confirmed).and(returned).and(published)
    }

    /// Is it this process's turn to look after what others left? The turn ends by itself.
    async fn lease(&self) -> Result<bool, Failure> {
        let (key, time) = LEASE;
        let mut commands = Pipeline::new("SET");
        commands.add(["SET", key, &self.who, "NX", "PX", time]).add(["GET", key]);
        let replies = self.relay.redis.run(&commands).await?;
        let ours = replies[1].text() == Some(&self.who);
        if ours && replies[0] == Reply::Null {
            // Two relays do no harm, so it needs no guard.
            self.relay.redis.query("SET", [key, &self.who, "PX", time]).await?;
        }
        Ok(ours)
    }

    /// Publishes the messages that nobody published in time, owner by owner.
    async fn publish_orphans(&mut self) -> Result<(), Failure> {
        let mut cursor = "0".to_owned();
        loop {
            let (owners, next) = streams::owners(&self.relay.redis, &cursor).await?;
            // A small hash comes at once, however many were requested.
            for some in owners.chunks(BATCH) {
                self.publish_orphans_of(some).await?;
            }
            cursor = next;
            if cursor == "0" || !self.lease().await? {
                return Ok(());
            }
        }
    }

    async fn publish_orphans_of(&mut self, owners: &[String]) -> Result<(), Failure> {
        let OutboxRelay { redis, kafka, outbox, .. } = &self.relay;
        let mut empty = Vec::new();
        for (owner, oldest) in owners.iter().zip(streams::oldest(redis, owners).await?) {
            let oldest = match oldest {
                Oldest::Empty => {
                    empty.push(owner.as_str());
                    continue;
                }
                Oldest::Unreadable(text) => {
                    self.trouble.of(E::key_of(owner), text);
                    continue;
                }
                Oldest::At(oldest) if !is_orphaned(oldest) => continue,
                Oldest::At(oldest) => oldest,
            };
            let upstreams = Upstreams { redis, kafka };
            match publish_orphans::<E>(&outbox.acknowledged, upstreams, owner).await {
                // By whom, and for how long? A claim ends by itself, unless somebody wrote it by hand.
                Ok(Orphans::Anothers) if is_stuck(oldest) => {
                    let text = format!("{}:{owner} is another's, who does not publish them", streams::CLAIM);
                    self.trouble.of(E::key_of(owner), text);
                }
                Ok(_) => {}
                Err(failure) if is_the_owners(&failure) => {
                    self.trouble.of(E::key_of(owner), failure.describe());
                }
                Err(failure) => {
                    let owner = E::key_of(owner);
                    hop::warn_throttled!(owner, "publish what was left behind: {}", failure.describe());
                    return Err(failure);
                }
            }
        }
        streams::drop_empty(redis, &empty).await
    }
}

fn is_stuck(oldest: StreamId) -> bool {
    oldest.0.saturating_add(STUCK) < clock::now() / 1_000_000
}

/// Is it something about this owner, so that the next one may fare better? An upstream that is not there is not.
fn is_the_owners(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { .. } | Failure::NotDone { .. })
}
