//! What the collector has, and for how long: bounded by what is put together for people, whoever sends how much.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use hop::clock;
use journey::{Anomaly, Arrived, Flow, Index, Journey, Roster, Span, TraceId, Value};
use tap::reported::ReportedStamps;

use super::outside::{Candidates, Outside};
use super::recorders::TraceQuery;

/// The most spans, and about the most bytes, of traces that nobody has asked for: a load generator's, a foreign
/// program's. The oldest are forgotten.
const LOOSE: (usize, usize) = (10_000, 12 << 20);
/// The most spans of journeys that are, or were, put together: some thousand. The oldest are forgotten.
const HELD: usize = 100_000;
/// About so many bytes of them are kept for longer than any journey is [waited for](WAITED_FOR).
const HELD_BYTES: usize = 12 << 20;
/// Nobody waits longer until a journey is put together: a measurement does 10 seconds.
const WAITED_FOR: Duration = Duration::from_secs(12);
/// So many traces wait to be put together.
const OPEN: usize = 20_000;
/// So many of the lab's own requests that failed are remembered: the last ones.
const FAILED: usize = 1_000;

/// How long after a journey's end those may still report of whom nobody can tell whether they were called: some
/// times as long as a program keeps its spans (`telemetry.delay_ms`).
const AWAIT_LIMIT: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Store {
    pub(super) index: Index,
    /// Journeys that are to be put together.
    open: HashMap<TraceId, Open>,
    /// What may have come from outside.
    outside: Candidates,
    /// The lab's own requests that failed: what their hops still report is not from outside.
    failed: VecDeque<TraceId>,
    /// Of traces that are not open: the weight of each in bytes, the oldest first.
    loose: HashMap<Arrived, usize>,
    loose_bytes: usize,
    loose_order: VecDeque<Arrived>,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// What was reported of each journey that was put together, while it is compared with packets.
    pub(super) reported: Option<Vec<ReportedStamps>>,
}

/// A span of a journey that is, or was, put together.
struct Held {
    at: Arrived,
    since: Instant,
    weight: usize,
}

/// A journey that is to be put together.
#[derive(Default)]
struct Open {
    /// Did the lab's own browser begin it?
    ours: bool,
    /// What flight recorders were asked, and for which time.
    queried: HashMap<(String, Option<Flow>), (u64, u64)>,
    /// Who had overwritten what was asked for, by how many nanoseconds.
    overwritten: HashMap<String, u64>,
    /// Something arrived since they were asked last.
    changed: bool,
}

impl Store {
    /// Adds spans; `wanted` are those that a flight recorder was asked for.
    pub(super) fn add(&mut self, spans: Vec<Span>, wanted: bool) {
        let now = clock::monotonic();
        for span in spans {
            let open = self.open.get_mut(&span.trace_id);
            let ours = open.as_ref().is_some_and(|open| open.ours) || self.failed.contains(&span.trace_id);
            if !ours {
                self.outside.add(&span);
            }
            let held = wanted || open.is_some();
            if let Some(open) = open {
                open.changed = true;
            }
            let weight = weight(&span);
            let Some(at) = self.index.insert(span) else { continue };
            if held {
                self.held.push_back(Held { at, since: now, weight });
                self.held_bytes += weight;
            } else {
                self.loose.insert(at, weight);
                self.loose_bytes += weight;
                self.loose_order.push_back(at);
            }
        }
        self.shrink(now);
    }

    /// The next request from outside; if there is none, how long it takes until one may be due.
    pub(super) fn next_outside(&mut self, roster: &Roster) -> Result<Outside, Option<Duration>> {
        self.outside.next(&self.index, roster)
    }

    /// Forgets the oldest of what is too much.
    pub(super) fn shrink(&mut self, now: Instant) {
        while self.loose.len() > LOOSE.0 || self.loose_bytes > LOOSE.1 {
            let Some(oldest) = self.loose_order.pop_front() else { break };
            self.forget(oldest);
        }
        while let Some(Held { at, since, weight }) = self.held.front() {
            let old = now.saturating_duration_since(*since) > WAITED_FOR;
            if self.held.len() <= HELD && !(old && self.held_bytes > HELD_BYTES) {
                break;
            }
            self.held_bytes -= weight;
            self.index.remove(*at);
            self.held.pop_front();
        }
    }

    fn forget(&mut self, at: Arrived) {
        self.index.remove(at);
        if let Some(weight) = self.loose.remove(&at) {
            self.loose_bytes -= weight;
        }
    }

    /// A journey is going to be put together; true when that was not known.
    pub(super) fn open(&mut self, trace_id: TraceId, ours: bool) -> bool {
        let new = !self.open.contains_key(&trace_id);
        if new && self.open.len() >= OPEN {
            return false;
        }
        let open = self.open.entry(trace_id).or_default();
        (open.ours, open.changed) = (open.ours || ours, true);
        new
    }

    /// A journey is put together, or is not going to be. Its spans stay until they are the oldest: those of layer-4
    /// proxies, stores and brokers tell journeys beside it which bytes were *not* theirs.
    pub(super) fn close(&mut self, trace_id: TraceId) {
        self.open.remove(&trace_id);
    }

    /// The lab's own request failed: there will be no journey.
    pub(super) fn give_up(&mut self, trace_id: TraceId) {
        self.close(trace_id);
        if self.failed.len() == FAILED {
            self.failed.pop_front();
        }
        self.failed.push_back(trace_id);
    }

    /// What flight recorders are to be asked now; it counts as asked from now on.
    pub(super) fn query(&mut self, roster: &Roster) -> Vec<TraceQuery> {
        let mut queries = Vec::new();
        for (trace_id, open) in self.open.iter_mut().filter(|(_, open)| open.changed) {
            open.changed = false;
            let traces = std::iter::once(*trace_id).chain(self.index.traces_after(*trace_id));
            for wanted in traces.flat_map(|trace_id| self.index.wanted(roster, trace_id)) {
                let times = (wanted.from, wanted.to);
                let queried = open.queried.entry((wanted.hop.clone(), wanted.flow)).or_insert((u64::MAX, 0));
                if times.0 < queried.0 || times.1 > queried.1 {
                    *queried = (queried.0.min(times.0), queried.1.max(times.1));
                    queries.push(TraceQuery { trace_id: *trace_id, wanted });
                }
            }
        }
        queries
    }

    /// Hops have answered: each has everything that ended after `since`. Without that, it did not answer, and is asked
    /// again another time. False when nobody answered.
    pub(super) fn answered(&mut self, queries: &[TraceQuery], since: impl Fn(&str) -> Option<u64>) -> bool {
        let mut answered = false;
        for TraceQuery { trace_id, wanted } in queries {
            let Some(open) = self.open.get_mut(trace_id) else { continue };
            let Some(since) = since(&wanted.hop) else {
                open.queried.remove(&(wanted.hop.clone(), wanted.flow));
                continue;
            };
            if since >= wanted.from {
                open.overwritten.insert(wanted.hop.clone(), since - wanted.from);
            }
            (open.changed, answered) = (true, true);
        }
        answered
    }

    /// These did not know anything yet: ask them again.
    pub(super) fn query_again(&mut self, trace_id: TraceId, hops: &[String]) {
        if let Some(open) = self.open.get_mut(&trace_id) {
            open.queried.retain(|(hop, _), _| !hops.contains(hop));
            open.changed = true;
        }
    }

    /// Why some of these hops say nothing of a journey, where their flight recorders explain it.
    pub(super) fn overwritten(&self, trace_id: TraceId, silent: &[String]) -> Vec<Anomaly> {
        let Some(open) = self.open.get(&trace_id) else { return Vec::new() };
        let overwritten = silent.iter().filter_map(|hop| Some((hop, *open.overwritten.get(hop)?)));
        let what = "its flight recorder had overwritten this when it was asked (telemetry.flight_recorder)";
        let anomaly =
            |(hop, by_ns): (&String, u64)| Anomaly { hop: hop.clone(), what: what.to_owned(), by_ns };
        overwritten.map(anomaly).collect()
    }
}

/// How much longer something may arrive of what was done because of a request.
pub(super) fn until_settled(journey: Option<&Journey>, limit: Duration) -> Duration {
    if journey.is_some_and(Journey::settled) { Duration::ZERO } else { limit }
}

/// How much longer something may arrive that belongs to a journey.
pub(super) fn until_complete(journey: Option<&Journey>, limit: Duration) -> Duration {
    match journey {
        Some(journey) if journey.complete() => Duration::ZERO,
        Some(journey) if journey.sealed() => {
            let ended = journey.start_unix_ns + journey.total_ns;
            AWAIT_LIMIT.saturating_sub(Duration::from_nanos(clock::now().saturating_sub(ended)))
        }
        _ => limit,
    }
}

/// About how many bytes a span takes.
fn weight(span: &Span) -> usize {
    let text = |(key, value): &(std::borrow::Cow<'static, str>, Value)| {
        let value = if let Value::Text(text) = value { text.len() } else { 0 };
        size_of_val(key) + size_of::<Value>() + key.len() + value
    };
    size_of::<Span>()
        + span.name.len()
        + span.attributes.iter().map(text).sum::<usize>()
        + size_of_val(span.stamps.as_slice())
        + size_of_val(span.links.as_slice())
}

#[cfg(test)]
mod tests;
