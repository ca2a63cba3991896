//! What is done in Redis apart from changing and reading carts: idempotency records, and tidying up.

use hop::http::Exchange;
use redis_protocol::resp2::types::{BytesFrame as Frame, Resp2Frame as _};

use super::change::{RETURNS, kept};
use super::{Batch, Redis, nonsense};
use crate::idempotency::Claim;
use crate::outbox::{Line, Malformed, PAGE, Place};
use crate::wire::Failure;

/// For how long it stays known that a reservation was dropped, in milliseconds: an hour, longer than any request takes.
const DROPPED: &str = "3600000";
/// The reservations of which the inventory is being told that they were kept.
const CONFIRMING: &str = "reservations.confirming";

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
        self.swap(exchange, key, old, new.map(|new| (new, Claim::LIFETIME))).await
    }

    /// Replaces a value by another that lives for so many milliseconds, or removes it, if it is still what it was;
    /// says whether it was.
    pub(super) async fn swap(
        &self,
        exchange: &Exchange,
        key: &str,
        old: &str,
        new: Option<(&str, &str)>,
    ) -> Result<bool, Failure> {
        let (_place, mut wire) = self.connection(exchange).await?;
        let look: &[&[&str]] = &[&["WATCH", key], &["GET", key]];
        let seen = self.ask(&mut wire, exchange, &Batch { operation: "WATCH", commands: look }).await?;
        if seen[1].as_str() != Some(old) {
            return Ok(false);
        }
        let write = match new {
            Some((new, lifetime)) => vec!["SET", key, new, "PX", lifetime],
            None => vec!["DEL", key],
        };
        let commands: &[&[&str]] = &[&["MULTI"], &write, &["EXEC"]];
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

    /// Ends reservations whose request is long over, each in the one way it can: was it kept? Redis's words where
    /// that can't be read.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn settle(
        &self,
        exchange: &Exchange,
        reservations: &[String],
    ) -> Result<Vec<Result<bool, String>>, Failure> {
        let keys: Vec<String> = reservations.iter().map(|reservation| kept(reservation)).collect();
        let drops: Vec<[&str; 6]> =
            keys.iter().map(|key| ["SET", key.as_str(), "dropped", "NX", "PX", DROPPED]).collect();
        let looks: Vec<[&str; 2]> = keys.iter().map(|key| ["GET", key.as_str()]).collect();
        let mut commands: Vec<&[&str]> = drops.iter().map(|drop| &drop[..]).collect();
        commands.extend(looks.iter().map(|look| &look[..]));
        let (_place, mut wire) = self.connection(exchange).await?;
        let batch = Batch { operation: "SET", commands: &commands };
        let replies = self.ask_each(&mut wire, exchange, &batch).await?;
        self.pool.give_back(wire);
        let (dropped, found) = replies.split_at(keys.len());
        // If either was refused, nothing is known: a store that is full takes no mark.
        let ended = |(dropped, found): (&Frame, &Frame)| match (dropped, found) {
            (Frame::Error(text), _) | (_, Frame::Error(text)) => Err(text.to_string()),
            (_, found) => match found.as_str() {
                Some("kept") => Ok(true),
                Some("dropped") => Ok(false),
                other => Err(format!("it says {other:?}, which is neither kept nor dropped")),
            },
        };
        Ok(dropped.iter().zip(found).map(ended).collect())
    }

    /// Notes that the inventory is being told that these were kept. Whoever is told so does not list them as held any
    /// more: if this process dies before it has forgotten them, this note says which they are.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn confirming(&self, exchange: &Exchange, reservations: &[String]) -> Result<(), Failure> {
        let pairs = reservations.iter().flat_map(|reservation| [reservation.as_str(), "1"]);
        let command: Vec<&str> = ["HSET", CONFIRMING].into_iter().chain(pairs).collect();
        let (_place, mut wire) = self.connection(exchange).await?;
        self.ask(&mut wire, exchange, &Batch { operation: "HSET", commands: &[&command] }).await?;
        self.pool.give_back(wire);
        Ok(())
    }

    /// Some of those of which the inventory was being told, and where to go on (`0`: that was all).
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn unconfirmed(
        &self,
        exchange: &Exchange,
        cursor: &str,
    ) -> Result<(Vec<String>, String), Failure> {
        self.fields(exchange, CONFIRMING, cursor).await
    }

    /// Forgets that these were kept, once the inventory knows it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn forget(&self, exchange: &Exchange, reservations: &[String]) -> Result<(), Failure> {
        let keys: Vec<String> = reservations.iter().map(|reservation| kept(reservation)).collect();
        let marks: Vec<&str> = std::iter::once("DEL").chain(keys.iter().map(String::as_str)).collect();
        let names = reservations.iter().map(String::as_str);
        let notes: Vec<&str> = ["HDEL", CONFIRMING].into_iter().chain(names).collect();
        let commands: &[&[&str]] = &[&["MULTI"], &marks, &notes, &["EXEC"]];
        let (_place, mut wire) = self.connection(exchange).await?;
        self.ask(&mut wire, exchange, &Batch { operation: "EXEC", commands }).await?;
        self.pool.give_back(wire);
        Ok(())
    }

    /// The first removals from a place on whose units are not known to be back, a page of them.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn returns(&self, exchange: &Exchange, from: Place) -> Result<Vec<Line>, Failure> {
        self.stream(exchange, RETURNS, from, PAGE, None).await
    }

    /// These removals' units are back.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn returned(&self, exchange: &Exchange, places: &[Place]) -> Result<(), Failure> {
        let ids: Vec<String> = places.iter().map(Place::to_string).collect();
        let command: Vec<&str> =
            ["XDEL", RETURNS].into_iter().chain(ids.iter().map(String::as_str)).collect();
        let (_place, mut wire) = self.connection(exchange).await?;
        self.ask(&mut wire, exchange, &Batch { operation: "XDEL", commands: &[&command] }).await?;
        self.pool.give_back(wire);
        Ok(())
    }

    /// Moves what is no removal from there to the dead letters, as it is.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn set_return_aside(&self, exchange: &Exchange, malformed: &Malformed) -> Result<(), Failure> {
        self.set_aside_from(exchange, RETURNS, malformed).await
    }
}
