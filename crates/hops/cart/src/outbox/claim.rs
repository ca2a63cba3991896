//! Telling what was left behind in one outbox: by one process at a time, page by page, and past what makes no sense.

use std::collections::HashSet;

use hop::trace;

use super::{Line, Malformed, Means, Outbox, Outgoing, PAGE, Place, is_left_behind};
use crate::wire::Failure;

/// Who tells what was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// This process did.
    ByUs,
    /// Another one does.
    ByAnother,
}

impl Outbox {
    /// Tells the events of a cart that nobody told in time, in order, and takes them out of its outbox. What is no
    /// event is set aside. Does nothing while another process is at it, and says whether that is so.
    ///
    /// # Errors
    /// Redis or Kafka did not do it: see [`Failure`]. The rest stays where it is.
    pub async fn tell_left_behind(&self, means: Means<'_>, customer: &str) -> Result<Claimed, Failure> {
        let who = format!("{:032x}", rand::random::<u128>());
        if !means.redis.claim(means.exchange, customer, &who).await? {
            return Ok(Claimed::ByAnother);
        }
        let outcome = self.tell_claimed(means, customer, &who).await;
        // If this fails the claim ends by itself.
        let _ = means.redis.disclaim(means.exchange, customer, &who).await;
        outcome.map(|()| Claimed::ByUs)
    }

    async fn tell_claimed(&self, means: Means<'_>, customer: &str, who: &str) -> Result<(), Failure> {
        let Means { redis, exchange, .. } = means;
        let mut from = Place::START;
        loop {
            let lines = redis.page(exchange, customer, from, PAGE).await?;
            let due = lines.iter().take_while(|line| is_left_behind(line.id())).count();
            let (mut told, mut events): (Vec<Place>, Vec<&Outgoing>) = (Vec::new(), Vec::new());
            for line in &lines[..due] {
                match line {
                    Line::Malformed(malformed) => {
                        redis.set_aside(exchange, customer, malformed).await?;
                        warn(customer, malformed);
                    }
                    // Ours to take out, which is being done.
                    Line::Event(entry) if self.is_told(customer, entry.id) => {}
                    Line::Event(entry) => {
                        told.push(entry.id);
                        events.push(&entry.outgoing);
                    }
                }
            }
            if !events.is_empty() {
                self.publish_new(means, &events).await?;
                if redis
                    .leave(exchange, &told.iter().map(|id| (customer, *id)).collect::<Vec<_>>())
                    .await
                    .is_err()
                {
                    // They are told: this process goes on trying to take them out.
                    told.iter().for_each(|id| self.has_told(customer, *id));
                }
            }
            match lines.last() {
                Some(last) if due == lines.len() => from = last.id().next(),
                _ => return Ok(()),
            }
            if !redis.claim_again(exchange, customer, who).await? {
                return Ok(());
            }
        }
    }

    /// Tells the events that Kafka does not have. Who left them behind may have told them and died before it could
    /// note it, or Kafka may have died before it could say so.
    async fn publish_new(&self, means: Means<'_>, events: &[&Outgoing]) -> Result<(), Failure> {
        let stored = match means.kafka.stored(means.exchange, events).await {
            Ok(stored) => stored,
            // It can't be seen: told twice is better than not told.
            Err(Failure::NotDone { .. } | Failure::Refused { .. }) => HashSet::new(),
            Err(failure) => return Err(failure),
        };
        let new = events.iter().enumerate().filter(|(number, _)| !stored.contains(number));
        let new: Vec<&Outgoing> = new.map(|(_, event)| *event).collect();
        if new.is_empty() {
            return Ok(());
        }
        means.kafka.publish(means.exchange, trace::new_span_id(), &new).await.map(drop)
    }
}

/// Once for each entry: it is set aside, so nobody comes across it again.
fn warn(customer: &str, malformed: &Malformed) {
    let Malformed { id, why, .. } = malformed;
    tracing::warn!(
        cart = format!("CART-{customer}"),
        entry = %id,
        why,
        "an outbox held something that is no event: set aside in {}",
        crate::redis::DEAD_LETTERS,
    );
}
