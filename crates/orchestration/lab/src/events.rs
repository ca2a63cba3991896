//! The shop's events, as any other service would read them: from Kafka, in order per cart, each once.
//!
//! Kafka keeps the order within a partition, and all events of one cart have the cart as their key and so one
//! partition. Each partition is read by a task of its own, on a connection of its own: a fetch that waits for
//! news holds its connection up. What was there before is merged by time over all partitions, so that it reads
//! like one story; what comes later is handed out as it comes.
//!
//! Kafka may hold an event twice, because the outbox sends again what it can't know to have arrived. It is the
//! same event then, with the same `eventId`, and it is dropped.
//!
//! **Memory.** Of each partition at most three fetches of 1 MiB are in hand at once, however far one is ahead of
//! the others: a task fetches on when its last records were taken. What is remembered to tell repetitions is bounded, too.

pub(crate) mod broker;
mod once;
mod partition;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use hop::clock;
use journey::Traceparent;
use kafka_protocol::records::Record;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use once::Once;
use partition::Said;

/// How long a Kafka that does not answer is asked again, unless the events are followed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// Where the events are.
#[derive(Clone, Debug)]
pub struct Source {
    /// A broker that knows the others.
    pub bootstrap: SocketAddr,
    /// Their topic.
    pub topic: String,
    /// Wait for more when all are read, and for Kafka when it is gone.
    pub follow: bool,
}

/// An event of the shop, and where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// When: milliseconds since the Unix epoch.
    pub at: u64,
    /// `item-added` or `item-removed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Different for each change of a cart.
    pub event_id: String,
    /// Whose cart.
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
    /// Its place there.
    #[serde(skip_deserializing)]
    pub offset: i64,
}

/// What reading comes across.
#[derive(Debug)]
pub enum Next {
    /// An event that was not seen before.
    Event(Told),
    /// Something that whoever watches should know.
    Note(String),
}

/// Events being read. Dropping it ends that.
pub struct Reading {
    partitions: Vec<Part>,
    once: Once,
    follow: bool,
    notes: VecDeque<String>,
    /// Events that were there again, and dropped.
    repeated: u64,
    _tasks: JoinSet<()>,
}

/// One partition, as far as it is in hand.
struct Part {
    said: mpsc::Receiver<Said>,
    records: VecDeque<Record>,
    /// There may be more of what was there when reading began.
    behind: bool,
    gone: bool,
}

impl Reading {
    /// Begins with the oldest event that Kafka has.
    ///
    /// # Errors
    /// Kafka does not answer within five seconds, unless the events are followed: then this waits.
    pub async fn begin(source: Source) -> anyhow::Result<Self> {
        let count = partitions(&source).await?;
        let mut tasks = JoinSet::new();
        let partitions = (0..count).map(|number| {
            let (tell, said) = mpsc::channel(1);
            tasks.spawn(partition::read(source.clone(), number, tell));
            Part { said, records: VecDeque::new(), behind: true, gone: false }
        });
        Ok(Reading {
            partitions: partitions.collect(),
            once: Once::default(),
            follow: source.follow,
            notes: VecDeque::new(),
            repeated: 0,
            _tasks: tasks,
        })
    }

    /// What comes next; `None` when all is read, which never happens when the events are followed.
    ///
    /// # Errors
    /// Kafka was gone for five seconds, and the events are not followed.
    pub async fn next(&mut self) -> anyhow::Result<Option<Next>> {
        loop {
            if let Some(note) = self.notes.pop_front() {
                return Ok(Some(Next::Note(note)));
            }
            // The oldest is known when each partition has shown its next.
            let unknown = self.partitions.iter().position(|part| part.behind && part.records.is_empty());
            if let Some(number) = unknown {
                let said = self.partitions[number].said.recv().await;
                self.hear(number, said)?;
                continue;
            }
            let oldest = |part: &Part| part.records.front().map(|record| record.timestamp);
            let next = (0..self.partitions.len())
                .filter_map(|number| Some((oldest(&self.partitions[number])?, number)))
                .min();
            if let Some((_, number)) = next {
                let record = self.partitions[number].records.pop_front();
                if let Some(next) = record.and_then(|record| self.tell(number, &record)) {
                    return Ok(Some(next));
                }
                continue;
            }
            if !self.follow {
                return Ok(None);
            }
            let (number, said) = std::future::poll_fn(|context| {
                for (number, part) in self.partitions.iter_mut().enumerate() {
                    if let Poll::Ready(said) = part.said.poll_recv(context) {
                        return Poll::Ready((number, said));
                    }
                }
                Poll::Pending
            })
            .await;
            self.hear(number, said)?;
        }
    }

    /// How many events were there again, and dropped.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    fn hear(&mut self, number: usize, said: Option<Said>) -> anyhow::Result<()> {
        let away = self.partitions.iter().filter(|part| part.gone).count();
        let part = &mut self.partitions[number];
        match said {
            Some(Said::Records(records)) => part.records.extend(records),
            Some(Said::CaughtUp) => part.behind = false,
            Some(Said::Note(text)) => self.notes.push_back(format!("partition {number}: {text}")),
            Some(Said::Failed(error)) => return Err(error.context("read the events")),
            // A broker takes all its partitions with it: one word is enough.
            Some(Said::Gone(error)) => {
                part.gone = true;
                if away == 0 {
                    self.notes.push_back(format!("Kafka is gone ({error:#}); waiting for it"));
                }
            }
            Some(Said::Back) => {
                part.gone = false;
                if away == 1 {
                    self.notes.push_back("Kafka is back".to_owned());
                }
            }
            None => anyhow::bail!("partition {number} is not read any more"),
        }
        Ok(())
    }

    fn tell(&mut self, partition: usize, record: &Record) -> Option<Next> {
        match understand(partition, record) {
            Ok(told) if self.once.first(&told.event_id) => Some(Next::Event(told)),
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
fn understand(partition: usize, record: &Record) -> Result<Told, String> {
    let value = record.value.as_deref().unwrap_or_default();
    let event: Told =
        serde_json::from_slice(value).map_err(|error| format!("is no event of the shop: {error}"))?;
    if event.event_id.is_empty() || event.event_id.len() > once::LONGEST {
        return Err(format!("is no event of the shop: its eventId has {} bytes", event.event_id.len()));
    }
    let header = record.headers.iter().find(|(name, _)| name.as_str() == "traceparent");
    let text = header.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
    let trace_id = text.and_then(|text| Some(text.parse::<Traceparent>().ok()?.trace_id.to_string()));
    Ok(Told { trace_id, partition, offset: record.offset, ..event })
}

/// How many partitions the topic has; none as long as nobody has told an event.
async fn partitions(source: &Source) -> anyhow::Result<usize> {
    let begun = clock::monotonic();
    let mut tries = tokio::time::interval(PAUSE);
    loop {
        tries.tick().await;
        match broker::topic(source).await {
            Ok(Some(leaders)) => return Ok(leaders.len()),
            Ok(None) if !source.follow => return Ok(0),
            Err(error) if !source.follow && clock::since(begun) > PATIENCE => {
                return Err(error.context("read the events"));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
