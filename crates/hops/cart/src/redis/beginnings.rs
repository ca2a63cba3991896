//! Where outboxes begin: many of them in one exchange, and each for itself when one of them is too large for that.

use hop::http::Exchange;
use redis_protocol::resp2::types::BytesFrame as Frame;

use super::queue::{lines, outbox};
use super::{Batch, Redis};
use crate::outbox::{Line, Place};
use crate::wire::Failure;

/// Where an outbox begins.
#[derive(Debug, PartialEq)]
pub enum Beginning {
    /// Nothing is in it.
    Empty,
    /// Its oldest entry.
    At(Place),
    /// It can't be read: Redis's words.
    Unreadable(String),
}

impl Redis {
    /// Where each of these outboxes begins. One that can't be read does not keep the others from being read.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn beginnings(
        &self,
        exchange: &Exchange,
        customers: &[String],
    ) -> Result<Vec<Beginning>, Failure> {
        match self.beginnings_together(exchange, customers).await {
            Err(Failure::Refused { .. }) => {}
            outcome => return outcome,
        }
        // An entry may be larger than an answer may be: the outbox that it is in is found by asking for each.
        let mut found = Vec::with_capacity(customers.len());
        for customer in customers.chunks(1) {
            match self.beginnings_together(exchange, customer).await {
                Ok(beginning) => found.extend(beginning),
                Err(Failure::Refused { text, .. }) => found.push(Beginning::Unreadable(text)),
                Err(failure) => return Err(failure),
            }
        }
        Ok(found)
    }

    async fn beginnings_together(
        &self,
        exchange: &Exchange,
        customers: &[String],
    ) -> Result<Vec<Beginning>, Failure> {
        let keys: Vec<String> = customers.iter().map(|customer| outbox(customer)).collect();
        let commands: Vec<[&str; 6]> =
            keys.iter().map(|key| ["XRANGE", key.as_str(), "-", "+", "COUNT", "1"]).collect();
        let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
        let (_place, mut wire) = self.connection(exchange).await?;
        let batch = Batch { operation: "XRANGE", commands: &commands };
        let replies = self.ask_each(&mut wire, exchange, &batch).await?;
        self.pool.give_back(wire);
        let beginning = |reply: Frame| match reply {
            Frame::Error(text) => Ok(Beginning::Unreadable(text.to_string())),
            reply => {
                let first = lines(&Some(reply), None)?.first().map(Line::id);
                Ok(first.map_or(Beginning::Empty, Beginning::At))
            }
        };
        replies.into_iter().map(beginning).collect()
    }
}
