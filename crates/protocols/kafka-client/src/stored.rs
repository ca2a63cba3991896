//! Is a record there already? Whoever finds one that somebody else may have sent looks before it sends it again.

use std::collections::HashSet;
use std::time::Duration;

use hop::upstream::Failure;
use kafka_protocol::records::RecordBatchDecoder;

use crate::batch::Record;
use crate::failure::failure;
use crate::fetch::{Fetched, Position, fetch, offset};
use crate::producer::Producer;

/// How many fetches are looked through: some 30,000 events. What lies further ahead is not found.
const PORTIONS: usize = 16;

impl Producer {
    /// Which of these records with the same key, by number, the log holds. They are known by their values.
    ///
    /// A record lies at or behind the first one that is not older (ListOffsets by time); from there on the log is read
    /// to its end.
    ///
    /// # Errors
    /// See [`Failure`]; nothing is changed by it.
    pub async fn stored(&self, records: &[Record]) -> Result<HashSet<usize>, Failure> {
        let mut found = HashSet::new();
        let (Some(first), Some(oldest)) =
            (records.first(), records.iter().map(|record| record.timestamp).min())
        else {
            return Ok(found);
        };
        let _permit = self.permit().await?;
        let metadata = self.metadata().await?;
        let (partition, leader) = metadata.leader(&first.key)?;
        let mut broker = self.broker(leader).await?;

        let begin = offset(&mut broker, &self.topic, partition, Position::Time(oldest), self.limit).await;
        let Some(mut next) = begin.inspect_err(|_| self.forget(&metadata))? else {
            self.pool.put_back(broker);
            return Ok(found);
        };
        for _ in 0..PORTIONS {
            // It answers with what there is, and waits for nothing.
            let fetched =
                fetch(&mut broker, &self.topic, partition, next, Duration::ZERO, self.limit).await?;
            let Fetched { mut batches, end } = fetched.map_err(failure)?;
            let before = next;
            // The last batch may be cut off at the fetch's end: it comes whole with the next one.
            while !batches.is_empty()
                && let Ok(set) = RecordBatchDecoder::decode(&mut batches)
            {
                for stored in set.records {
                    next = next.max(stored.offset + 1);
                    let same = |record: &Record| stored.value.as_ref() == Some(&record.value);
                    found.extend(records.iter().position(same));
                }
            }
            if next >= end || next == before || found.len() == records.len() {
                break;
            }
        }
        self.pool.put_back(broker);
        Ok(found)
    }
}
