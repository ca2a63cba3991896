//! The shop's events, as any other service would read them: from Kafka, in order per cart, each once.
//!
//! Kafka keeps the order within a partition, and all events of one cart have the cart as their key and so one partition.
//! What was there before is merged by time over all partitions, so that it reads like one story; what comes later is
//! handed out as it comes (see [`kafka_client::Reader`]).
//!
//! Kafka may hold an event twice, because the outbox sends again what it can't know to have arrived. It is the same event
//! then, with the same `eventId`, and it is dropped. What is remembered to tell repetitions is bounded.

mod deduplicator;

use anyhow::Context as _;
use deduplicator::{Deduplicator, LONGEST};
use journey::Traceparent;
use kafka_client::{Reader, Source, StoredRecord};
use serde::{Deserialize, Serialize};

/// An event of the shop, and where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShopEvent {
    /// When: milliseconds since the Unix epoch.
    pub at: u64,
    /// `item-added` or `item-removed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Different for each change of a cart.
    pub event_id: String,
    /// The customer, whose cart it is: the key of the record.
    pub cart_id: String,
    /// The cart's line.
    pub item_id: String,
    /// What was added or removed.
    pub product_id: String,
    /// How many were added or removed.
    pub quantity: i64,
    /// The request that caused it, if the record says so.
    #[serde(skip_deserializing)]
    pub trace_id: Option<String>,
    /// The partition of the topic that it was read from.
    #[serde(skip_deserializing)]
    pub partition: usize,
    /// Its offset there.
    #[serde(skip_deserializing)]
    pub offset: i64,
}

/// What reading comes across.
#[derive(Debug)]
pub enum Next {
    /// An event that was not seen before.
    Event(ShopEvent),
    /// Something that whoever watches should know.
    Note(String),
}

/// Events being read. Dropping it ends that.
pub struct EventReader {
    reader: Reader,
    filter: Filter,
}

impl EventReader {
    /// Begins with the oldest event that Kafka has.
    ///
    /// # Errors
    /// Kafka does not respond within five seconds, unless the events are followed: then this waits.
    pub async fn begin(source: Source) -> anyhow::Result<Self> {
        let reader = Reader::begin(source).await.context("read the events")?;
        Ok(EventReader { reader, filter: Filter::default() })
    }

    /// What comes next; `None` when all is read, which never happens when the events are followed.
    ///
    /// # Errors
    /// Kafka was gone for five seconds, and the events are not followed.
    pub async fn next(&mut self) -> anyhow::Result<Option<Next>> {
        loop {
            match self.reader.next().await.context("read the events")? {
                None => return Ok(None),
                Some(kafka_client::Next::Note(note)) => return Ok(Some(Next::Note(note))),
                Some(kafka_client::Next::Record(partition, record)) => {
                    if let Some(next) = self.filter.pass(partition, &record) {
                        return Ok(Some(next));
                    }
                }
            }
        }
    }

    /// How many events were there again, and dropped.
    pub fn repeated(&self) -> u64 {
        self.filter.repeated
    }
}

/// Makes events of records, each once.
#[derive(Default)]
struct Filter {
    seen: Deduplicator,
    repeated: u64,
}

impl Filter {
    fn pass(&mut self, partition: usize, record: &StoredRecord) -> Option<Next> {
        match parse(partition, record) {
            Ok(event) if self.seen.first(&event.event_id) => Some(Next::Event(event)),
            Ok(_) => {
                self.repeated += 1;
                None
            }
            Err(text) => {
                let at = record.offset;
                Some(Next::Note(format!("partition {partition}: what is at offset {at} {text}")))
            }
        }
    }
}

/// The event in a record.
fn parse(partition: usize, record: &StoredRecord) -> Result<ShopEvent, String> {
    let value = record.value.as_deref().unwrap_or_default();
    let event: ShopEvent =
        serde_json::from_slice(value).map_err(|error| format!("is no event of the shop: {error}"))?;
    if event.event_id.is_empty() || event.event_id.len() > LONGEST {
        return Err(format!("is no event of the shop: its eventId has {} bytes", event.event_id.len()));
    }
    let header = record.headers.iter().find(|(name, _)| name.as_str() == "traceparent");
    let text = header.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
    let trace_id = text.and_then(|text| Some(text.parse::<Traceparent>().ok()?.trace_id.to_string()));
    Ok(ShopEvent { trace_id, partition, offset: record.offset, ..event })
}

#[cfg(test)]
mod tests;
