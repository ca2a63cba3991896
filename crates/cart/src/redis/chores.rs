//! What is done in Redis apart from changing and reading carts: idempotency records, and tidying up.

use hop::http::Exchange;
use redis_protocol::resp2::types::{BytesFrame as Frame, Resp2Frame as _};

use super::change::{OUTBOXES, entries, kept, outbox};
use super::{Batch, Redis, nonsense};
use crate::idempotency::Claim;
use crate::outbox::Entry;
use crate::wire::Failure;

/// For how long a dropped reservation stays known, in milliseconds: longer than any request takes.
const DROPPED: &str = "86400000";

impl Redis {
    /// Writes a record, unless there is one, and says which there is now.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn record(&self, exchange: &Exchange, claim: &Claim) -> Result<String, Failure> {
        let (_place, mut wire) = self.connection(exchange).await?;
        let commands: &[&[&str]] =
            &[&["SET", &claim.key, &claim.text, "NX", "PX", Claim::LIFETIME], &["GET", &claim.key]];
        let answer = self.ask(&mut wire, exchange, &Batch { operation: "SET", commands }).await?.pop();
        self.pool.give_back(wire);
        match answer.as_ref().and_then(Frame::as_str) {
            Some(text) => Ok(text.to_owned()),
            None => Err(nonsense(&answer)),
        }
    }

    /// Replaces a record by another, or removes it, if it is still what it was; says whether it was.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn replace(
        &self,
        exchange: &Exchange,
        key: &str,
        old: &str,
        new: Option<&str>,
    ) -> Result<bool, Failure> {
        let (_place, mut wire) = self.connection(exchange).await?;
        let look = Batch { operation: "WATCH", commands: &[&["WATCH", key], &["GET", key]] };
        let seen = self.ask(&mut wire, exchange, &look).await?;
        if seen[1].as_str() != Some(old) {
            return Ok(false);
        }
        let set = ["SET", key, new.unwrap_or_default(), "PX", Claim::LIFETIME];
        let write: &[&str] = if new.is_some() { &set } else { &["DEL", key] };
        let commands: &[&[&str]] = &[&["MULTI"], write, &["EXEC"]];
        let done = self.ask(&mut wire, exchange, &Batch { operation: "EXEC", commands }).await?.pop();
        self.pool.give_back(wire);
        Ok(matches!(done, Some(Frame::Array(_))))
    }

    /// Is it this process's turn to look after what others left behind? The turn ends by itself.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn lease(&self, exchange: &Exchange, who: &str, milliseconds: u64) -> Result<bool, Failure> {
        const KEY: &str = "outbox.relay";
        let time = milliseconds.to_string();
        let (_place, mut wire) = self.connection(exchange).await?;
        let commands: &[&[&str]] = &[&["SET", KEY, who, "NX", "PX", &time], &["GET", KEY]];
        let answers = self.ask(&mut wire, exchange, &Batch { operation: "SET", commands }).await?;
        let ours = answers[1].as_str() == Some(who);
        if ours && matches!(answers[0], Frame::Null) {
            // Two relays do no harm, so it needs no guard.
            let renew = Batch { operation: "SET", commands: &[&["SET", KEY, who, "PX", &time]] };
            self.ask(&mut wire, exchange, &renew).await?;
        }
        self.pool.give_back(wire);
        Ok(ours)
    }

    /// Takes told events out of their outboxes: pairs of a customer and an entry's id.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn told(&self, exchange: &Exchange, told: &[(String, String)]) -> Result<(), Failure> {
        let keys: Vec<String> = told.iter().map(|(customer, _)| outbox(customer)).collect();
        let commands: Vec<[&str; 3]> =
            keys.iter().zip(told).map(|(key, (_, id))| ["XDEL", key.as_str(), id.as_str()]).collect();
        let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
        let (_place, mut wire) = self.connection(exchange).await?;
        self.ask(&mut wire, exchange, &Batch { operation: "XDEL", commands: &commands }).await?;
        self.pool.give_back(wire);
        Ok(())
    }

    /// Customers whose outbox is not known to be empty.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn outboxes(&self, exchange: &Exchange) -> Result<Vec<String>, Failure> {
        let (_place, mut wire) = self.connection(exchange).await?;
        let batch = Batch { operation: "HKEYS", commands: &[&["HKEYS", OUTBOXES]] };
        let answer = self.ask(&mut wire, exchange, &batch).await?.pop();
        let Some(Frame::Array(fields)) = answer else { return Err(nonsense(&answer)) };
        self.pool.give_back(wire);
        Ok(fields.iter().filter_map(|field| field.as_str().map(str::to_owned)).collect())
    }

    /// Drops the outboxes that are empty and stay so, and hands back what is in the others.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn sift(
        &self,
        exchange: &Exchange,
        customers: &[String],
    ) -> Result<Vec<(String, Vec<Entry>)>, Failure> {
        let keys: Vec<String> = customers.iter().map(|customer| outbox(customer)).collect();
        let watch: Vec<&str> = std::iter::once("WATCH").chain(keys.iter().map(String::as_str)).collect();
        let ranges: Vec<[&str; 4]> = keys.iter().map(|key| ["XRANGE", key.as_str(), "-", "+"]).collect();
        let mut look: Vec<&[&str]> = vec![&watch];
        look.extend(ranges.iter().map(|range| &range[..]));
        let (_place, mut wire) = self.connection(exchange).await?;
        let mut replies =
            self.ask(&mut wire, exchange, &Batch { operation: "WATCH", commands: &look }).await?;
        let (mut full, mut empty) = (Vec::new(), Vec::new());
        for ((customer, key), reply) in customers.iter().zip(&keys).zip(replies.drain(1..)) {
            match entries(&Some(reply))? {
                none if none.is_empty() => empty.push((key.as_str(), customer.as_str())),
                some => full.push((customer.clone(), some)),
            }
        }
        let drops: Vec<[&str; 2]> = empty.iter().map(|(key, _)| ["DEL", *key]).collect();
        let forgets: Vec<[&str; 3]> =
            empty.iter().map(|(_, customer)| ["HDEL", OUTBOXES, *customer]).collect();
        let mut change: Vec<&[&str]> = vec![&["MULTI"]];
        change.extend(drops.iter().map(|drop| &drop[..]));
        change.extend(forgets.iter().map(|forget| &forget[..]));
        change.push(&["EXEC"]);
        // An event that came in meanwhile makes this do nothing: then it is done the next time.
        self.ask(&mut wire, exchange, &Batch { operation: "EXEC", commands: &change }).await?;
        self.pool.give_back(wire);
        Ok(full)
    }

    /// Ends reservations whose request is long over, each in the one way it can: which of them were kept?
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn settle(&self, exchange: &Exchange, reservations: &[String]) -> Result<Vec<bool>, Failure> {
        let keys: Vec<String> = reservations.iter().map(|reservation| kept(reservation)).collect();
        let drops: Vec<[&str; 6]> =
            keys.iter().map(|key| ["SET", key.as_str(), "dropped", "NX", "PX", DROPPED]).collect();
        let looks: Vec<[&str; 2]> = keys.iter().map(|key| ["GET", key.as_str()]).collect();
        let mut commands: Vec<&[&str]> = drops.iter().map(|drop| &drop[..]).collect();
        commands.extend(looks.iter().map(|look| &look[..]));
        let (_place, mut wire) = self.connection(exchange).await?;
        let replies = self.ask(&mut wire, exchange, &Batch { operation: "SET", commands: &commands }).await?;
        self.pool.give_back(wire);
        Ok(replies[keys.len()..].iter().map(|reply| reply.as_str() == Some("kept")).collect())
    }

    /// Forgets that these were kept, once the inventory knows it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn forget(&self, exchange: &Exchange, reservations: &[String]) -> Result<(), Failure> {
        let keys: Vec<String> = reservations.iter().map(|reservation| kept(reservation)).collect();
        let command: Vec<&str> = std::iter::once("DEL").chain(keys.iter().map(String::as_str)).collect();
        let (_place, mut wire) = self.connection(exchange).await?;
        self.ask(&mut wire, exchange, &Batch { operation: "DEL", commands: &[&command] }).await?;
        self.pool.give_back(wire);
        Ok(())
    }
}
