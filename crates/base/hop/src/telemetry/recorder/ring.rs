//! The last exchanges of a program; the oldest is overwritten.

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
    /// Memory for all of them is reserved once; the kernel gives it page by page, when it is first written to.
    kept: Vec<R>,
    /// How many there have ever been: the number of the next. It overwrites the oldest, `capacity` before it.
    count: u64,
    /// What ended until then is not here any more, or never was.
    since: u64,
}

impl<R> Records<R> {
    /// With their numbers, the newest first.
    fn newest_first(&self) -> impl Iterator<Item = (u64, &R)> {
        let next =
            usize::try_from(self.count).unwrap_or(usize::MAX).checked_rem(self.kept.len()).unwrap_or(0);
        let (newer, older) = self.kept.split_at(next);
        (0..self.count).rev().zip(newer.iter().rev().chain(older.iter().rev()))
    }
}

/// Something that can be asked what it kept.
pub(in crate::telemetry) trait Source: Send + Sync {
    /// Adds the spans that are asked for; says since when everything is here.
    fn answer(&self, query: &Query, spans: &mut Vec<Span>) -> u64;
}

impl<R: Record> Ring<R> {
    pub(in crate::telemetry) fn new(capacity: usize, service: &'static str, timed_by: Option<Admin>) -> Self {
        let records = Records { kept: Vec::with_capacity(capacity), count: 0, since: clock::now() };
        Ring { capacity, seed: rand::random(), service, timed_by, records: Mutex::new(records) }
    }

    pub(in crate::telemetry) fn push(&self, record: R) {
        let mut records = self.records.lock();
        if let (Some(admin), Some((operation, name))) = (&self.timed_by, record.operation()) {
            let number = records.count;
            let (from, to) = record.times();
            let trace = record.trace().unwrap_or_else(|| Ids::new(self.seed, number).trace());
            admin.metrics().done(operation, name, to.saturating_sub(from), trace);
        }
        if records.kept.len() < self.capacity {
            records.kept.push(record);
        } else if let Some(at) = records.count.checked_rem(self.capacity as u64)
            && let Some(place) = usize::try_from(at).ok().and_then(|at| records.kept.get_mut(at))
        {
            let oldest = std::mem::replace(place, record);
            records.since = records.since.max(oldest.times().1);
        }
        records.count += 1;
    }
}

/// Records are in the order in which they ended, but for what one task had to do before it could say so.
const DISORDER: u64 = 250_000_000;

impl<R: Record> Source for Ring<R> {
    fn answer(&self, query: &Query, spans: &mut Vec<Span>) -> u64 {
        let records = self.records.lock();
        let earliest = query.earliest().saturating_sub(DISORDER);
        let recent = || records.newest_first().take_while(|(_, record)| record.times().1 >= earliest);
        let traces = query.traces(recent().map(|(_, record)| record));
        for (number, record) in recent() {
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
