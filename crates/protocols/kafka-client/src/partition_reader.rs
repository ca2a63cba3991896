//! One partition, from its first record on, over every restart of its broker.

use std::time::Duration;

use bytes::Bytes;
use hop::clock;
use hop::upstream::Failure;
use kafka_protocol::error::ResponseError;
use kafka_protocol::records::{Record, RecordBatchDecoder};
use tokio::sync::mpsc::Sender;

use crate::batch::split;
use crate::broker::Broker;
use crate::failure::{failure, not_done};
use crate::fetch::{Position, fetch, offset};
use crate::source::{LIMIT, PATIENCE, RETRY_BACKOFF, Source};

/// How long a fetch waits for news.
const WAIT: Duration = Duration::from_secs(1);

/// What a partition's reader reports.
#[derive(Debug)]
pub(crate) enum Update {
    /// The next records.
    Records(Vec<Record>),
    /// All that was there when reading began is read. Reported once.
    CaughtUp,
    /// Something that whoever watches should know.
    Note(String),
    /// The broker can't be read at present.
    Unavailable(Failure),
    /// It can be again.
    Recovered,
    /// The last update.
    Failed(Failure),
}

/// The receiver of the updates is gone.
struct Closed;

/// Reads until nobody receives any more, or, unless the source is followed, until all is read.
pub(crate) async fn read(source: Source, partition: i32, updates: Sender<Update>) {
    let mut reader = PartitionReader { source, partition, updates, progress: None, unavailable: false };
    let mut attempts = tokio::time::interval(RETRY_BACKOFF);
    attempts.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last_success = clock::monotonic();
    loop {
        attempts.tick().await;
        let before = reader.progress;
        let Ok(outcome) = reader.read_on_one_connection().await else { return };
        let Err(failure) = outcome else { return };
        if before != reader.progress {
            last_success = clock::monotonic();
        }
        let update = if !reader.source.follow && clock::since(last_success) > PATIENCE {
            Update::Failed(failure)
        } else if std::mem::replace(&mut reader.unavailable, true) {
            continue;
        } else {
            Update::Unavailable(failure)
        };
        let ended = matches!(update, Update::Failed(_));
        if reader.send(update).await.is_err() || ended {
            return;
        }
    }
}

struct PartitionReader {
    source: Source,
    partition: i32,
    updates: Sender<Update>,
    progress: Option<Progress>,
    unavailable: bool,
}

/// How far reading is. What is read stays read when the connection is a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    /// The offset of the next record.
    next: i64,
    /// The offset at which all that was there at first is read; none when that is past.
    end: Option<i64>,
}

impl PartitionReader {
    /// Reads as long as one connection holds. The inner failure says why it does not; without one, all is read.
    async fn read_on_one_connection(&mut self) -> Result<Result<(), Failure>, Closed> {
        let mut broker = match self.open().await {
            Ok(broker) => broker,
            Err(failure) => return Ok(Err(failure)),
        };
        loop {
            let Some(progress) = self.progress else { return Ok(Ok(())) };
            if progress.end.is_some_and(|end| progress.next >= end) {
                self.progress = Some(Progress { end: None, ..progress });
                self.send(Update::CaughtUp).await?;
                if !self.source.follow {
                    return Ok(Ok(()));
                }
            }
            let topic = &self.source.topic;
            match fetch(&mut broker, topic, self.partition, progress.next, WAIT, LIMIT).await {
                Ok(Ok(fetched)) => self.take(fetched.batches).await?,
                Ok(Err(ResponseError::OffsetOutOfRange)) => match self.reset(&mut broker, progress).await {
                    Ok(note) => self.send(Update::Note(note)).await?,
                    Err(failure) => return Ok(Err(failure)),
                },
                Ok(Err(error)) => return Ok(Err(failure(error))),
                Err(failure) => return Ok(Err(failure)),
            }
            if std::mem::take(&mut self.unavailable) {
                self.send(Update::Recovered).await?;
            }
        }
    }

    /// Connects to whoever leads the partition now, and finds its ends the first time.
    async fn open(&mut self) -> Result<Broker, Failure> {
        let leaders = self.source.leaders().await?.unwrap_or_default();
        let leader = usize::try_from(self.partition).ok().and_then(|number| leaders.get(number));
        let leader = leader.ok_or_else(|| not_done(format!("partition {} is not there", self.partition)))?;
        let leader = leader.ok_or_else(|| not_done(format!("nobody leads partition {}", self.partition)))?;
        let mut broker = self.source.connect(leader).await?;
        if self.progress.is_none() {
            let end = self.offset(&mut broker, Position::Last).await?;
            let next = self.offset(&mut broker, Position::First).await?;
            self.progress = Some(Progress { next, end: Some(end) });
        }
        Ok(broker)
    }

    async fn offset(&self, broker: &mut Broker, position: Position) -> Result<i64, Failure> {
        let found = offset(broker, &self.source.topic, self.partition, position, LIMIT).await?;
        found.ok_or_else(|| not_done(format!("no offset is the {position:?}")))
    }

    /// Hands on the records of a fetch, which may begin with some that are known and end in half a batch.
    async fn take(&mut self, batches: Bytes) -> Result<(), Closed> {
        let Some(mut progress) = self.progress else { return Ok(()) };
        let mut records = Vec::new();
        let mut notes = Vec::new();
        for batch in split(batches) {
            match RecordBatchDecoder::decode(&mut batch.bytes.clone()) {
                Ok(set) => {
                    // Control records end transactions: they are nobody's value.
                    let new = |record: &Record| record.offset >= progress.next && !record.control;
                    records.extend(set.records.into_iter().filter(new));
                }
                Err(error) => {
                    let (first, after) = (batch.first, batch.after);
                    notes.push(format!(
                        "the records from offset {first} to before {after} can't be read: {error:#}"
                    ));
                }
            }
            progress.next = progress.next.max(batch.after);
        }
        if !records.is_empty() {
            self.send(Update::Records(records)).await?;
        }
        // Only now: what nobody has received is not read.
        self.progress = Some(progress);
        for note in notes {
            self.send(Update::Note(note)).await?;
        }
        Ok(())
    }

    /// The log does not hold the next offset any more: goes to the nearest that it holds.
    async fn reset(&mut self, broker: &mut Broker, progress: Progress) -> Result<String, Failure> {
        let first = self.offset(broker, Position::First).await?;
        let last = self.offset(broker, Position::Last).await?;
        let before = progress.next;
        let next = before.clamp(first, last.max(first));
        self.progress = Some(Progress { next, end: progress.end.map(|end| end.min(last)) });
        Ok(if before < first {
            format!("what was at the offsets {before} to {first} was deleted (retention) before it was read")
        } else {
            format!("Kafka had records up to offset {before} and has them up to {last} now: it lost some")
        })
    }

    async fn send(&self, update: Update) -> Result<(), Closed> {
        self.updates.send(update).await.map_err(|_| Closed)
    }
}
