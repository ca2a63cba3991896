//! The last exchanges of a program; the oldest is overwritten.

use std::collections::VecDeque;

use journey::Span;
use parking_lot::Mutex;

use super::ids::Ids;
use super::query::Query;
use super::record::Record;
use crate::{Admin, clock};

/// The last exchanges, the newest at the end.
pub(in crate::telemetry) struct Ring<R> {
    capacity: usize,
    seed: u128,
    service: &'static str,
    timed_by: Option<Admin>,
    records: Mutex<Records<R>>,
}

struct Records<R> {
    kept: VecDeque<R>,
    /// How many have been overwritten: the number of the first that is kept.
    overwritten: u64,
    /// What ended until then is not here any more, or never was.
    since: u64,
}

/// Something that can be asked what it kept.
pub(in crate::telemetry) trait Source: Send + Sync {
    /// Adds the spans that are asked for; says since when everything is here.
    fn answer(&self, query: &Query, spans: &mut Vec<Span>) -> u64;
}

impl<R: Record> Ring<R> {
    pub(in crate::telemetry) fn new(capacity: usize, service: &'static str, timed_by: Option<Admin>) -> Self {
        let records = Records { kept: VecDeque::new(), overwritten: 0, since: clock::now() };
        Ring { capacity, seed: rand::random(), service, timed_by, records: Mutex::new(records) }
    }

    pub(in crate::telemetry) fn push(&self, record: R) {
        let mut records = self.records.lock();
        if let (Some(admin), Some((operation, name))) = (&self.timed_by, record.operation()) {
            let number = records.overwritten + records.kept.len() as u64;
            let (from, to) = record.times();
            let trace = record.trace().unwrap_or_else(|| Ids::new(self.seed, number).trace());
            admin.metrics().done(operation, name, to.saturating_sub(from), trace);
        }
        if records.kept.len() == self.capacity
            && let Some(oldest) = records.kept.pop_front()
        {
            records.overwritten += 1;
            records.since = records.since.max(oldest.times().1);
        }
        records.kept.push_back(record);
    }
}

/// Records are in the order in which they ended, but for what one task had to do before it could say so.
const DISORDER: u64 = 250_000_000;

impl<R: Record> Source for Ring<R> {
    fn answer(&self, query: &Query, spans: &mut Vec<Span>) -> u64 {
        let records = self.records.lock();
        let earliest = query.earliest().saturating_sub(DISORDER);
        let recent = || {
            let newest_first = records.kept.iter().enumerate().rev();
            let numbered = newest_first.map(|(at, record)| (record, records.overwritten + at as u64));
            numbered.take_while(|(record, _)| record.times().1 >= earliest)
        };
        let traces = query.traces(recent().map(|(record, _)| record));
        for (record, number) in recent() {
            let of_trace = record.trace().is_some_and(|trace| traces.contains(&trace));
            if of_trace || query.wants(record) {
                spans.extend(record.spans(Ids::new(self.seed, number)).into_iter().map(|mut span| {
                    span.hop = self.service.into();
                    span
                }));
            }
        }
        records.since
    }
}
