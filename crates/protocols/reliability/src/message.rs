//! A message as it is stored in an outbox and sent.

use std::fmt::Debug;

use bytes::Bytes;
use hop::http::content_type;
use journey::Traceparent;
use kafka_client::Record;
use redis_client::StreamId;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest event, in bytes of JSON; an honest one has some 250. A page of them fits into one message to Kafka
/// (1 MiB, `message.max.bytes`).
pub const LONGEST: usize = 8 << 10;

/// What others are told: the JSON that consumers read.
pub trait Event: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The key of an owner's records, by which they are in one partition, in order; also the owner's name in logs.
    fn key_of(owner: &str) -> String;

    /// The key of this event's record.
    fn key(&self) -> &str;

    /// The record's header `type`.
    fn kind(&self) -> &str;

    /// When it happened: milliseconds since the Unix epoch.
    fn time(&self) -> u64;
}

/// A message: an event, and what caused it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<E> {
    /// What happened.
    pub event: E,
    json: String,
    traceparent: String,
}

impl<E: Event> Message<E> {
    /// A message, and the span that sends it first.
    pub fn new(event: E, traceparent: Traceparent) -> Self {
        // An event holds texts and numbers: nothing that JSON can't say.
        let json = serde_json::to_string(&event).unwrap_or_default();
        Message { event, json, traceparent: traceparent.to_string() }
    }

    /// The stored form, names and values in turn: the JSON, and the W3C `traceparent` of what caused it.
    pub fn fields(&self) -> [&str; 4] {
        ["event", &self.json, "traceparent", &self.traceparent]
    }

    /// The record of it. Headers say what the value is before anyone reads it.
    pub fn record(&self) -> Record {
        Record::new(self.event.key().to_owned(), self.json.clone(), self.event.time())
            .header("type", self.event.kind().to_owned())
            .header("content-type", content_type::JSON)
            .header("traceparent", self.traceparent.clone())
    }

    fn read(fields: &[Bytes], owner: Option<&str>) -> Result<Self, String> {
        let field = |name: &str| {
            let pair =
                fields.chunks_exact(2).find(|pair| pair[0] == name).ok_or(format!("no field {name}"))?;
            std::str::from_utf8(&pair[1]).map_err(|_| format!("the field {name} is no UTF-8"))
        };
        let (json, traceparent) = (field("event")?, field("traceparent")?);
        if json.len() > LONGEST {
            return Err(format!("the event has {} bytes: more than {LONGEST}", json.len()));
        }
        if traceparent.parse::<Traceparent>().is_err() {
            return Err("traceparent is none of W3C's".to_owned());
        }
        let event: E = serde_json::from_str(json).map_err(|error| format!("the event is none: {error}"))?;
        if owner.is_some_and(|owner| event.key() != E::key_of(owner)) {
            return Err(format!("the event is another owner's, {}", event.key()));
        }
        Ok(Message { event, json: json.to_owned(), traceparent: traceparent.to_owned() })
    }
}

/// What is found in a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<E> {
    /// A message, and where it is.
    Message(StreamId, Message<E>),
    /// Something that no consumer could read: it is set aside, as it is.
    Malformed(Malformed),
}

/// An entry that is no message.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// Where it is.
    pub id: StreamId,
    /// What is wrong with it.
    pub why: String,
    /// Names and values in turn, as they were found.
    pub fields: Vec<Bytes>,
}

impl Malformed {
    /// A message that can be read, and yet not be used.
    pub fn refused<E: Event>(id: StreamId, message: &Message<E>, why: String) -> Self {
        let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        Malformed { id, why, fields: message.fields().map(copy).to_vec() }
    }
}

impl<E: Event> Entry<E> {
    /// What a stream's entry says; `owner` is whose it must be, if that is known.
    pub fn read(entry: redis_client::Entry, owner: Option<&str>) -> Self {
        let redis_client::Entry { id, fields } = entry;
        match Message::read(&fields, owner) {
            Ok(message) => Entry::Message(id, message),
            Err(why) => Entry::Malformed(Malformed { id, why, fields }),
        }
    }

    /// Where it is.
    pub fn id(&self) -> StreamId {
        match self {
            Entry::Message(id, _) => *id,
            Entry::Malformed(malformed) => malformed.id,
        }
    }
}

#[cfg(test)]
mod tests;
