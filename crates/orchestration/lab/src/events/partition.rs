//! One partition, from its first record on, over every restart of its broker.

use bytes::{Buf as _, Bytes};
use hop::clock;
use kafka_protocol::error::ResponseError;
use kafka_protocol::records::{Record, RecordBatchDecoder};
use tokio::sync::mpsc::Sender;

use super::broker::{self, Broker, End};
use super::{PATIENCE, PAUSE, Source};

/// What a partition's reader says.
#[derive(Debug)]
pub(super) enum Said {
    /// The next records.
    Records(Vec<Record>),
    /// All that was there when reading began is read. Said once.
    CaughtUp,
    /// Something that whoever watches should know.
    Note(String),
    /// The broker can't be read at present.
    Gone(anyhow::Error),
    /// It can be again.
    Back,
    /// The last word.
    Failed(anyhow::Error),
}

/// Nobody listens any more.
struct Unheard;

/// Reads until nobody listens, or, unless the source is followed, until all is read.
pub(super) async fn read(source: Source, number: usize, tell: Sender<Said>) {
    let mut reader = Reader { source, number, tell, place: None, gone: false };
    let mut tries = tokio::time::interval(PAUSE);
    tries.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut well = clock::monotonic();
    loop {
        tries.tick().await;
        let begun = reader.place;
        let Ok(outcome) = reader.connection().await else { return };
        let Err(error) = outcome else { return };
        if begun != reader.place {
            well = clock::monotonic();
        }
        let last = if !reader.source.follow && clock::since(well) > PATIENCE {
            Said::Failed(error)
        } else if std::mem::replace(&mut reader.gone, true) {
            continue;
        } else {
            Said::Gone(error)
        };
        let ended = matches!(last, Said::Failed(_));
        if reader.say(last).await.is_err() || ended {
            return;
        }
    }
}

struct Reader {
    source: Source,
    number: usize,
    tell: Sender<Said>,
    place: Option<Place>,
    gone: bool,
}

/// How far it is. What is read stays read when the connection is a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The offset of the next record.
    next: i64,
    /// The offset at which all that was there at first is read; none when that is behind us.
    end: Option<i64>,
}

impl Reader {
    /// Reads as long as one connection holds. The inner error says why it does not; without one, all is read.
    async fn connection(&mut self) -> Result<anyhow::Result<()>, Unheard> {
        let mut broker = match self.open().await {
            Ok(broker) => broker,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            let Some(place) = self.place else { return Ok(Ok(())) };
            if place.end.is_some_and(|end| place.next >= end) {
                self.place = Some(Place { end: None, ..place });
                self.say(Said::CaughtUp).await?;
                if !self.source.follow {
                    return Ok(Ok(()));
                }
            }
            match broker.fetch(&self.source.topic, self.number, place.next).await {
                Ok(Ok(batches)) => self.take(batches).await?,
                Ok(Err(ResponseError::OffsetOutOfRange)) => match self.find(&mut broker, place).await {
                    Ok(note) => self.say(Said::Note(note)).await?,
                    Err(error) => return Ok(Err(error)),
                },
                Ok(Err(error)) => return Ok(Err(anyhow::anyhow!("Kafka says {error}"))),
                Err(error) => return Ok(Err(error)),
            }
            if std::mem::take(&mut self.gone) {
                self.say(Said::Back).await?;
            }
        }
    }

    /// Connects to whoever leads the partition now, and finds its ends the first time.
    async fn open(&mut self) -> anyhow::Result<Broker> {
        let leaders = broker::topic(&self.source).await?.unwrap_or_default();
        let leader = leaders.get(self.number);
        let leader = *leader.ok_or_else(|| anyhow::anyhow!("partition {} is not there", self.number))?;
        let mut broker = Broker::connect(leader).await?;
        if self.place.is_none() {
            let end = broker.end(&self.source.topic, self.number, End::Last).await?;
            let next = broker.end(&self.source.topic, self.number, End::First).await?;
            self.place = Some(Place { next, end: Some(end) });
        }
        Ok(broker)
    }

    /// Hands on the records of a fetch, which may begin with some that are known and end in half a batch.
    async fn take(&mut self, batches: Bytes) -> Result<(), Unheard> {
        let Some(mut place) = self.place else { return Ok(()) };
        let mut records = Vec::new();
        let mut notes = Vec::new();
        for batch in split(batches) {
            match RecordBatchDecoder::decode(&mut batch.bytes.clone()) {
                Ok(set) => {
                    // Control records end transactions: they are nobody's event.
                    let new = |record: &Record| record.offset >= place.next && !record.control;
                    records.extend(set.records.into_iter().filter(new));
                }
                Err(error) => {
                    let (first, after) = (batch.first, batch.after);
                    notes.push(format!(
                        "the records from offset {first} to before {after} can't be read: {error:#}"
                    ));
                }
            }
            place.next = place.next.max(batch.after);
        }
        if !records.is_empty() {
            self.say(Said::Records(records)).await?;
        }
        // Only now: what nobody has heard is not read.
        self.place = Some(place);
        for note in notes {
            self.say(Said::Note(note)).await?;
        }
        Ok(())
    }

    /// The log does not hold our place any more: goes to the nearest that it holds.
    async fn find(&mut self, broker: &mut Broker, place: Place) -> anyhow::Result<String> {
        let first = broker.end(&self.source.topic, self.number, End::First).await?;
        let last = broker.end(&self.source.topic, self.number, End::Last).await?;
        let next = place.next.clamp(first, last.max(first));
        self.place = Some(Place { next, end: place.end.map(|end| end.min(last)) });
        Ok(if place.next < first {
            format!(
                "what was at the offsets {} to {first} was deleted (retention) before it was read",
                place.next
            )
        } else {
            format!(
                "Kafka had records up to offset {} and has them up to {last} now: it lost some",
                place.next
            )
        })
    }

    async fn say(&self, said: Said) -> Result<(), Unheard> {
        self.tell.send(said).await.map_err(|_| Unheard)
    }
}

/// A record batch as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) bytes: Bytes,
    /// The offset of its first record.
    pub(super) first: i64,
    /// The offset of the record that follows it.
    pub(super) after: i64,
}

/// The whole batches of a fetch. A broker cuts at a byte, not at a batch: half a batch at the end comes whole
/// the next time.
///
/// Of a batch's header (Kafka's documentation, "Record Batch") this reads the base offset (8 bytes), the length of
/// what follows it (4), and the last record's offset relative to the base (4, at byte 23).
pub(super) fn split(mut bytes: Bytes) -> Vec<Batch> {
    const BEFORE: usize = 12;
    const LAST: std::ops::Range<usize> = 23..27;
    let mut batches = Vec::new();
    while bytes.len() > LAST.end {
        let first = (&bytes[..8]).get_i64();
        let length =
            usize::try_from((&bytes[8..BEFORE]).get_i32()).unwrap_or(usize::MAX).saturating_add(BEFORE);
        if length < LAST.end || length > bytes.len() {
            break;
        }
        let after = first + i64::from((&bytes[LAST]).get_i32()) + 1;
        batches.push(Batch { bytes: bytes.split_to(length), first, after });
    }
    batches
}
