//! A topic, from its oldest record on: in order per partition, and what was there before merged by time.
//!
//! Each partition is read by a task of its own, on a connection of its own: a fetch that waits for news holds its
//! connection up. What was there before is merged by time over all partitions, so that it reads like one story; what
//! comes later is handed out as it comes.
//!
//! **Memory.** Of each partition at most three fetches of 1 MiB are in hand at once, however far one is ahead of the
//! others: a task fetches on when its last records were taken.

use std::collections::VecDeque;
use std::task::Poll;

use hop::clock;
use hop::upstream::Failure;
use kafka_protocol::records::Record;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::failure::not_done;
use crate::partition_reader::{Update, read};
use crate::source::{PATIENCE, RETRY_BACKOFF, Source};

/// What reading comes across.
#[derive(Debug)]
pub enum Next {
    /// A record, and its partition. Control records are left out.
    Record(usize, Record),
    /// Something that whoever watches should know.
    Note(String),
}

/// A topic being read. Dropping it ends that.
pub struct Reader {
    partitions: Vec<Partition>,
    follow: bool,
    notes: VecDeque<String>,
    _tasks: JoinSet<()>,
}

/// One partition, as far as it is in hand.
struct Partition {
    updates: mpsc::Receiver<Update>,
    records: VecDeque<Record>,
    /// There may be more of what was there when reading began.
    behind: bool,
    unavailable: bool,
}

impl Reader {
    /// Begins with the oldest record that Kafka has. A topic that does not exist is empty.
    ///
    /// # Errors
    /// Kafka does not answer within five seconds, unless the topic is followed: then this waits.
    pub async fn begin(source: Source) -> Result<Self, Failure> {
        let count = partitions(&source).await?;
        let tasks = (0..count).map(|number| {
            let source = source.clone();
            move |updates| read(source, i32::try_from(number).unwrap_or(i32::MAX), updates)
        });
        Ok(Reader::of(source.follow, tasks))
    }

    /// A reader of partitions that are read by these tasks.
    fn of<F, T>(follow: bool, partitions: impl IntoIterator<Item = F>) -> Self
    where
        F: FnOnce(mpsc::Sender<Update>) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        let partition = |read: F| {
            let (sender, updates) = mpsc::channel(1);
            tasks.spawn(read(sender));
            Partition { updates, records: VecDeque::new(), behind: true, unavailable: false }
        };
        let partitions = partitions.into_iter().map(partition).collect();
        Reader { partitions, follow, notes: VecDeque::new(), _tasks: tasks }
    }

    /// What comes next; `None` when all is read, which never happens when the topic is followed.
    ///
    /// # Errors
    /// Kafka was gone for five seconds, and the topic is not followed.
    pub async fn next(&mut self) -> Result<Option<Next>, Failure> {
        loop {
            if let Some(note) = self.notes.pop_front() {
                return Ok(Some(Next::Note(note)));
            }
            // The oldest is known when each partition has shown its next.
            let unknown = self.partitions.iter().position(|one| one.behind && one.records.is_empty());
            if let Some(number) = unknown {
                let update = self.partitions[number].updates.recv().await;
                self.apply(number, update)?;
                continue;
            }
            let oldest = |one: &Partition| one.records.front().map(|record| record.timestamp);
            let next = (0..self.partitions.len())
                .filter_map(|number| Some((oldest(&self.partitions[number])?, number)))
                .min();
            if let Some((_, number)) = next {
                let record = self.partitions[number].records.pop_front();
                return Ok(record.map(|record| Next::Record(number, record)));
            }
            if !self.follow {
                return Ok(None);
            }
            let (number, update) = std::future::poll_fn(|context| {
                for (number, one) in self.partitions.iter_mut().enumerate() {
                    if let Poll::Ready(update) = one.updates.poll_recv(context) {
                        return Poll::Ready((number, update));
                    }
                }
                Poll::Pending
            })
            .await;
            self.apply(number, update)?;
        }
    }

    fn apply(&mut self, number: usize, update: Option<Update>) -> Result<(), Failure> {
        let unavailable = self.partitions.iter().filter(|one| one.unavailable).count();
        let one = &mut self.partitions[number];
        match update {
            Some(Update::Records(records)) => one.records.extend(records),
            Some(Update::CaughtUp) => one.behind = false,
            Some(Update::Note(text)) => self.notes.push_back(format!("partition {number}: {text}")),
            Some(Update::Failed(failure)) => return Err(failure),
            // A broker takes all its partitions with it: one note is enough.
            Some(Update::Unavailable(failure)) => {
                one.unavailable = true;
                if unavailable == 0 {
                    self.notes.push_back(format!("Kafka is gone ({}); waiting for it", failure.describe()));
                }
            }
            Some(Update::Recovered) => {
                one.unavailable = false;
                if unavailable == 1 {
                    self.notes.push_back("Kafka is back".to_owned());
                }
            }
            None => return Err(not_done(format!("partition {number} is not read any more"))),
        }
        Ok(())
    }
}

/// How many partitions the topic has; none as long as nobody has sent a record.
async fn partitions(source: &Source) -> Result<usize, Failure> {
    let begun = clock::monotonic();
    let mut attempts = tokio::time::interval(RETRY_BACKOFF);
    loop {
        attempts.tick().await;
        match source.leaders().await {
            Ok(Some(leaders)) => return Ok(leaders.len()),
            Ok(None) if !source.follow => return Ok(0),
            Err(failure) if !source.follow && clock::since(begun) > PATIENCE => return Err(failure),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
