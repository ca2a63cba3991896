//! The outboxes in Redis: read page by page, emptied, claimed, and what makes no sense in them set aside.

use bytes::Bytes;
use hop::http::Exchange;
use redis_protocol::resp2::types::{BytesFrame as Frame, Resp2Frame as _};

use super::{Batch, Redis, nonsense};
use crate::outbox::{Line, Malformed, Place};
use crate::wire::Failure;

/// All carts with an outbox that is not known to be empty: a hash, so that it disappears when it is.
pub(super) const OUTBOXES: &str = "outboxes";
/// Entries that are no events, with the cart and the place where they were found, and why. Nobody reads this stream
/// but people: `XRANGE outbox.dead-letters - +`.
pub const DEAD_LETTERS: &str = "outbox.dead-letters";
/// How long a claim holds when its holder says nothing, in milliseconds: longer than a page takes.
const CLAIM_ENDS: &str = "15000";
/// Before a customer's name: who tells what was left behind in that outbox.
pub const CLAIM: &str = "outbox.claim";

impl Redis {
    /// The first entries of an outbox from a place on, at most `count`.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn page(
        &self,
        exchange: &Exchange,
        customer: &str,
        from: Place,
        count: usize,
    ) -> Result<Vec<Line>, Failure> {
        self.stream(exchange, &outbox(customer), from, count, Some(customer)).await
    }

    /// The first entries of any stream from a place on. If so many are too large together, one.
    pub(super) async fn stream(
        &self,
        exchange: &Exchange,
        key: &str,
        from: Place,
        count: usize,
        customer: Option<&str>,
    ) -> Result<Vec<Line>, Failure> {
        let reply = match self.range(exchange, key, from, count).await {
            Err(Failure::Refused { .. }) if count > 1 => self.range(exchange, key, from, 1).await?,
            reply => reply?,
        };
        lines(&reply, customer)
    }

    async fn range(
        &self,
        exchange: &Exchange,
        key: &str,
        from: Place,
        count: usize,
    ) -> Result<Option<Frame>, Failure> {
        let (from, count) = (from.to_string(), count.to_string());
        let command: &[&str] = &["XRANGE", key, &from, "+", "COUNT", &count];
        let (_place, mut wire) = self.connection(exchange).await?;
        let batch = Batch { operation: "XRANGE", commands: &[command] };
        let reply = self.ask(&mut wire, exchange, &batch).await?.pop();
        self.pool.give_back(wire);
        Ok(reply)
    }

    /// The place of an outbox's newest entry, if there is one.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn last(&self, exchange: &Exchange, customer: &str) -> Result<Option<Place>, Failure> {
        let key = outbox(customer);
        let command: &[&str] = &["XREVRANGE", &key, "+", "-", "COUNT", "1"];
        let (_place, mut wire) = self.connection(exchange).await?;
        let batch = Batch { operation: "XREVRANGE", commands: &[command] };
        let reply = self.ask(&mut wire, exchange, &batch).await?.pop();
        self.pool.give_back(wire);
        Ok(lines(&reply, None)?.first().map(Line::id))
    }

    /// Some of the customers whose outbox is not known to be empty, and where to go on (`0`: that was all).
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn outboxes(
        &self,
        exchange: &Exchange,
        cursor: &str,
    ) -> Result<(Vec<String>, String), Failure> {
        self.fields(exchange, OUTBOXES, cursor).await
    }

    /// Some of the names in a hash, and where to go on (`0`: that was all).
    pub(super) async fn fields(
        &self,
        exchange: &Exchange,
        key: &str,
        cursor: &str,
    ) -> Result<(Vec<String>, String), Failure> {
        let (_place, mut wire) = self.connection(exchange).await?;
        let command: &[&str] = &["HSCAN", key, cursor, "COUNT", "200"];
        let batch = Batch { operation: "HSCAN", commands: &[command] };
        let reply = self.ask(&mut wire, exchange, &batch).await?.pop();
        self.pool.give_back(wire);
        let Some(Frame::Array(parts)) = &reply else { return Err(nonsense(&reply)) };
        let [cursor, Frame::Array(fields)] = &parts[..] else { return Err(nonsense(&reply)) };
        let names = fields.chunks(2).filter_map(|pair| pair[0].as_str().map(str::to_owned)).collect();
        Ok((names, cursor.as_str().unwrap_or("0").to_owned()))
    }

    /// Drops outboxes that were found empty, if they still are.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn drop_empty(&self, exchange: &Exchange, customers: &[&str]) -> Result<(), Failure> {
        if customers.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = customers.iter().map(|customer| outbox(customer)).collect();
        let watch: Vec<&str> = std::iter::once("WATCH").chain(keys.iter().map(String::as_str)).collect();
        let lengths: Vec<[&str; 2]> = keys.iter().map(|key| ["XLEN", key.as_str()]).collect();
        let mut look: Vec<&[&str]> = vec![&watch];
        look.extend(lengths.iter().map(|length| &length[..]));
        let (_place, mut wire) = self.connection(exchange).await?;
        let replies = self.ask(&mut wire, exchange, &Batch { operation: "WATCH", commands: &look }).await?;
        let empty = |reply: &Frame| matches!(reply, Frame::Integer(0));
        let empty: Vec<(&str, &str)> = keys
            .iter()
            .zip(customers)
            .zip(&replies[1..])
            .filter(|(_, reply)| empty(reply))
            .map(|((key, customer), _)| (key.as_str(), *customer))
            .collect();
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
        Ok(())
    }

    /// Takes told events out of their outboxes.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn leave(&self, exchange: &Exchange, told: &[(&str, Place)]) -> Result<(), Failure> {
        let words: Vec<(String, String)> =
            told.iter().map(|(customer, id)| (outbox(customer), id.to_string())).collect();
        let commands: Vec<[&str; 3]> =
            words.iter().map(|(key, id)| ["XDEL", key.as_str(), id.as_str()]).collect();
        let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
        let (_place, mut wire) = self.connection(exchange).await?;
        self.ask(&mut wire, exchange, &Batch { operation: "XDEL", commands: &commands }).await?;
        self.pool.give_back(wire);
        Ok(())
    }

    /// Moves what is no event from an outbox to [`DEAD_LETTERS`], as it is.
    ///
    /// # Errors
    /// See [`Failure`]; then it is where it was.
    pub async fn set_aside(
        &self,
        exchange: &Exchange,
        customer: &str,
        malformed: &Malformed,
    ) -> Result<(), Failure> {
        self.set_aside_from(exchange, &outbox(customer), malformed).await
    }

    pub(super) async fn set_aside_from(
        &self,
        exchange: &Exchange,
        key: &str,
        malformed: &Malformed,
    ) -> Result<(), Failure> {
        let Malformed { id, why, fields } = malformed;
        let id = id.to_string();
        let known: [&[u8]; 9] = [
            b"XADD",
            DEAD_LETTERS.as_bytes(),
            b"*",
            b"stream",
            key.as_bytes(),
            b"entry",
            id.as_bytes(),
            b"why",
            why.as_bytes(),
        ];
        let keep: Vec<&[u8]> = known.into_iter().chain(fields.iter().map(Bytes::as_ref)).collect();
        let remove: [&[u8]; 3] = [b"XDEL", key.as_bytes(), id.as_bytes()];
        let commands: &[&[&[u8]]] = &[&[b"MULTI"], &keep, &remove, &[b"EXEC"]];
        let (_place, mut wire) = self.connection(exchange).await?;
        self.ask(&mut wire, exchange, &Batch { operation: "EXEC", commands }).await?;
        self.pool.give_back(wire);
        Ok(())
    }

    /// May this process tell what was left behind in an outbox? The claim ends by itself.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn claim(&self, exchange: &Exchange, customer: &str, who: &str) -> Result<bool, Failure> {
        let key = claim(customer);
        let (_place, mut wire) = self.connection(exchange).await?;
        let command: &[&str] = &["SET", &key, who, "NX", "PX", CLAIM_ENDS];
        let reply =
            self.ask(&mut wire, exchange, &Batch { operation: "SET", commands: &[command] }).await?.pop();
        self.pool.give_back(wire);
        Ok(!matches!(reply, Some(Frame::Null)))
    }

    /// Makes a claim that is still ours last longer; says whether it was.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn claim_again(&self, exchange: &Exchange, customer: &str, who: &str) -> Result<bool, Failure> {
        self.swap(exchange, &claim(customer), who, Some((who, CLAIM_ENDS))).await
    }

    /// Ends a claim, if it is still ours.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn disclaim(&self, exchange: &Exchange, customer: &str, who: &str) -> Result<bool, Failure> {
        self.swap(exchange, &claim(customer), who, None).await
    }
}

/// The stream of events of one cart that are still to be told.
pub(super) fn outbox(customer: &str) -> String {
    format!("outbox:{customer}")
}

/// Who tells what was left behind in it.
fn claim(customer: &str) -> String {
    format!("{CLAIM}:{customer}")
}

/// The reply to XRANGE: pairs of an id and the fields.
pub(super) fn lines(reply: &Option<Frame>, customer: Option<&str>) -> Result<Vec<Line>, Failure> {
    let Some(Frame::Array(list)) = reply else { return Err(nonsense(reply)) };
    let line = |frame: &Frame| {
        let Frame::Array(pair) = frame else { return None };
        let [id, Frame::Array(fields)] = &pair[..] else { return None };
        let bytes = |field: &Frame| field.as_bytes().map(Bytes::copy_from_slice);
        let fields = fields.iter().map(bytes).collect::<Option<Vec<_>>>()?;
        Some(Line::read(Place::parse(id.as_str()?)?, fields, customer))
    };
    list.iter().map(|frame| line(frame).ok_or_else(|| nonsense(&Some(frame.clone())))).collect()
}
