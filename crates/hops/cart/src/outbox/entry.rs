//! An event as it is stored and sent, and its place in the outbox.

use bytes::Bytes;
use journey::Traceparent;

use crate::event::Event;

/// The longest event, in bytes of JSON; an honest one has some 250. A page of them fits into one message to Kafka
/// (1 MiB, `message.max.bytes`).
pub const LONGEST: usize = 8 << 10;

/// An event as it is stored and sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// What happened.
    pub event: Event,
    json: String,
    traceparent: String,
}

impl Outgoing {
    /// An event, and the span that sends it first.
    pub fn new(event: Event, traceparent: Traceparent) -> Self {
        // The event holds texts and numbers: nothing that JSON can't say.
        let json = serde_json::to_string(&event).unwrap_or_default();
        Outgoing { event, json, traceparent: traceparent.to_string() }
    }

    /// The JSON, and the W3C `traceparent` of what caused it.
    pub fn fields(&self) -> (&str, &str) {
        (&self.json, &self.traceparent)
    }
}

/// Milliseconds since the Unix epoch and a number within that millisecond: Redis's stream ids, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64, pub u64);

impl Place {
    /// Before all entries.
    pub const START: Place = Place(0, 0);

    /// The place right behind this one.
    pub fn next(self) -> Self {
        match self.1.checked_add(1) {
            Some(number) => Place(self.0, number),
            None => Place(self.0.saturating_add(1), 0),
        }
    }

    /// As Redis writes it.
    pub fn parse(id: &str) -> Option<Self> {
        let (milliseconds, number) = id.split_once('-')?;
        Some(Place(milliseconds.parse().ok()?, number.parse().ok()?))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// An event in an outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place: Redis's id in the stream.
    pub id: Place,
    /// What is to be told.
    pub outgoing: Outgoing,
}

/// What is found at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// An event.
    Event(Entry),
    /// Something that no consumer could read: it is set aside, as it is.
    Malformed(Malformed),
}

/// An entry that is no event.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// Its place.
    pub id: Place,
    /// What is wrong with it.
    pub why: String,
    /// Names and values in turn, as they were found.
    pub fields: Vec<Bytes>,
}

impl Malformed {
    /// An entry that can be read, and yet not be used.
    pub fn refused(entry: &Entry, why: String) -> Self {
        let (json, traceparent) = entry.outgoing.fields();
        let fields = ["event", json, "traceparent", traceparent];
        Malformed {
            id: entry.id,
            why,
            fields: fields.map(|text| Bytes::copy_from_slice(text.as_bytes())).to_vec(),
        }
    }
}

impl Line {
    /// What Redis returns for an entry of `customer`'s, or of anybody's.
    pub fn read(id: Place, fields: Vec<Bytes>, customer: Option<&str>) -> Self {
        match outgoing(&fields, customer) {
            Ok(outgoing) => Line::Event(Entry { id, outgoing }),
            Err(why) => Line::Malformed(Malformed { id, why, fields }),
        }
    }

    /// Its place.
    pub fn id(&self) -> Place {
        match self {
            Line::Event(entry) => entry.id,
            Line::Malformed(malformed) => malformed.id,
        }
    }
}

fn outgoing(fields: &[Bytes], customer: Option<&str>) -> Result<Outgoing, String> {
    let field = |name: &str| {
        let pair = fields.chunks_exact(2).find(|pair| pair[0] == name).ok_or(format!("no field {name}"))?;
        std::str::from_utf8(&pair[1]).map_err(|_| format!("the field {name} is no UTF-8"))
    };
    let (json, traceparent) = (field("event")?, field("traceparent")?);
    if json.len() > LONGEST {
        return Err(format!("the event has {} bytes: more than {LONGEST}", json.len()));
    }
    if traceparent.parse::<Traceparent>().is_err() {
        return Err("traceparent is none of W3C's".to_owned());
    }
    let event: Event = serde_json::from_str(json).map_err(|error| format!("the event is none: {error}"))?;
    if customer.is_some_and(|customer| event.cart_id.strip_prefix("CART-") != Some(customer)) {
        return Err(format!("the event is of another cart, {}", event.cart_id));
    }
    Ok(Outgoing { event, json: json.to_owned(), traceparent: traceparent.to_owned() })
}

#[cfg(test)]
mod tests;
